"""The derivatives of `scan`: loops over the derivatives of its body.

Forward mode is the same loop over the body and its tangent. Reverse mode is the loop, which keeps what the walk back
reads of each iteration, then a loop in the other direction over the walk back through the body: the cotangents of the
carry are carried, those of the constants are summed in the carry. A carry has a derivative if it begins with one or the
body gives it one, which is found by repetition until nothing is added.

Source: reversal of a time-stepping loop with every step stored, Griewank and Walther (2008), ch. 12.1.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from chainrule.ir.graph import Graph
from chainrule.ir.op import Traced
from chainrule.ops.control import scan
from chainrule.ops.movement import zeros
from chainrule.transform.bodies import FirstPart, Flags, Layout, first_part
from chainrule.transform.pulled import Pulled, Taped, pull_body, tape_body
from chainrule.transform.pushed import push, push_apart, until_all_carried
from chainrule.transform.vjp import LOOPS, LoopRule, Run
from chainrule.types import Type, type_of

T = TypeVar("T")

_MADE: Final[WeakKeyDictionary[Graph, dict[Hashable, Any]]] = WeakKeyDictionary()


def _once(body: Graph, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives, made once for a body and a key: a loop inside a loop is not differentiated at every pass."""
    made = _MADE.setdefault(body, {})
    if key not in made:
        made[key] = make()
    return made[key]


def jvp(
    primals: Sequence[Any], dots: Sequence[Any], *, body: Graph, consts: int, carry: int, length: int, reverse: bool
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The results of a loop and their tangents: one loop, or two where only the tangents are recorded."""
    layout = Layout(consts, carry, len(body.outputs))
    given = tuple([dot is not None for dot in dots])
    make = push_apart if _level(dots) > _level(primals) else push
    pushed = _once(body, (make, given, layout), lambda: until_all_carried(make, body, given, layout))
    beside = next(dot for dot in dots if dot is not None)
    rows = zip(primals, dots, pushed.given, strict=True)
    dots = [zeros(type_of(x), beside) if g and dot is None else dot for x, dot, g in rows]
    parts = layout.operands(len(primals))
    own = [[dots[i] for i in part if pushed.given[i]] for part in parts]
    if pushed.kept is None:
        outs: Sequence[Any] = ()
        before = [[primals[i] for i in part] for part in parts]
    else:
        outs, kept = pushed.kept.first.run(primals, length, reverse)
        before = [[kept[i] for i in pushed.kept.fixed], [], [kept[i] for i in pushed.kept.stacked]]
    sizes = [len(a) + len(b) for a, b in zip(before, own, strict=True)]
    operands = [x for a, b in zip(before, own, strict=True) for x in (*a, *b)]
    rest = iter(scan(*operands, body=pushed.body, consts=sizes[0], carry=sizes[1], length=length, reverse=reverse))
    if pushed.kept is not None:
        return outs, [next(rest) if found else None for found in pushed.found]
    values: list[Any] = []
    tangents: list[Any] = []
    for part in layout.outcomes():
        values.extend([next(rest) for _ in part])
        tangents.extend([next(rest) if pushed.found[i] else None for i in part])
    return values, tangents


@dataclass(frozen=True, eq=False)
class Halves:
    """A loop for reverse mode: the tape over its body, the loop that runs first, and which values that one keeps."""

    taped: Taped
    first: FirstPart
    kept: tuple[int, ...]


def forward(
    values: Sequence[Any], tracked: Flags, *, body: Graph, consts: int, carry: int, length: int, reverse: bool
) -> Run:
    """The results of a loop, what the way back reads, and which results depend on the tracked operands.

    A tap in the body is one tap of the loop, all iterations stacked.
    """
    halves = _halves(body, tracked, Layout(consts, carry, len(body.outputs)))
    outs, kept = halves.first.run(values, length, reverse)
    taps = tuple([(name, Type((length, *type.shape), type.dtype)) for name, _, type in halves.taped.taps])
    return Run(outs, kept, halves.taped.moving, taps)


def pull(
    cts: Sequence[Any],
    residuals: Sequence[Any],
    metas: Sequence[Any],
    *,
    body: Graph,
    consts: int,
    carry: int,
    length: int,
    reverse: bool,
) -> list[Any]:
    """The cotangents of a loop's operands and then of its taps, by a loop in the other direction."""
    layout = Layout(consts, carry, len(body.outputs))
    tracked = tuple([meta is not None for meta in metas[: len(body.inputs)]])
    halves = _halves(body, tracked, layout)
    present = tuple([ct is not None and moves for ct, moves in zip(cts, halves.taped.moving, strict=True)])
    found: list[Any] = [None] * len(metas)
    if True not in present:
        return found
    pulled: Pulled = _once(body, (pull, tracked, layout, present), lambda: pull_body(halves.taped, present))
    beside = next(ct for ct in cts if ct is not None)
    places = {number: place for place, number in enumerate(halves.kept)}
    types = [value.type for value in halves.taped.graph.inputs]
    fixed = [residuals[places[i]] for i in pulled.fixed]
    back = [zeros(types[consts + i], beside) if cts[i] is None else cts[i] for i in pulled.carried]
    sums = [zeros(types[i], beside) for i in pulled.summed]
    xs = [*(residuals[places[i]] for i in pulled.stacked), *(cts[i] for i in pulled.ys)]
    attrs = {"consts": len(fixed), "carry": len(back) + len(sums), "length": length, "reverse": not reverse}
    out = scan(*fixed, *back, *sums, *xs, body=pulled.body, **attrs)
    owners = (*(consts + i for i in pulled.carried), *pulled.summed, *pulled.xs)
    for i, ct in zip(owners, out, strict=True):
        found[i] = ct
    return found


def _halves(body: Graph, tracked: Flags, layout: Layout) -> Halves:
    return _once(body, (forward, tracked, layout), lambda: _divide(tape_body(body, tracked, layout)))


def _divide(taped: Taped) -> Halves:
    """Keeps what the walk back reads when every result that can has a cotangent: with fewer, it reads no more."""
    kept: tuple[int, ...] = ()
    if True in taped.moving:
        whole = pull_body(taped, taped.moving)
        kept = tuple(sorted((*whole.fixed, *whole.stacked)))
    values = taped.graph.outputs[taped.layout.results :]
    return Halves(taped, first_part(taped.graph, taped.layout, [values[i] for i in kept]), kept)


def _level(values: Iterable[Any]) -> int:
    """The level of the innermost trace among the values, -1 where nothing is traced."""
    return max((x.owner.level for x in values if isinstance(x, Traced)), default=-1)


LOOPS["scan"] = LoopRule(jvp, forward, pull)
