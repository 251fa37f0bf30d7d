"""The walk back through a loop's body: a tape over the body, and the body of the loop that goes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import CONSTANT, INPUT, Graph, Node, Value, reachable
from chainrule.numpy.array import Tracer
from chainrule.ops.movement import zeros
from chainrule.trace import stage
from chainrule.transform.bodies import Flags, Layout, dense, is_of, kept_type, steady_nodes
from chainrule.transform.vjp import Entry, Tape, backward
from chainrule.types import Type


class Place(NamedTuple):
    """In place of a residual: which of the kept values it is."""

    number: int


@dataclass(frozen=True, eq=False)
class Taped:
    """A tape over a body, loose from the values that it was recorded with."""

    layout: Layout
    graph: Graph  # the body's results, then the values that the tape keeps
    entries: tuple[Entry, ...]
    slots: int
    inputs: tuple[int, ...]  # slots
    outputs: tuple[int, ...]
    tracked: Flags  # of the inputs, carries by repetition
    kept: tuple[Type, ...]
    steady: Flags  # of the kept values
    taps: tuple[tuple[str, int, Type], ...]  # name, slot, and type in one iteration

    def operands(self) -> tuple[range, range, range]:
        """The places of constants, carry, and xs with the taps behind them: what has a cotangent in each iteration."""
        return self.layout.operands(len(self.inputs) + len(self.taps))

    @property
    def moving(self) -> Flags:
        """Which results of the loop depend on what is tracked."""
        consts, carry, _ = self.layout
        return *self.tracked[consts : consts + carry], *(slot >= 0 for slot in self.outputs[carry:])


def tape_body(body: Graph, tracked: Flags, layout: Layout) -> Taped:
    """The tape over a body, once no further carry is tracked."""
    while True:
        taped = _tape_once(body, tracked, layout)
        grown = layout.with_carries(tracked, [slot >= 0 for slot in taped.outputs])
        if grown == tracked:
            return taped
        tracked = grown


def _tape_once(body: Graph, tracked: Flags, layout: Layout) -> Taped:
    """The tape over a body as it is, its residuals replaced by their places among the kept values."""
    kept: dict[Value, Place] = {}
    slots: list[int] = []
    entries: list[Entry] = []
    taps: list[tuple[str, int, Type]] = []
    count: list[int] = []

    def loosen(x: Any) -> Any:
        node = x.value.node
        if not node.inputs and node.op is not INPUT:
            return node  # a constant: made again where it is read
        return kept.setdefault(x.value, Place(len(kept)))

    def run(*args: Any) -> list[Any]:
        tape = Tape()  # inside of the trace that records
        inputs = [tape.input(x) if t else x for x, t in zip(args, tracked, strict=True)]
        outs = evaluate(body, inputs)
        slots.extend([out.extra if is_of(out, tape) else -1 for out in outs])
        entries.extend([_change(entry, loosen, Tracer) for entry in tape.entries])
        taps.extend(tape.taps)
        count.append(tape.slots)
        values = [out.value if is_of(out, tape) else out for out in outs]
        return [*values, *(Tracer(args[0].owner, value) for value in kept)]

    graph = stage(run, [value.type for value in body.inputs]).graph
    steady = steady_nodes(graph, layout)
    firsts = iter(range(count[0]))
    return Taped(
        layout,
        graph,
        tuple(entries),
        count[0],
        tuple([next(firsts) if t else -1 for t in tracked]),
        tuple(slots),
        tracked,
        tuple([kept_type(value, steady) for value in kept]),
        tuple([value.node in steady for value in kept]),
        tuple(taps),
    )


def _change(entry: Entry, change: Callable[[Any], Any], kinds: type | tuple[type, ...]) -> Entry:
    """The entry with another thing in place of each residual of the given kinds."""

    def changed(x: Any) -> Any:
        if isinstance(x, kinds):
            return change(x)
        residual: Any = x
        return tuple([changed(part) for part in residual]) if type(x) is tuple else residual

    return entry._replace(residuals=changed(entry.residuals), out=changed(entry.out))


@dataclass(frozen=True, eq=False)
class Pulled:
    """The body of the loop that goes back.

    Its operands are kept values that are steady, then cotangents of the carry, sums over constants, kept values that
    are stacked, and cotangents of the ys. All numbers are places: of kept values, of operands, of results.
    """

    body: Graph
    fixed: tuple[int, ...]
    stacked: tuple[int, ...]
    carried: tuple[int, ...]  # carries, by their places among the results
    summed: tuple[int, ...]  # constants
    ys: tuple[int, ...]  # ys whose cotangents are read
    xs: tuple[int, ...]  # operands scanned over, and after all operands taps, that get a cotangent


def pull_body(taped: Taped, present: Flags) -> Pulled:
    """The walk back where the results in `present` have cotangents, and the carries that get one on the way."""
    layout = taped.layout
    state, ys = layout.outcomes()
    carried = tuple(i for i in state if present[i])
    while True:
        pulled = _pull_once(taped, carried, tuple(i for i in ys if present[i]))
        if pulled.carried == carried:
            return pulled
        carried = pulled.carried


def _pull_once(taped: Taped, carried: tuple[int, ...], ys: tuple[int, ...]) -> Pulled:
    layout = taped.layout
    fixed, _, xs = taped.operands()
    sums = [i for i in fixed if taped.tracked[i]]
    got: list[bool] = []

    def run(*args: Any) -> list[Any]:
        rest = iter(args)
        kept = [next(rest) for _ in taped.kept]
        seeds = [(taped.outputs[i], next(rest)) for i in (*carried, *ys)]
        cts = _walk_back(taped, kept, seeds)
        got.extend([ct is not None for ct in cts])
        before = [(i, cts[layout.consts + i]) for i in carried]
        back = [zeros(taped.graph.outputs[i], args[-1]) if ct is None else ct for i, ct in before]
        totals = [next(rest) + cts[i] if cts[i] is not None else next(rest) for i in sums]
        return [*back, *totals, *(cts[i] for i in xs if cts[i] is not None)]

    outputs, inputs = taped.graph.outputs, taped.graph.inputs
    types = [*taped.kept, *(dense(outputs[i].type) for i in (*carried, *ys)), *(dense(inputs[i].type) for i in sums)]
    graph = stage(run, types).graph
    return _arranged(taped, graph, carried, ys, tuple(got))


def _walk_back(taped: Taped, kept: list[Any], seeds: list[tuple[int, Any]]) -> list[Any]:
    """The cotangents of the body's inputs and of its taps, None where there is none."""
    beside = seeds[0][1]

    def fasten(x: Any) -> Any:
        if isinstance(x, Place):
            return kept[x.number]
        return x.op(**x.attrs) if x.op is CONSTANT else beside.create(x.op, x.attrs)

    tape = Tape()
    tape.slots = taped.slots
    tape.entries = [_change(entry, fasten, (Place, Node)) for entry in taped.entries]
    moving = [(slot, ct) for slot, ct in seeds if slot >= 0]
    slots = [*taped.inputs, *(slot for _, slot, _ in taped.taps)]
    found = backward(tape, moving, [slot for slot in slots if slot >= 0])
    return [found.get(slot) for slot in slots]


def _arranged(taped: Taped, graph: Graph, carried: tuple[int, ...], ys: tuple[int, ...], got: Flags) -> Pulled:
    """The walk back as a loop's body: inputs in a loop's order, without those that nothing reads."""
    layout = taped.layout
    fixed, state, xs = taped.operands()
    sums = [i for i in fixed if taped.tracked[i]]
    first, last = len(carried), len(carried) + len(sums)
    inputs = iter(graph.inputs)
    kept = [next(inputs) for _ in taped.kept]
    cts = [next(inputs) for _ in carried]
    ct_ys = [next(inputs) for _ in ys]
    totals = dict(zip(sums, inputs, strict=True))
    summed = tuple(i for i in sums if got[i])
    outputs = dict(zip(sums, graph.outputs[first:last], strict=True))
    results = (*graph.outputs[:first], *(outputs[i] for i in summed), *graph.outputs[last:])
    read = set(reachable(results))
    reads = [i for i, value in enumerate(kept) if value.node in read]
    steady, stacked = (tuple(i for i in reads if taped.steady[i] is kind) for kind in (True, False))
    order = (
        *(kept[i] for i in steady),
        *cts,
        *(totals[i] for i in summed),
        *(kept[i] for i in stacked),
        *ct_ys,
    )
    grown = tuple(i - layout.consts for i in state if i - layout.consts in carried or got[i])
    return Pulled(Graph(order, results), steady, stacked, grown, summed, ys, tuple(i for i in xs if got[i]))
