"""`rewrite`: a graph by the equations of transform/rules.py, with what depends on numbers alone computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np

from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value
from chainrule.ir.kinds import Contract, Scalar
from chainrule.ir.op import Op
from chainrule.ops.identity import stop_gradient, tap
from chainrule.ops.movement import reshape, transpose
from chainrule.ops.reduction import sum_
from chainrule.transform.rebuild import rebuild
from chainrule.transform.rules import RULES, Apply, Rule
from chainrule.types import type_of

_RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    op: tuple(rule for rule in RULES if rule.op is op) for op in {rule.op for rule in RULES}
}
_VIEWS_OF_ALL: Final = (transpose, reshape, stop_gradient, tap)


def rewrite(graph: Graph) -> Graph:
    """The graph with each node rewritten until no rule applies to it; its inputs are taken to be dense arrays.

    What a node reads has been rewritten before it, so that one walk is enough.
    """
    return rebuild(graph, _Rewriter(graph.inputs).change)


def rewrite_body(body: Graph) -> Graph:
    """The body of a loop rewritten like a graph, but that its inputs may be slices of arrays."""
    return rebuild(body, _Rewriter(()).change)


class _Rewriter:
    def __init__(self, dense: Iterable[Value]) -> None:
        self.dense = set(dense)

    def change(self, node: Node) -> Sequence[Value] | None:
        """The value that stands for the result of a node, None where the node stays."""
        found = None if node.op.several else self._rewritten(node)
        if found is None:
            self._note(node)
            return None
        return (found,)

    def _rewritten(self, node: Node) -> Value | None:
        start = now = Apply(node.op, node.inputs, dict(node.attrs))
        while True:
            value = _computed(now, node)
            step = value if value is not None else self._step(now, node)
            if isinstance(step, Value):
                return step
            if step is None:
                break
            now = step
        if now is start:
            return None
        made = Node(now.op, now.inputs, now.attrs, node.types, node.where)
        self._note(made)
        return made.results[0]

    def _step(self, now: Apply, node: Node) -> Value | Apply | None:
        """What the first rule that applies gives; its type must be the node's, Python scalars told apart."""
        for rule in _RULES.get(now.op, ()):
            found = rule.rewrite(*now.inputs, **now.attrs)
            if found is None:
                continue
            brought = [found] if isinstance(found, Value) else [v for v in found.inputs if v not in now.inputs]
            if not rule.views and not all(value in self.dense for value in brought):
                continue
            if isinstance(found, Value):
                kept = found.type == node.types[0]
            else:
                kept = found.op.infer(*[value.type for value in found.inputs], **found.attrs) == node.types[0]
            if kept:
                return found
        return None

    def _note(self, node: Node) -> None:
        """Notes whether the results are dense: what NumPy computes is, and so is a view of all of that."""
        if isinstance(node.op.lowering, Scalar | Contract) or node.op is sum_:
            self.dense.update(node.results)
        elif node.op is CONSTANT:
            value = node.attrs["value"]
            if not isinstance(value, ArrayRef) or value.array.flags.forc:
                self.dense.update(node.results)
        elif node.op in _VIEWS_OF_ALL and node.inputs[0] in self.dense:
            self.dense.update(node.results)


def _computed(now: Apply, node: Node) -> Value | None:
    """The constant that an elementwise operation on numbers is; None where it is none, or fails."""
    if not isinstance(now.op.lowering, Scalar) or node.types[0].shape or not now.inputs:
        return None
    if any(value.node.op is not CONSTANT or isinstance(value.node.attrs["value"], ArrayRef) for value in now.inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            found: Any = now.op.numpy(*[value.node.attrs["value"] for value in now.inputs], **now.attrs)
    except (ArithmeticError, ValueError, TypeError):
        return None  # it fails where it is run, at its own line
    if node.types[0].weak and isinstance(found, np.generic):
        found = cast(Any, found).item()
    if type_of(found) != node.types[0]:
        return None
    return Node(CONSTANT, (), {"value": found}, node.types, node.where).results[0]
