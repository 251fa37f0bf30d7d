"""sigmoid(x), sigmoid(-x), softplus(x) and softplus(-x), two or more of which share an exponential.

With e = exp(-|x|): sigmoid(x) = 1 / (1 + e) for x >= 0 and e / (1 + e) below; softplus(x) = max(x, 0) + log1p(e).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from chainrule.ir.graph import Graph, Node, Value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import absolute, add, divide, greater_equal, maximum, negative, select
from chainrule.ops.exponential import exp, log1p, sigmoid, softplus
from chainrule.schedule.apply import Apply


def shared_arguments(graph: Graph) -> frozenset[Value]:
    """The values of which, or of whose negatives, the graph takes more than one of these functions."""
    nodes = [node for node in graph.nodes if node.op in _RULES and node.inputs[0].type.is_float]
    counts = Counter(map(_argument, nodes))
    return frozenset(value for value, count in counts.items() if count > 1)


def spelled_out(node: Node, shared: frozenset[Value]) -> Value | None:
    """What stands for sigmoid or softplus of a shared argument; None for another node."""
    rule = _RULES.get(node.op)
    if rule is None or node.types[0].weak or not node.inputs[0].type.is_float or _argument(node) not in shared:
        return None
    apply = Apply(node.where)
    small = apply(exp, apply(negative, apply(absolute, _argument(node))))
    return rule(apply, node.inputs[0], small)


def _argument(node: Node) -> Value:
    value = node.inputs[0]
    while value.node.op is negative:
        value = value.node.inputs[0]
    return value


def _sigmoid(apply: Apply, x: Value, small: Value) -> Value:
    one = apply.number(1.0, small)
    above = apply(select, apply(greater_equal, x, apply.number(0.0, x)), one, small)
    return apply(divide, above, apply(add, one, small))


def _softplus(apply: Apply, x: Value, small: Value) -> Value:
    return apply(add, apply(maximum, x, apply.number(0.0, x)), apply(log1p, small))


_RULES: Final[dict[Op, Callable[[Apply, Value, Value], Value]]] = {sigmoid: _sigmoid, softplus: _softplus}
