"""`expand`: a graph in which operations that are several passes are written as simpler ones, which can be fused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.ir.graph import Graph, Node, Value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import add, cast, divide, equal, isinf, select, sqrt, square, subtract
from chainrule.ops.exponential import exp, log
from chainrule.ops.identity import stop_gradient, tap
from chainrule.ops.movement import full, reshape
from chainrule.ops.reduction import kept, logsumexp, max_, norm, softmax, sum_
from chainrule.transform.rebuild import rebuild
from chainrule.transform.simplify import merge
from chainrule.types import Type
from chainrule.where import Where

Axes = tuple[int, ...]


def expand(graph: Graph) -> Graph:
    """The graph without softmax, logsumexp, norm, and marks for derivatives. Loops' bodies stay as they are."""
    return merge(rebuild(graph, _expanded))


def _expanded(node: Node) -> Sequence[Value] | None:
    if node.op in (stop_gradient, tap):
        return node.inputs
    rule = _RULES.get(node.op)
    return None if rule is None else (rule(_Apply(node.where), node.inputs[0], node.attrs["axes"]),)


class _Apply:
    """Makes nodes at the user's line of the one they stand for."""

    def __init__(self, where: Where | None) -> None:
        self.where = where

    def __call__(self, op: Op, *inputs: Value, **attrs: Any) -> Value:
        found = op.infer(*[x.type for x in inputs], **attrs)
        types = (found,) if isinstance(found, Type) else found
        return Node(op, inputs, attrs, types, self.where).results[0]

    def number(self, value: float, like: Value) -> Value:
        return self(full, shape=(), value=value, dtype=like.dtype.name)

    def spread(self, reduced: Value, x: Value, axes: Axes) -> Value:
        """A reduction's result with its axes put back."""
        return self(reshape, reduced, shape=kept(x.shape, axes))


def _softmax(apply: _Apply, x: Value, axes: Axes) -> Value:
    """exp(x - max) / sum; where the maximum is infinite, 1 for what equals it and 0 for the rest."""
    if not x.type.size:
        return x
    largest = apply(max_, x, axes=axes)
    parts = apply(exp, apply(subtract, x, apply.spread(_shift(apply, largest), x, axes)))
    ends = apply(cast, apply(equal, x, apply.spread(largest, x, axes)), dtype=x.dtype.name)
    infinite = apply.spread(apply(isinf, largest), x, axes)
    parts = apply(select, infinite, ends, parts)
    return apply(divide, parts, apply.spread(apply(sum_, parts, axes=axes), x, axes))


def _shift(apply: _Apply, largest: Value) -> Value:
    """The maximum, and 0 where that is infinite."""
    return apply(select, apply(isinf, largest), apply.number(0.0, largest), largest)


def _logsumexp(apply: _Apply, x: Value, axes: Axes) -> Value:
    """log of the sum of exp(x - max), plus max; an infinite maximum is taken as 0."""
    if not x.type.size:
        shape = tuple([n for axis, n in enumerate(x.shape) if axis not in axes])
        return apply(full, shape=shape, value=-math.inf, dtype=x.dtype.name)
    largest = apply(max_, x, axes=axes)
    shift = _shift(apply, largest)
    parts = apply(exp, apply(subtract, x, apply.spread(shift, x, axes)))
    return apply(add, apply(log, apply(sum_, parts, axes=axes)), shift)


def _norm(apply: _Apply, x: Value, axes: Axes) -> Value:
    return apply(sqrt, apply(sum_, apply(square, x), axes=axes))


_RULES: Final[dict[Op, Callable[[_Apply, Value, Axes], Value]]] = {
    softmax: _softmax,
    logsumexp: _logsumexp,
    norm: _norm,
}
