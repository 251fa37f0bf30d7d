"""`Form`: what the code of a nest depends on. `form` gives it for a nest, with the numbers that one call needs.

Extents, strides and most constants are numbers of a call; how the strides look is form: zero along an axis or not,
and 0, 1, -1 or anything else along the vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.backend.llvm.nest.collapse import is_free
from chainrule.backend.llvm.nest.tile import is_tiled
from chainrule.backend.llvm.numbers import number_word
from chainrule.schedule.plan import (
    LANES,
    Buffer,
    Compute,
    DType,
    Expression,
    Fold,
    Guarded,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
)

INT64: Final = np.dtype(np.int64)
SCATTERED: Final = 2  # the class of a stride along the vector that is a number of the call


@dataclass(frozen=True)
class Access:
    """A place as code sees it: which pointer, and for each axis the number of the word with its stride, -1 for 0.

    `lane` is the stride along the vector: 0, 1, -1, or SCATTERED, which has a word; the others have none. What is
    `tiled` is read from a copy of a tile.
    """

    pointer: int
    dtype: DType
    steps: tuple[int, ...]
    lane: int
    tiled: bool = False

    def __str__(self) -> str:
        return f"{self.dtype.str}@{self.pointer}{list(self.steps)}/{self.lane}{' tiled' if self.tiled else ''}"


@dataclass(frozen=True)
class Load:
    """An element; with a `guard` only where that value holds, and `other` elsewhere."""

    access: Access
    guard: int = -1
    other: int = -1

    def __str__(self) -> str:
        return f"load {self.access} {self.guard} {self.other}"


@dataclass(frozen=True)
class Fixed:
    """A number that is part of the code."""

    value: float | int | bool

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Word:
    """A number that is given with each call."""

    word: int

    def __str__(self) -> str:
        return f"word {self.word}"


@dataclass(frozen=True)
class Index:
    """The index along an axis."""

    axis: int

    def __str__(self) -> str:
        return f"index {self.axis}"


@dataclass(frozen=True, eq=False)
class Apply:
    """A scalar operation."""

    name: str
    operands: tuple[int, ...]
    attrs: Mapping[str, Any]

    def __str__(self) -> str:
        attrs = ", ".join(f"{key}={value!r}" for key, value in sorted(self.attrs.items()))
        return f"{self.name}{self.operands} {attrs}"


What: TypeAlias = Load | Fixed | Word | Index | Apply


@dataclass(frozen=True, eq=False)
class Item:
    """A value: how it is made, inside how many loops, whether it differs along the vector.

    An `early` one follows from nothing that a stage makes, and is computed as soon as its loops have been entered.
    """

    number: int
    what: What
    dtype: DType
    depth: int
    varies: bool
    early: bool


@dataclass(frozen=True, eq=False)
class Pass:
    """A stage as code sees it."""

    columns: bool
    items: tuple[Item, ...]
    folds: tuple[Fold, ...]
    stores: tuple[tuple[int, Access], ...]

    @property
    def accesses(self) -> list[Access]:
        """What it reads and writes."""
        reads = [x.what.access for x in self.items if isinstance(x.what, Load)]
        return [*reads, *[access for _, access in self.stores]]

    def __str__(self) -> str:
        head = "columns" if self.columns else "row"
        items = [f"{x.number}: {x.dtype.str} = {x.what}{' early' if x.early else ''} {x.depth}" for x in self.items]
        folds = [f"{x.result}: {x.dtype.str} = {x.combine} {x.value}" for x in self.folds]
        stores = [f"{access} = {value}" for value, access in self.stores]
        return "\n  ".join([head, *items, *folds, *stores])


@dataclass(frozen=True, eq=False)
class Form:
    """All that the code of a nest depends on.

    `vector` is the axis that the vector of `lanes` lies along (None: one element at a time), `copies` how many vectors
    of rows are in flight. The first words are the length of a part along the axis `split` (-1: one part) and the
    lengths of the axes, rows first; then the clip where there is one; then what the accesses and values name.
    """

    rows: int
    columns: int
    vector: int | None
    lanes: int
    copies: int
    split: int
    clipped: bool
    empty: bool
    passes: tuple[Pass, ...]
    dtypes: Mapping[int, DType]
    varies: frozenset[int]

    @property
    def across(self) -> bool:
        """Whether the vector lies along the columns."""
        return self.vector is not None and self.vector >= self.rows

    def __str__(self) -> str:
        head = (
            f"nest {self.rows} {self.columns} vector {self.vector} x {self.lanes} x {self.copies} split {self.split}"
            f"{' clip' if self.clipped else ''}{' empty' if self.empty else ''}"
        )
        return "\n".join([head, *map(str, self.passes)])


@dataclass(eq=False)
class Arguments:
    """The numbers and addresses of one call, as they are collected."""

    pointers: list[tuple[Buffer, int]]
    words: list[int]

    def pointer(self, buffer: Buffer, offset: int) -> int:
        """The number of an address."""
        for number, (known, at) in enumerate(self.pointers):
            if known is buffer and at == offset:
                return number
        self.pointers.append((buffer, offset))
        return len(self.pointers) - 1

    def word(self, number: int) -> int:
        """The place of a new word."""
        self.words.append(number)
        return len(self.words) - 1


def vector_axis(nest: Nest) -> int | None:
    """The axis that the vector of a collapsed nest lies along, if there is one."""
    if nest.along == "columns" or is_free(nest):
        return len(nest.rows) + len(nest.columns) - 1 if nest.columns else None
    first = 1 if nest.clip is not None else 0  # each row of a cut reduction has a length of its own
    return len(nest.rows) - 1 if len(nest.rows) > first else None


def make_form(nest: Nest, split: int, unit: int, copies: int) -> tuple[Form, Arguments]:
    """The form of a collapsed nest, and what one call of its code is given."""
    arguments = Arguments([], [unit, *nest.rows, *nest.columns])
    if nest.clip is not None:
        arguments.word(nest.clip)
    maker = _Maker(nest, vector_axis(nest), arguments)
    passes = tuple([maker.stage(stage) for stage in nest.stages])
    lanes = 0 if maker.vector is None else LANES[maker.widest]
    form = Form(
        len(nest.rows),
        len(nest.columns),
        maker.vector,
        lanes,
        copies,
        split,
        nest.clip is not None,
        0 in nest.columns,
        passes,
        maker.dtypes,
        frozenset(maker.varying),
    )
    return form, arguments


Where: TypeAlias = tuple[int, bool, bool]  # depth, varies, early


class _Maker:
    """Follows the values of a nest."""

    def __init__(self, nest: Nest, vector: int | None, arguments: Arguments) -> None:
        self.vector, self.arguments = vector, arguments
        self.rows, self.axes = len(nest.rows), len(nest.rows) + len(nest.columns)
        self.along: Literal["rows", "columns"] = "columns" if vector is not None and vector >= self.rows else "rows"
        self.dtypes: dict[int, DType] = {}
        self.varying: set[int] = set()
        self.widest = 4
        self._where: dict[int, Where] = {}
        self._names: dict[int, int] = {}
        self._written: set[Buffer] = set()
        self._tiles = is_tiled(nest)
        self._stored = {store.place.buffer for stage in nest.stages for store in stage.stores}
        self._accesses: dict[tuple[int, DType, tuple[int, ...], bool], Access] = {}

    def stage(self, stage: Stage) -> Pass:
        items = tuple([self._item(number, x) for number, x in stage.values])
        values = [self._names[fold.value] for fold in stage.folds]
        stores = tuple([(self._names[store.value], self._access(store.place)) for store in stage.stores])
        self._written.update(store.place.buffer for store in stage.stores)
        varies = self.vector is not None and self.along == "rows"
        folds: list[Fold] = []
        for value, fold in zip(values, stage.folds, strict=True):
            result = self._named(fold.result, fold.dtype, (self.rows, varies, False))
            self.widest = max(self.widest, fold.dtype.itemsize)
            folds.append(replace(fold, value=value, result=result))
        return Pass(stage.columns, items, tuple(folds), stores)

    def _named(self, number: int, dtype: DType, where: Where) -> int:
        """A new number for a value of the plan's: a later stage may use the plan's again."""
        new = self._names[number] = len(self.dtypes)
        self.dtypes[new], self._where[new] = dtype, where
        if where[1]:
            self.varying.add(new)
            self.widest = max(self.widest, dtype.itemsize)
        return new

    def _item(self, number: int, expression: Expression) -> Item:
        what, dtype, where = self._made(expression)
        return Item(self._named(number, dtype, where), what, dtype, *where)

    def _made(self, expression: Expression) -> tuple[What, DType, Where]:
        match expression:
            case Read(place):
                return Load(self._access(place, reads=True)), place.dtype, self._reached(place)
            case Guarded(place, condition, other):
                guard, rest = self._names[condition], self._names[other]
                where = self._joined(self._reached(place), self._where[guard], self._where[rest])
                return Load(self._access(place), guard, rest), place.dtype, where
            case Number(value, dtype):
                return self._number(value, dtype), dtype, (0, False, True)
            case Position(axis):
                return Index(axis), INT64, (axis + 1, axis == self.vector, True)
            case Compute(op, operands, attrs, dtype):
                names = tuple([self._names[operand] for operand in operands])
                return Apply(op.name, names, attrs), dtype, self._joined(*[self._where[name] for name in names])

    def _joined(self, *found: Where) -> Where:
        depth = max([0, *[depth for depth, _, _ in found]])
        return depth, any(varies for _, varies, _ in found), all(early for _, _, early in found)

    def _reached(self, place: Place) -> Where:
        """What an earlier stage may have written is not read before it."""
        depth = max([0, *[axis + 1 for axis, step in enumerate(place.strides) if step]])
        varies = self.vector is not None and self.vector < len(place.strides) and place.strides[self.vector] != 0
        return depth, varies, place.buffer not in self._written

    def _access(self, place: Place, reads: bool = False) -> Access:
        pointer = self.arguments.pointer(place.buffer, place.offset * place.dtype.itemsize)
        tiled = reads and self._tiles and place.strides[-1] == 1 and place.buffer not in self._stored
        key = pointer, place.dtype, place.strides, tiled
        if key not in self._accesses:
            lane = 0
            if self.vector is not None and self.vector < len(place.strides):
                lane = place.strides[self.vector]
                lane = lane if lane in (0, 1, -1) else SCATTERED
            steps = [
                self.arguments.word(step) if step and (axis != self.vector or lane == SCATTERED) else -1
                for axis, step in enumerate(place.strides)
            ]
            tiled = tiled and lane == SCATTERED
            self._accesses[key] = Access(pointer, place.dtype, tuple(steps), lane, tiled)
        return self._accesses[key]

    def _number(self, value: float | int | bool, dtype: DType) -> Fixed | Word:
        word = number_word(value, dtype)
        if word is not None:
            return Word(self.arguments.word(word))
        return Fixed(bool(value) if dtype.kind == "b" else float(value) if dtype.kind == "f" else int(value))
