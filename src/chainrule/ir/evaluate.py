"""`evaluate`: a graph's outputs for given inputs, plain or traced; running a graph on traced values inlines it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.errors import GraphError, message
from chainrule.ir.graph import Graph, Value


def evaluate(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """The values of the graph's outputs. A value is let go after its last use."""
    if len(inputs) != len(graph.inputs):
        raise GraphError(message(f"{len(graph.inputs)} inputs", len(inputs)))
    values: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node, dying in zip(graph.nodes, graph.last_uses, strict=True):
        out = node.op(*[values[value] for value in node.inputs], **node.attrs)
        if node.op.several:
            values.update(zip(node.results, out, strict=True))
        else:
            values[node.results[0]] = out
        for value in dying:
            del values[value]
    return [values[value] for value in graph.outputs]
