"""`evaluate`: a graph's outputs for given inputs, plain or traced; running a graph on traced values inlines it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from chainrule.errors import GraphError, message
from chainrule.ir.graph import CONSTANT, Graph, Node, Value
from chainrule.ir.op import Traced, too_large
from chainrule.where import replays


class Step(NamedTuple):
    """One node: its operands, its results and what nothing reads after it, as places in the list of all values."""

    node: Node
    numpy: Callable[..., Any]
    operands: tuple[int, ...]
    attrs: dict[str, Any]
    results: tuple[int, ...]
    yields: bool  # a Python scalar, where NumPy gives a scalar of its own
    dying: tuple[int, ...]


class Steps(NamedTuple):
    """A graph, laid out for running it many times."""

    steps: tuple[Step, ...]
    size: int
    outputs: tuple[int, ...]


_LAID_OUT: Final[WeakKeyDictionary[Graph, Steps]] = WeakKeyDictionary()


def evaluate(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """The values of the graph's outputs. A value is let go after its last use.

    Where an input is traced, so are the results; a node without inputs is recorded where the innermost of them is.
    """
    if len(inputs) != len(graph.inputs):
        raise GraphError(message(f"{len(graph.inputs)} inputs", len(inputs)))
    laid = _LAID_OUT.get(graph)
    if laid is None:
        laid = _LAID_OUT[graph] = lay_out(graph)
    values: list[Any] = [*inputs, *[None] * (laid.size - len(inputs))]
    traced = [x for x in inputs if isinstance(x, Traced)]
    if traced:
        _run_traced(laid, values, max(traced, key=lambda x: x.owner.level))
    else:
        _run_plain(laid, values)
    return [values[place] for place in laid.outputs]


def lay_out(graph: Graph) -> Steps:
    """The graph's nodes in order, with places in one list instead of values."""
    places: dict[Value, int] = {value: place for place, value in enumerate(graph.inputs)}
    made = (value for node in graph.nodes for value in node.results)
    places.update((value, place) for place, value in enumerate(made, len(graph.inputs)))
    steps = tuple(
        Step(
            node,
            node.op.numpy,
            tuple([places[value] for value in node.inputs]),
            dict(node.attrs),
            tuple([places[value] for value in node.results]),
            node.types[0].weak and node.op is not CONSTANT,
            tuple([places[value] for value in dying]),
        )
        for node, dying in zip(graph.nodes, graph.last_uses, strict=True)
    )
    size = len(graph.inputs) + sum(len(node.results) for node in graph.nodes)
    return Steps(steps, size, tuple([places[value] for value in graph.outputs]))


def _run_plain(laid: Steps, values: list[Any]) -> None:
    for step in laid.steps:
        run_step(step, values)


@replays
def run_step(step: Step, values: list[Any]) -> None:
    """Sets the results of one node on plain values, and lets go what nothing reads after it."""
    node, numpy, operands, attrs, results, yields, dying = step
    try:
        out = numpy(*[values[place] for place in operands], **attrs)
    except OverflowError as error:
        raise too_large(error) from None
    if node.op.several:
        for place, result in zip(results, out, strict=True):
            values[place] = result
    else:
        values[results[0]] = out.item() if yields and isinstance(out, np.generic) else out
    for place in dying:
        values[place] = None


@replays
def _run_traced(laid: Steps, values: list[Any], innermost: Traced) -> None:
    for node, _, operands, attrs, results, _, dying in laid.steps:
        if operands or node.op is CONSTANT:
            out = node.op(*[values[place] for place in operands], **attrs)
        else:
            out = innermost.create(node.op, attrs)
        if node.op.several:
            for place, result in zip(results, out, strict=True):
                values[place] = result
        else:
            values[results[0]] = out
        for place in dying:
            values[place] = None


def give(values: Iterable[Any], held: Iterable[Any] = ()) -> list[Any]:
    """The values as the caller may have them: numbers as NumPy's scalars, arrays that are writable and contiguous.

    No two of them, or of `held`, share memory.
    """
    taken = {id(x) for x in held}
    given: list[Any] = []
    for value in values:
        x: Any = value
        if isinstance(value, np.ndarray):
            if not x.shape:
                x = x[()]
            elif x.base is not None or not x.flags.writeable or id(x) in taken:
                x = x.copy()
            taken.add(id(x))
        given.append(x)
    return given
