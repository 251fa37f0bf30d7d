"""A loop's body in two parts: what runs first, and what the second part, a derivative, reads of it.

What the second part reads is kept: a value that is the same in every iteration is computed once, before the loop; one
that the loop is given or gives anyway is taken from there; every other is stacked, one for each iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Node, Value
from chainrule.ir.op import Trace
from chainrule.numpy.array import Tracer
from chainrule.ops.control import scan, sections
from chainrule.trace import stage
from chainrule.types import Type

Flags = tuple[bool, ...]


class Layout(NamedTuple):
    """How the operands and the results of a loop are divided."""

    consts: int
    carry: int
    results: int  # carries and ys together

    def operands(self, count: int) -> tuple[range, range, range]:
        """The places of constants, carry and xs among `count` operands."""
        return range(self.consts), range(self.consts, self.consts + self.carry), range(self.consts + self.carry, count)

    def outcomes(self) -> tuple[range, range]:
        """The places of carry and ys among the results."""
        return range(self.carry), range(self.carry, self.results)

    def with_carries(self, operands: Flags, results: Sequence[bool]) -> Flags:
        """The flags of the operands, where those of carries are set whose results have theirs set."""
        first, last = self.consts, self.consts + self.carry
        return tuple([flag or (first <= i < last and results[i - first]) for i, flag in enumerate(operands)])


class Source(NamedTuple):
    """Where a kept value comes from: which operand of the loop, invariant, or result of the loop."""

    origin: Literal["operand", "invariant", "result"]
    place: int


@dataclass(frozen=True, eq=False)
class FirstPart:
    """What a loop runs first: `invariant` once, on the constants, then `body` in each iteration.

    The body takes constants, invariants, carry and xs and gives the carry, the ys and what is stacked.
    """

    layout: Layout
    invariant: Graph
    body: Graph
    sources: tuple[Source, ...]  # of the values that are kept

    def run(self, operands: Sequence[Any], length: int, reverse: bool) -> tuple[tuple[Any, ...], list[Any]]:
        """The loop's results, and the values that are kept."""
        consts, carry, results = self.layout
        fixed, state, xs = sections(operands, consts, carry)
        invariant = [_detached(x) for x in evaluate(self.invariant, fixed)]
        count = consts + len(invariant)
        given = (*fixed, *invariant, *state, *xs)
        out = scan(*given, body=self.body, consts=count, carry=carry, length=length, reverse=reverse)
        pools = {"operand": operands, "invariant": invariant, "result": out}
        return out[:results], [pools[source.origin][source.place] for source in self.sources]


def first_part(graph: Graph, layout: Layout, kept: Sequence[Value]) -> FirstPart:
    """The part of a body that gives its results and the `kept` values; `graph` may have further outputs."""
    fixed, state, xs = sections(graph.inputs, layout.consts, layout.carry)
    steady = steady_nodes(graph, layout)
    ys = layout.outcomes()[1]
    known = {graph.outputs[place]: Source("result", place) for place in ys}
    known.update((value, Source("operand", i)) for i, value in enumerate(graph.inputs) if value not in state)
    invariant: list[Value] = []
    stacked: list[Value] = []
    for value in kept:
        if value in known and (known[value].origin == "operand" or value.node not in steady):
            continue
        if value.node in steady:
            known.update((v, Source("invariant", i)) for i, v in enumerate(value.node.results, len(invariant)))
            invariant.extend(value.node.results)
        else:
            known[value] = Source("result", layout.results + len(stacked))
            stacked.append(value)
    body = Graph((*fixed, *invariant, *state, *xs), (*graph.outputs[: layout.results], *stacked))
    sources = tuple(known[value] for value in kept)
    return FirstPart(layout, Graph(tuple(fixed), tuple(invariant)), recorded(body) if invariant else body, sources)


def steady_nodes(graph: Graph, layout: Layout) -> set[Node]:
    """The nodes whose results are the same in every iteration: they depend on constants alone."""
    steady = {value.node for value in graph.inputs[: layout.consts]}
    for node in graph.nodes:
        if all(value.node in steady for value in node.inputs):
            steady.add(node)
    return steady


def kept_type(value: Value, steady: set[Node]) -> Type:
    """The type that the second part sees: an element of a stacked array is no Python scalar."""
    return value.type if value.node in steady else dense(value.type)


def dense(type: Type) -> Type:
    """The type as an array's, never a Python scalar's: that of a derivative."""
    return Type(type.shape, type.dtype)


def is_of(x: Any, trace: Trace) -> bool:
    """Whether x is a traced value of this trace, not of an outer one."""
    return isinstance(x, Tracer) and x.owner is trace


def recorded(graph: Graph) -> Graph:
    """The graph recorded anew: its inputs are inputs, whatever they were before."""
    return stage(lambda *inputs: evaluate(graph, inputs), [value.type for value in graph.inputs]).graph


def _detached(x: Any) -> Any:
    """x with memory of its own: a view of a constant would change with it."""
    array: Any = x
    return array.copy() if isinstance(x, np.ndarray) and x.base is not None else array
