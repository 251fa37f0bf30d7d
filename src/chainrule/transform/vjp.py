"""Reverse mode: a tape of what was applied, and the walk back over it.

The tape works on values: arrays when eager, graph values when staged, traced values of an outer derivative when nested.
So the same few lines are backpropagation on numbers, its graph, and its own derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from chainrule.ir.kinds import Body, Linear, Multilinear, Partials, Rule, Tangent, Weighted, Zero
from chainrule.ir.op import Op, Trace, Traced
from chainrule.numpy.array import Tracer
from chainrule.ops.arithmetic import strong_mul
from chainrule.ops.identity import tap
from chainrule.ops.movement import zeros
from chainrule.ops.reduction import expanded
from chainrule.trace import check_open, entered
from chainrule.transform.cotangent import fit, moves, scale
from chainrule.types import Shape, Type, dtype_of, shape_of, type_of

VALUE, TYPE = 1, 2  # what a rule may need of an input
CONSTANT = -1  # the slot of a value that the inputs have no influence on


class Run(NamedTuple):
    """An operation that runs graphs, run for reverse mode."""

    out: Sequence[Any]
    residuals: Sequence[Any]
    moving: Sequence[bool]  # which results the tracked inputs have an influence on
    taps: Sequence[tuple[str, Type]]  # those inside, by name


@dataclass(frozen=True)
class LoopRule:
    """How an operation that runs graphs is differentiated.

    `jvp(primals, dots, **attrs)` gives the results and their tangents; `forward(values, tracked, **attrs)` runs it;
    `pull(cts, residuals, metas, **attrs)` gives the cotangents of the inputs, and after them those of the taps.
    """

    jvp: Callable[..., tuple[Any, Any]]
    forward: Callable[..., Run]
    pull: Callable[..., list[Any]]


LOOPS: Final[dict[str, LoopRule]] = {}
"""The rules of the operations whose derivative is `Body`, by name; transform/loops.py fills it."""


class Entry(NamedTuple):
    """One operation applied: what the walk back needs of it, and no more."""

    op: Op
    attrs: dict[str, Any]
    slots: Sequence[int]  # of the inputs
    residuals: tuple[Any, ...]  # the inputs' values (or types), None where the rule does not ask for them
    metas: tuple[tuple[Shape, np.dtype[Any]] | None, ...]  # of the inputs that have a slot
    out: Any  # the result, None where the rule does not ask for it
    results: Sequence[int]  # the slots of the results


class Tape(Trace):
    """The trace of reverse mode: entries in the order in which they were applied. A slot is a differentiable value."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.slots = 0
        self.taps: list[tuple[str, int, Type]] = []

    def input(self, value: Any) -> Tracer:
        """A value that derivatives are taken by. The caller sees to it that nobody writes to it."""
        return Tracer(self, value, self._new_slot())

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if self.closed:
            check_open(self)
        values: list[Any] = []
        slots: list[int] = []
        tracked = 0  # bit i: input i has a slot
        plain = nested = False
        for x in inputs:
            if isinstance(x, Tracer) and x.owner is self:
                values.append(x.value)
                nested = nested or isinstance(x.value, Tracer)
                if x.extra >= 0:
                    tracked |= 1 << len(slots)
                slots.append(x.extra)
            else:
                values.append(x)
                slots.append(CONSTANT)
                plain = plain or isinstance(x, np.ndarray)
                nested = nested or isinstance(x, Tracer)
        if plain and nested:
            values = list(entered(values))
        derivative = op.derivative
        moving: bool | Sequence[bool] = True
        if not tracked or derivative is None or isinstance(derivative, Zero):
            return self._results(op, op(*values, **attrs), False)[0]
        metas = tuple([(shape_of(v), dtype_of(v)) if s >= 0 else None for v, s in zip(values, slots, strict=True)])
        if isinstance(derivative, Body):
            given = tuple([meta is not None for meta in metas])
            out, residuals, moving, taps = LOOPS[op.name].forward(values, given, **attrs)
            residuals = tuple([_own(r) if any(r is x for x in inputs) else r for r in residuals])
            for name, type in taps:  # in the entry's eyes further inputs: they get a cotangent
                self.taps.append((name, self._new_slot(), type))
                slots.append(self.taps[-1][1])
                metas = (*metas, (type.shape, type.dtype))
            keeps_out = False
        else:
            out = op(*values, **attrs)
            keeps, keeps_out = residual_places(op, tracked, len(slots))
            rows = zip(inputs, values, keeps, strict=True)
            residuals = tuple([_kept(value, value is x, keep) if keep else None for x, value, keep in rows])
        handles, results = self._results(op, out, moving)
        self.entries.append(Entry(op, attrs, slots, residuals, metas, out if keeps_out else None, results))
        if op is tap:
            self.taps.append((attrs["name"], results[0], type_of(out)))
        return handles

    def _results(self, op: Op, out: Any, moving: bool | Sequence[bool]) -> tuple[Any, Sequence[int]]:
        """Handles on the results, and their slots: a slot of its own for each that moves and is differentiable."""
        if not op.several:
            slot = self._new_slot() if moving and moves(out) else CONSTANT
            return Tracer(self, out, slot), (slot,)
        each = [moving] * len(out) if isinstance(moving, bool) else moving
        pairs = zip(out, each, strict=True)
        slots = [self._new_slot() if m and moves(o) else CONSTANT for o, m in pairs]
        return tuple([Tracer(self, o, slot) for o, slot in zip(out, slots, strict=True)]), slots

    def _new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1


def backward(tape: Tape, seeds: Sequence[tuple[int, Any]], wanted: Collection[int]) -> dict[int, Any]:
    """The cotangents of the slots in `wanted`, given those of some slots: the chain rule, last entry first.

    A slot without a cotangent (None) has no influence; what a later layer has computed is never computed again.
    """
    cts: list[Any] = [None] * tape.slots
    for slot, ct in seeds:
        cts[slot] = ct if cts[slot] is None else cts[slot] + ct
    with np.errstate(all="ignore"):  # a factor may be infinite where its cotangent is zero
        for entry in reversed(tape.entries):
            passed = [cts[slot] if slot >= 0 else None for slot in entry.results]
            if passed[0] is None and all(ct is None for ct in passed):
                continue
            for slot, ct in zip(entry.slots, pull(entry, passed), strict=True):
                if ct is not None:
                    known = cts[slot]
                    cts[slot] = ct if known is None else known + ct
            for slot in entry.results:
                if slot >= 0 and slot not in wanted:
                    cts[slot] = None  # let go
    return {slot: cts[slot] for slot in wanted}


def pull(entry: Entry, cts: list[Any]) -> list[Any]:
    """The cotangents that one operation passes on to its inputs, given those of its results."""
    op, attrs, _, residuals, metas, out, _ = entry
    ct = cts[0]
    match op.derivative:
        case Partials() as rule:
            factors = [factor(rule, i, residuals, out, attrs) if meta else None for i, meta in enumerate(metas)]
            found = [None if f is None else scale(ct, f) for f in factors]
        case Linear(transpose, args):
            shown = [Type(*m) if r is None and m else r for r, m in zip(residuals, metas, strict=True)]
            pulled = iter(transpose(ct, *shown, **attrs))
            found = [next(pulled) if args is None or i in args else None for i in range(len(metas))]
        case Multilinear(transposes):
            shown = [Type(*m) if r is None and m else r for r, m in zip(residuals, metas, strict=True)]
            found = [transposes[i](ct, *shown, **attrs) if meta else None for i, meta in enumerate(metas)]
        case Weighted(weights):
            factors = weights(out, *residuals, **attrs)
            found = [strong_mul(expanded(ct, factors, attrs["axes"]), factors)]
        case Tangent(tangent):
            found = transpose_tangent(tangent, cts, op.several, residuals, metas, out, attrs)
        case Body():
            found = LOOPS[op.name].pull(cts, residuals, metas, **attrs)
        case None | Zero():
            found = [None] * len(metas)
    return [None if meta is None or ct is None else fit(ct, *meta) for ct, meta in zip(found, metas, strict=True)]


def factor(rule: Partials, i: int, operands: Sequence[Any], out: Any, attrs: dict[str, Any]) -> Any:
    """The factor of the chain rule by operand i."""
    partial = rule.factors[i]
    return partial(*[out if p < 0 else operands[p] for p in rule.needs[i]], **attrs) if callable(partial) else partial


def transpose_tangent(
    tangent: Rule,
    cts: list[Any],
    several: bool,
    operands: tuple[Any, ...],
    metas: tuple[Any, ...],
    out: Any,
    attrs: dict[str, Any],
) -> list[Any]:
    """The cotangents of a rule given as its tangent: the transpose of that linear piece, by a tape of its own."""
    tape = Tape()
    beside = next(ct for ct in cts if ct is not None)
    dots = [
        tape.input(zeros(Type(*m), beside)) if m else zeros(operand, beside)
        for operand, m in zip(operands, metas, strict=True)
    ]
    outs = tangent(tuple(dots), out, *operands, **attrs)
    seeds = [
        (dot.extra, ct)
        for dot, ct in zip(outs if several else (outs,), cts, strict=True)
        if ct is not None and isinstance(dot, Tracer) and dot.owner is tape and dot.extra >= 0
    ]
    slots = [dot.extra if m else None for dot, m in zip(dots, metas, strict=True)]
    found = backward(tape, seeds, [slot for slot in slots if slot is not None])
    return [None if slot is None else found[slot] for slot in slots]


@cache
def residual_places(op: Op, bits: int, count: int) -> tuple[tuple[int, ...], bool]:
    """What of each input (nothing, VALUE or TYPE), and whether the result, the rule needs for the inputs in `bits`."""
    tracked = tuple(bool(bits >> i & 1) for i in range(count))
    match op.derivative:
        case Partials(_, needs):
            needed = {place for i in range(count) if tracked[i] for place in needs[i]}
            return tuple(i in needed for i in range(count)), -1 in needed
        case Linear(_, args):
            linear = range(count) if args is None else args
            return tuple(VALUE if i not in linear else 0 if tracked[i] else TYPE for i in range(count)), False
        case Multilinear():
            return tuple(any(tracked[:i] + tracked[i + 1 :]) for i in range(count)), False
        case _:
            return (True,) * count, True


def _kept(value: Any, users: bool, kind: int) -> Any:
    return type_of(value) if kind == TYPE else _own(value) if users else value


def _own(value: Any) -> Any:
    """The value as it is now: a handle or an array of the user's may change before the walk back."""
    if isinstance(value, Traced):
        return value.clone()
    return value.copy() if isinstance(value, np.ndarray) else value
