"""`expand`: a graph in which operations that are several passes are written as simpler ones, which can be fused."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final

from chainrule.ir.graph import CONSTANT, Graph, Node, Value, constant_value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import add, cast, divide, equal, isinf, select, sqrt, square, subtract
from chainrule.ops.contraction import dot_general
from chainrule.ops.exponential import exp, log, power
from chainrule.ops.identity import stop_gradient, tap
from chainrule.ops.indexing import gather, in_range, scatter_add
from chainrule.ops.movement import full, reshape
from chainrule.ops.reduction import kept, logsumexp, max_, norm, softmax, sum_
from chainrule.schedule.apply import Apply
from chainrule.schedule.label import picked, put
from chainrule.schedule.logistic import shared_arguments, spelled_out
from chainrule.schedule.vector import one_row, row_sums
from chainrule.transform.rebuild import rebuild
from chainrule.transform.simplify import merge

Axes = tuple[int, ...]


def expand(graph: Graph, upright: Collection[Value] = ()) -> Graph:
    """The graph without softmax, logsumexp, norm, elements picked by labels, and marks for derivatives.

    Functions that share an exponential are spelled out. Loops' bodies stay as they are. `upright` are inputs whose
    columns lie in memory as rows do.
    """
    graph = merge(rebuild(_with_rows(graph, upright), _expanded))
    shared = shared_arguments(graph)
    return merge(rebuild(graph, lambda node: _one(spelled_out(node, shared)))) if shared else graph


def _with_rows(graph: Graph, upright: Collection[Value]) -> Graph:
    """The graph with products of one row as sums, where nothing goes on with them."""
    used = {value for node in graph.nodes for value in node.inputs}
    outputs = [(None if value in used else one_row(value, upright)) or value for value in graph.outputs]
    return Graph(graph.inputs, tuple(outputs), graph.donated)


def _expanded(node: Node) -> Sequence[Value] | None:
    if node.op in (stop_gradient, tap):
        return node.inputs
    rule = _RULES.get(node.op)
    return _one(rule(node) if rule is not None else None)


def _one(found: Value | None) -> Sequence[Value] | None:
    return None if found is None else (found,)


def _along_axes(rule: Callable[[Apply, Value, Axes], Value]) -> Callable[[Node], Value]:
    return lambda node: rule(Apply(node.where), node.inputs[0], node.attrs["axes"])


def _spread(apply: Apply, reduced: Value, x: Value, axes: Axes) -> Value:
    """A reduction's result with its axes put back."""
    return apply(reshape, reduced, shape=kept(x.shape, axes))


def _softmax(apply: Apply, x: Value, axes: Axes) -> Value:
    """exp(x - max) / sum; where the maximum is infinite, 1 for what equals it and 0 for the rest."""
    if not x.type.size:
        return x
    largest = apply(max_, x, axes=axes)
    parts = apply(exp, apply(subtract, x, _spread(apply, _shift(apply, largest), x, axes)))
    ends = apply(cast, apply(equal, x, _spread(apply, largest, x, axes)), dtype=x.dtype.name)
    infinite = _spread(apply, apply(isinf, largest), x, axes)
    parts = apply(select, infinite, ends, parts)
    return apply(divide, parts, _spread(apply, apply(sum_, parts, axes=axes), x, axes))


def _shift(apply: Apply, largest: Value) -> Value:
    """The maximum, and 0 where that is infinite."""
    return apply(select, apply(isinf, largest), apply.number(0.0, largest), largest)


def _logsumexp(apply: Apply, x: Value, axes: Axes) -> Value:
    """log of the sum of exp(x - max), plus max; an infinite maximum is taken as 0."""
    if not x.type.size:
        shape = tuple([n for axis, n in enumerate(x.shape) if axis not in axes])
        return apply(full, shape=shape, value=-math.inf, dtype=x.dtype.name)
    largest = apply(max_, x, axes=axes)
    shift = _shift(apply, largest)
    parts = apply(exp, apply(subtract, x, _spread(apply, shift, x, axes)))
    return apply(add, apply(log, apply(sum_, parts, axes=axes)), shift)


def _norm(apply: Apply, x: Value, axes: Axes) -> Value:
    return apply(sqrt, apply(sum_, apply(square, x), axes=axes))


def _power(node: Node) -> Value | None:
    """A power of integers whose exponents are looked at: NumPy has none for negative ones."""
    x, y = node.inputs
    if node.types[0].dtype.kind != "i" or y.dtype.kind != "i" or y.node.op is in_range:
        return None
    if y.node.op is CONSTANT and not y.shape and constant_value(y.node.attrs["value"]) >= 0:
        return None
    apply = Apply(node.where)
    return apply(power, x, apply(in_range, y, length=ANY_EXPONENT))


ANY_EXPONENT: Final = 2**63 - 1
"""What exponents of integers are below; they must not be below 0."""

_RULES: Final[dict[Op, Callable[[Node], Value | None]]] = {
    softmax: _along_axes(_softmax),
    logsumexp: _along_axes(_logsumexp),
    norm: _along_axes(_norm),
    gather: picked,
    scatter_add: put,
    dot_general: row_sums,
    power: _power,
}
