"""`shrunk`: the smallest part of a graph that still fails, with the inputs for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Node, Value, input_value
from chainrule.ir.kinds import Runs
from chainrule.ir.op import Op
from chainrule.testing.fuzz.layouts import plain

Fails = Callable[[Graph, Sequence[Any]], bool]


class Part(NamedTuple):
    """A graph and inputs for it."""

    graph: Graph
    inputs: tuple[Any, ...]


def shrunk(part: Part, fails: Fails) -> Part:
    """A part of the graph that still fails, and of which no smaller one does, as far as these steps go.

    Single outputs; the values in the middle as outputs, from the first on; nodes turned to inputs that hold what they
    compute; donations left out; inputs in plain layout; and the body of a loop by itself in place of the loop.
    """
    part = _smaller(part, fails, _single_outputs)
    part = _smaller(part, fails, _earlier_outputs)
    part = _cut(part, fails)
    part = _smaller(part, fails, _undonated)
    part = _smaller(part, fails, _plain)
    body = next((inner for inner in _bodies(part) if _sure(fails, inner)), None)
    return part if body is None else shrunk(body, fails)


def used(part: Part) -> Part:
    """The part without the inputs that no node reads."""
    read = {value for node in part.graph.nodes for value in node.inputs} | set(part.graph.outputs)
    kept = [place for place, value in enumerate(part.graph.inputs) if value in read]
    donated = frozenset(i for i, place in enumerate(kept) if place in part.graph.donated)
    graph = Graph(tuple(part.graph.inputs[place] for place in kept), part.graph.outputs, donated)
    return Part(graph, tuple(part.inputs[place] for place in kept))


def _sure(fails: Fails, part: Part) -> bool:
    """Whether the part fails; False where it cannot be tried."""
    try:
        return fails(part.graph, part.inputs)
    except Exception:  # whatever becomes of a part that is no sound graph any more
        return False


def _smaller(part: Part, fails: Fails, steps: Callable[[Part], Iterator[Part]]) -> Part:
    """The first of the smaller parts that fails."""
    for candidate in steps(part):
        trimmed = used(candidate)
        if _sure(fails, trimmed):
            return trimmed
        if _sure(fails, candidate):
            return candidate
    return part


def _single_outputs(part: Part) -> Iterator[Part]:
    for value in dict.fromkeys(part.graph.outputs):
        yield part._replace(graph=Graph(part.graph.inputs, (value,), part.graph.donated))


def _earlier_outputs(part: Part) -> Iterator[Part]:
    for node in part.graph.nodes:
        yield part._replace(graph=Graph(part.graph.inputs, node.results, part.graph.donated))


def _undonated(part: Part) -> Iterator[Part]:
    if part.graph.donated:
        yield part._replace(graph=Graph(part.graph.inputs, part.graph.outputs))


def _plain(part: Part) -> Iterator[Part]:
    yield part._replace(inputs=tuple(plain(x) for x in part.inputs))


def _cut(part: Part, fails: Fails) -> Part:
    """The part with as many nodes as possible turned to inputs, the last ones first."""
    place = len(part.graph.nodes) - 2
    while place >= 0:
        nodes = part.graph.nodes
        candidate = used(_without(part, nodes[min(place, len(nodes) - 1)])) if nodes else part
        if len(candidate.graph.nodes) < len(nodes) and _sure(fails, candidate):
            part = candidate
        place = min(place - 1, len(part.graph.nodes) - 1)
    return part


def _without(part: Part, gone: Node) -> Part:
    """The part with inputs in place of the results of a node."""
    graph = part.graph
    with np.errstate(all="ignore"):
        numbers = evaluate(Graph(graph.inputs, gone.results), part.inputs)
    inputs = [input_value(type) for type in gone.types]
    new: dict[Value, Value] = dict(zip(gone.results, inputs, strict=True))
    for node in graph.nodes:
        if node is not gone and any(value in new for value in node.inputs):
            again = Node(node.op, tuple(new.get(v, v) for v in node.inputs), node.attrs, node.types)
            new.update(zip(node.results, again.results, strict=True))
    outputs = tuple(new.get(value, value) for value in graph.outputs)
    kept = [np.array(x) if isinstance(x, np.ndarray | np.generic) else x for x in numbers]
    return Part(Graph((*graph.inputs, *inputs), outputs, graph.donated), (*part.inputs, *kept))


def _bodies(part: Part) -> Iterator[Part]:
    """The bodies of the loops, with the inputs of their first iteration."""
    for node in part.graph.nodes:
        if isinstance(node.op.lowering, Runs) and node.attrs["length"]:
            with np.errstate(all="ignore"):
                given = evaluate(Graph(part.graph.inputs, node.inputs), part.inputs)
            first = -1 if node.attrs["reverse"] else 0
            scanned = node.attrs["consts"] + node.attrs["carry"]
            inputs = tuple(x if place < scanned else x[first] for place, x in enumerate(given))
            yield Part(node.attrs["body"], tuple(np.array(x) if isinstance(x, np.generic) else x for x in inputs))


def operations(graph: Graph) -> list[Op]:
    """The operations of the graph's nodes, those of the bodies of loops too."""
    found: list[Op] = []
    for node in graph.nodes:
        found.append(node.op)
        for attr in node.attrs.values():
            if isinstance(attr, Graph):
                found += operations(attr)
    return found
