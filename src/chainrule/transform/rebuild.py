"""`rebuild`: the one walk that every pass over a graph is written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chainrule.ir.graph import Graph, Node, Value

Change = Callable[[Node], Sequence[Value] | None]


def rebuild(graph: Graph, change: Change) -> Graph:
    """The graph with what `change(node)` gives in place of each node's results, None where the node stays.

    The nodes are visited in order, and read what stands in place of their inputs by then. From the first change on they
    are made anew, so that the order in which nodes are made stays the order in which they are run. Where nothing
    changes it is the graph itself.
    """
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        now = renewed(node, new) if new else node
        results = change(now)
        if results is not None or now is not node:
            new.update(zip(node.results, now.results if results is None else results, strict=True))
    return Graph(graph.inputs, renamed(graph.outputs, new), graph.donated) if new else graph


def renewed(node: Node, new: Mapping[Value, Value]) -> Node:
    """The node made once more, reading what stands in place of its inputs."""
    return Node(node.op, renamed(node.inputs, new), node.attrs, node.types, node.where)


def renamed(values: Sequence[Value], new: Mapping[Value, Value]) -> tuple[Value, ...]:
    """The values, or what stands in their place."""
    return tuple([new.get(value, value) for value in values])
