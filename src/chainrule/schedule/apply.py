"""`Apply`: makes nodes where a rule puts simpler operations in the place of one."""

from __future__ import annotations

from typing import Any

from chainrule.ir.graph import Node, Value
from chainrule.ir.op import Op
from chainrule.ops.movement import full
from chainrule.types import Type
from chainrule.where import Where


class Apply:
    """Makes nodes at the user's line of the one that they stand for."""

    def __init__(self, where: Where | None) -> None:
        self.where = where

    def __call__(self, op: Op, *inputs: Value, **attrs: Any) -> Value:
        """The result of an operation."""
        found = op.infer(*[x.type for x in inputs], **attrs)
        types = (found,) if isinstance(found, Type) else found
        return Node(op, inputs, attrs, types, self.where).results[0]

    def number(self, value: float, like: Value) -> Value:
        """A number of the dtype of `like`."""
        return self(full, shape=(), value=value, dtype=like.dtype.name)
