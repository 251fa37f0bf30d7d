"""The tangent of a loop's body: beside the body, or apart from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.ops.movement import zeros
from chainrule.trace import Staged, stage
from chainrule.transform.bodies import FirstPart, Flags, Layout, dense, first_part, is_of, kept_type, steady_nodes
from chainrule.transform.cotangent import fit
from chainrule.transform.jvp import Forward
from chainrule.types import Type, type_of


@dataclass(frozen=True, eq=False)
class Pushed:
    """A body with its tangent: which operands have one (carries by repetition), and which results."""

    given: Flags
    found: Flags
    body: Graph
    kept: Kept | None = None  # where the tangent is a loop of its own: the loop before it, and what it reads of that


class Kept(NamedTuple):
    """The loop that runs first, and which of the values it keeps the second loop takes as constants and as xs."""

    first: FirstPart
    fixed: tuple[int, ...]
    stacked: tuple[int, ...]


def until_all_carried(
    make: Callable[[Graph, Flags, Layout], Pushed], body: Graph, given: Flags, layout: Layout
) -> Pushed:
    """The body with its tangent, once no further carry has one."""
    while True:
        pushed = make(body, given, layout)
        grown = layout.with_carries(given, pushed.found)
        if grown == given:
            return pushed
        given = grown


def push(body: Graph, given: Flags, layout: Layout) -> Pushed:
    """The body with its tangent as one body: constants, carry, xs, each followed by its tangents; results alike."""
    found: list[bool] = []
    parts = layout.operands(len(given))

    def run(*args: Any) -> list[Any]:
        rest = iter(args)
        forward = Forward()
        operands: list[Any] = []
        for part in parts:
            primals = [next(rest) for _ in part]
            pairs = zip(part, primals, strict=True)
            operands.extend([forward.input(x, next(rest)) if given[i] else x for i, x in pairs])
        outs, dots = _with_tangents(evaluate(body, operands), forward, given, layout)
        found.extend([dot is not None for dot in dots])
        results: list[Any] = []
        for part in layout.outcomes():
            results.extend([*(outs[i] for i in part), *(dots[i] for i in part if dots[i] is not None)])
        return results

    types = [value.type for value in body.inputs]
    shown = [t for part in parts for t in (*(types[i] for i in part), *(dense(types[i]) for i in part if given[i]))]
    graph = stage(run, shown).graph
    return Pushed(given, tuple(found), graph)


def push_apart(body: Graph, given: Flags, layout: Layout) -> Pushed:
    """The tangent of a body as a body of its own; what it reads of the body's numbers is kept by the loop before."""
    found: list[bool] = []
    inner: list[Staged] = []

    def run(*primals: Any) -> list[Any]:
        outs: list[Any] = []

        def tangent(*args: Any) -> list[Any]:
            rest = iter(args)
            forward = Forward()
            operands = [forward.input(x, next(rest)) if g else x for x, g in zip(primals, given, strict=True)]
            values, dots = _with_tangents(evaluate(body, operands), forward, given, layout)
            outs.extend(values)
            found.extend([dot is not None for dot in dots])
            return [dot for dot in dots if dot is not None]

        inner.append(stage(tangent, dot_types, hoists=True))
        return [*outs, *inner[0].captured]

    types = [value.type for value in body.inputs]
    dot_types = [dense(t) for t, g in zip(types, given, strict=True) if g]
    graph = stage(run, types).graph
    kept = graph.outputs[layout.results :]
    steady = steady_nodes(graph, layout)
    linear = _retyped(inner[0].graph, [*dot_types, *(kept_type(value, steady) for value in kept)])
    dots, reads = linear.inputs[: len(dot_types)], linear.inputs[len(dot_types) :]
    fixed = tuple(i for i, value in enumerate(kept) if value.node in steady)
    stacked = tuple(i for i, value in enumerate(kept) if value.node not in steady)
    own = [[dots[sum(given[:i])] for i in part if given[i]] for part in layout.operands(len(given))]
    inputs = (*(reads[i] for i in fixed), *own[0], *own[1], *(reads[i] for i in stacked), *own[2])
    first = first_part(graph, layout, kept)
    return Pushed(given, tuple(found), Graph(inputs, linear.outputs), Kept(first, fixed, stacked))


def _with_tangents(outs: Sequence[Any], forward: Forward, given: Flags, layout: Layout) -> tuple[list[Any], list[Any]]:
    """The results and their tangents, zeros for a carry that has a tangent in other iterations."""
    values = [out.value if is_of(out, forward) else out for out in outs]
    dots = [out.extra if is_of(out, forward) else None for out in outs]
    for i, value in enumerate(values[: layout.carry]):
        if dots[i] is None and given[layout.consts + i]:
            dots[i] = zeros(type_of(value), value)
    return values, dots


def _retyped(graph: Graph, types: Sequence[Type]) -> Graph:
    """The graph for inputs that are no longer Python scalars; the dtypes of its results stay."""
    metas = [(value.shape, value.dtype) for value in graph.outputs]

    def run(*inputs: Any) -> list[Any]:
        return [fit(out, *meta) for out, meta in zip(evaluate(graph, inputs), metas, strict=True)]

    return stage(run, types).graph
