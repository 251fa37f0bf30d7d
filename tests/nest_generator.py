"""Nests at random, with the memory they run on: every length, stride, dtype and kind of stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from chainrule.ir.op import OPS
from chainrule.schedule.plan import (
    Buffer,
    Compute,
    Expression,
    Fold,
    Guarded,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
    Store,
)

DTYPES = [np.dtype(name) for name in ("f4", "f8", "i4", "i8", "u1", "?")]
LENGTHS = (1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 70)
MOST = 3000
BOOL, INT64 = np.dtype("?"), np.dtype("i8")
SAME = {
    "f": ("add", "subtract", "multiply", "maximum", "minimum", "negative", "abs", "divide"),
    "i": ("add", "subtract", "multiply", "maximum", "minimum", "negative"),
    "u": ("add", "multiply", "maximum", "minimum"),
    "b": ("logical_and", "logical_or", "logical_not"),
}
FOLDS = {"f": ("add", "add", "multiply", "maximum", "minimum"), "i": ("add", "multiply", "maximum", "minimum")}
SINGLE = ("negative", "abs", "logical_not")
NUMBERS = (0, 1, -2, 0.5, 3.7, 1e-3, 1000, float("inf"), float("nan"), -0.0)


@dataclass
class Draft:
    """A nest that is being made."""

    rng: np.random.Generator
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    clip: int | None = None
    memory: dict[Buffer, np.ndarray] = field(default_factory=dict)
    dtypes: dict[int, np.dtype[Any]] = field(default_factory=dict)
    known: list[int] = field(default_factory=list)  # values of rows
    reads: list[tuple[Place, bool]] = field(default_factory=list)
    stored: set[Buffer] = field(default_factory=set)

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def place(self, lengths: tuple[int, ...], dtype: np.dtype[Any], repeated: bool) -> Place:
        """A new array: axes in any order, backwards, with gaps, and where `repeated` of stride 0."""
        rng, strides, size = self.rng, [0] * len(lengths), 1
        order = list(range(len(lengths)))[::-1] if self.chance(0.6) else list(rng.permutation(len(lengths)))
        offset = 0
        for axis in order:
            if repeated and self.chance(0.2):
                continue
            step = self.pick((1, 1, 1, 1, 2, 3))
            stride = size * step
            if self.chance(0.15):
                offset += (lengths[axis] - 1) * stride
                strides[axis] = -stride
            else:
                strides[axis] = stride
            size = stride * max(lengths[axis], 1)
        before, after = int(rng.integers(0, 40)), int(rng.integers(0, 40))
        buffer = Buffer("arena", (before + size + after) * dtype.itemsize)
        self.memory[buffer] = self.elements(before + size + after, dtype).view(np.uint8)
        return Place(buffer, dtype, tuple(int(s) for s in strides), before + max(offset, 0))

    def elements(self, count: int, dtype: np.dtype[Any]) -> np.ndarray:
        rng = self.rng
        if dtype.kind == "f":
            x = rng.standard_normal(count).astype(dtype)
            special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
            if self.chance(0.3):
                at = rng.random(count) < 0.05
                x[at] = rng.choice(special, at.sum())
            return x
        if dtype.kind == "b":
            return rng.random(count) < 0.5
        return rng.integers(0 if dtype.kind == "u" else -100, 101, count).astype(dtype)

    def lengths(self, columns: bool) -> tuple[int, ...]:
        return (*self.rows, *self.columns) if columns else self.rows

    def values(self, columns: bool, count: int, axes: int) -> list[tuple[int, Expression]]:
        """Values of a stage, each of what came before."""
        out: list[tuple[int, Expression]] = []
        here = list(self.known)
        for _ in range(count):
            number = len(self.dtypes)
            expression, dtype = self.expression(columns, here, axes)
            self.dtypes[number] = dtype
            out.append((number, expression))
            here.append(number)
        if not columns:
            self.known += [number for number, _ in out]
        return out

    def expression(self, columns: bool, here: list[int], axes: int) -> tuple[Expression, np.dtype[Any]]:
        chosen = self.rng.random()
        if not here or chosen < 0.3:
            return self.read(columns)
        if chosen < 0.4:
            dtype = self.pick(DTYPES)
            value = self.pick(NUMBERS) if dtype.kind == "f" else self.pick((0, 1, 16, 17, 100))
            return Number(value, dtype), dtype
        if chosen < 0.45 and axes:
            return Position(int(self.rng.integers(axes))), INT64
        if chosen < 0.55:
            conditions = [n for n in here if self.dtypes[n] == BOOL]
            if conditions:
                other = self.pick(here)
                place = self.place(self.lengths(columns), self.dtypes[other], True)
                return Guarded(place, self.pick(conditions), other), place.dtype
        return self.compute(here)

    def read(self, columns: bool) -> tuple[Expression, np.dtype[Any]]:
        again = [place for place, over in self.reads if over == columns and place.buffer not in self.stored]
        if again and self.chance(0.2):
            place = self.pick(again)
        else:
            place = self.place(self.lengths(columns), self.pick(DTYPES[:2] if self.chance(0.5) else DTYPES), True)
            self.reads.append((place, columns))
        return Read(place), place.dtype

    def compute(self, here: list[int]) -> tuple[Expression, np.dtype[Any]]:
        x = self.pick(here)
        dtype = self.dtypes[x]
        partners = [n for n in here if self.dtypes[n] == dtype]
        y = self.pick(partners)
        chosen = self.rng.random()
        if chosen < 0.15:
            return Compute(OPS["less"], (x, y), {}, BOOL), BOOL
        if chosen < 0.3:
            targets = [d for d in DTYPES if dtype.kind != "f" or d.kind in "fb"]
            target = self.pick(targets)
            return Compute(OPS["cast"], (x,), {"dtype": target.name}, target), target
        conditions = [n for n in here if self.dtypes[n] == BOOL]
        if chosen < 0.4 and conditions:
            return Compute(OPS["select"], (self.pick(conditions), x, y), {}, dtype), dtype
        name = self.pick(SAME[dtype.kind])
        return Compute(OPS[name], (x,) if name in SINGLE else (x, y), {}, dtype), dtype

    def folds(self, values: list[tuple[int, Expression]]) -> tuple[Fold, ...]:
        out: list[Fold] = []
        for _ in range(int(self.rng.integers(1, 3))):
            value = self.pick([number for number, _ in values] + self.known)
            dtype, number = self.dtypes[value], len(self.dtypes)
            if dtype.kind in "bu":
                combine, dtype = self.pick((("add", INT64), ("logical_or", BOOL), ("logical_and", BOOL)))
            else:
                combine = self.pick(FOLDS[dtype.kind])
            self.dtypes[number] = dtype
            out.append(Fold(value, combine, dtype, number))
        self.known += [fold.result for fold in out]
        return tuple(out)

    def stores(self, values: list[tuple[int, Expression]], columns: bool) -> tuple[Store, ...]:
        out: list[Store] = []
        for _ in range(int(self.rng.integers(1, 3))):
            value = self.pick([number for number, _ in values])
            dtype, lengths = self.dtypes[value], self.lengths(columns)
            own = [
                place
                for place, over in self.reads
                if over == columns and place.dtype == dtype and place.buffer not in self.stored and all(place.strides)
            ]
            place = self.pick(own) if own and self.chance(0.4) else self.place(lengths, dtype, False)
            self.stored.add(place.buffer)
            out.append(Store(value, place))
        return tuple(out)


def shape(draft: Draft, most: int, size: int) -> tuple[int, ...]:
    """Up to three lengths, whose product is not above `size`."""
    out: list[int] = []
    for _ in range(int(draft.rng.integers(0, most + 1))):
        out.append(int(draft.pick([n for n in LENGTHS if n * prod(out) <= size])))
    return tuple(out)


def generated(seed: int) -> tuple[Nest, dict[Buffer, np.ndarray]]:
    """A nest and its memory."""
    draft = Draft(np.random.default_rng(seed))
    folding, along = draft.chance(0.7), draft.pick(("rows", "columns"))
    draft.rows = shape(draft, 3, 100)
    draft.columns = shape(draft, 3, MOST // max(1, prod(draft.rows)))
    if draft.chance(0.03):
        draft.columns = (*draft.columns[:1], 0)
    clip = None
    if folding and draft.rows and draft.columns and 0 not in draft.columns and draft.chance(0.3):
        clip = int(draft.rng.integers((draft.rows[0] - 1) * draft.columns[0] + 1, draft.rows[0] * draft.columns[0] + 1))
    stages: list[Stage] = []
    axes = len(draft.rows) + len(draft.columns)
    for _ in range(int(draft.rng.integers(1, 4))):
        columns = not folding or draft.chance(0.7)
        values = draft.values(columns, int(draft.rng.integers(1, 9)), axes if columns else len(draft.rows))
        folds = draft.folds(values) if folding and columns and draft.chance(0.8) else ()
        stores = draft.stores(values, columns) if draft.chance(0.6) or not folds else ()
        stages.append(Stage(columns, tuple(values), folds, stores))
    number = draft.known[-1] if draft.known else None
    if number is not None and not any(number in dict(stage.values) for stage in stages):
        place = draft.place(draft.rows, draft.dtypes[number], False)
        stages.append(Stage(False, (), (), (Store(number, place),)))
    return Nest(draft.rows, draft.columns, tuple(stages), along, clip), draft.memory
