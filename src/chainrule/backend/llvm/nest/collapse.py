"""`collapse`: a nest with as few axes as its places allow, in the order that memory likes best.

Only the shapes and the strides of a plan decide, so the same plan has the same bits everywhere: what is collapsed
here is what the order of a reduction follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chainrule.schedule.plan import (
    LANES,
    Axes,
    Expression,
    Guarded,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
    Store,
)

INT64: Final = np.dtype(np.int64)

_COST: Final = {0: 0.0, 1: 1.0, -1: 1.5}
"""What an access costs along the vector, by its stride in elements; by any other one _SCATTERED."""

_SCATTERED: Final = 8.0


@dataclass(frozen=True, eq=False)
class _Axis:
    """An axis of the new nest: its length, and the old axes that are merged in it (the last one gives its strides)."""

    length: int
    olds: tuple[int, ...]
    flipped: bool = False


def is_free(nest: Nest) -> bool:
    """Whether the iterations are independent, so that they may be done in any order."""
    return nest.clip is None and all(stage.columns and not stage.folds for stage in nest.stages)


def places(stage: Stage) -> Iterator[Place]:
    """The places that a stage reads and writes; written ones come first."""
    yield from [store.place for store in stage.stores]
    for _, expression in stage.values:
        if isinstance(expression, Read | Guarded):
            yield expression.place


def collapse(nest: Nest) -> Nest:
    """The nest with axes of length 1 left out and neighbours merged where every place allows it.

    The first axis stays if an array lies along it, whatever its length: a batch of one row has the code of any other.

    Without folds the axes are also ordered: outermost the one with the longest strides, innermost, alone among the
    columns, the one along which vectors cost least.
    """
    if 0 in nest.rows or 0 in nest.columns:
        return nest
    if nest.clip is not None and nest.rows[0] == 1:
        columns = (min(nest.columns[0], nest.clip), *nest.columns[1:])
        nest = replace(nest, columns=columns, clip=None)
    lengths = (*nest.rows, *nest.columns)
    fixed = _positions(nest)
    steps = _Steps(nest, fixed)
    count = len(nest.rows)
    if is_free(nest):
        axes = steps.kept(lengths, 0)
        axes = [steps.upright(axis) for axis in axes]
        axes.sort(key=lambda axis: -abs(steps.of(axis)[0]))  # sort is stable: the plan's order where they are equal
        axes = steps.merged(axes)
        if axes:
            inner = min(reversed(axes), key=steps.cost)
            axes = [*[axis for axis in axes if axis is not inner], inner]
        return _rebuilt(nest, axes[:-1], axes[-1:], nest.clip)
    clipped = nest.clip is not None
    rows, columns = steps.kept(nest.rows, 0, clipped), steps.kept(nest.columns, count, clipped)
    rows = [*rows[:1], *steps.merged(rows[1:])] if nest.clip is not None else steps.merged(rows)
    columns = steps.merged(columns)
    clip = nest.clip
    if clip is not None:
        clip *= columns[0].length // nest.columns[0]
    return _rebuilt(nest, rows, columns, clip)


def _positions(nest: Nest) -> frozenset[int]:
    """The axes whose index is a value, which must stay what they are."""
    return frozenset(x.axis for stage in nest.stages for _, x in stage.values if isinstance(x, Position))


class _Steps:
    """The strides of a nest, by axis."""

    def __init__(self, nest: Nest, fixed: frozenset[int]) -> None:
        self.fixed = fixed
        self.count = len(nest.rows)
        self.everywhere: list[Axes] = []  # strides of places of stages over columns
        self.in_rows: list[Axes] = []
        self.stores: list[bool] = []
        self.widest = 4
        for stage in nest.stages:
            found = list(places(stage))
            self.widest = max([self.widest, *[place.dtype.itemsize for place in found]])
            if stage.columns:
                self.everywhere += [place.strides for place in found]
                self.stores += [i < len(stage.stores) for i in range(len(found))]
            else:
                self.in_rows += [place.strides for place in found]

    def of(self, axis: _Axis) -> list[int]:
        """The strides along an axis of all places that have it."""
        old = axis.olds[-1]
        sign = -1 if axis.flipped else 1
        strided = self.everywhere + self.in_rows if old < self.count else self.everywhere
        return [sign * strides[old] for strides in strided] or [0]

    def kept(self, lengths: Axes, first: int, always: bool = False) -> list[_Axis]:
        """Axes, numbered from `first` on: the long ones, and the first one if it is needed `always` or has strides."""
        axes = [_Axis(n, (axis,)) for axis, n in enumerate(lengths, first)]
        return [x for i, x in enumerate(axes) if x.length > 1 or (i == 0 and (always or any(self.of(x))))]

    def upright(self, axis: _Axis) -> _Axis:
        """The axis the other way round if nothing along it goes forward."""
        back = not self.fixed.intersection(axis.olds) and all(step <= 0 for step in self.of(axis))
        return replace(axis, flipped=back and any(self.of(axis)))

    def merged(self, axes: list[_Axis]) -> list[_Axis]:
        """The axes with neighbours merged where every place goes on evenly from one to the other."""
        out: list[_Axis] = []
        for axis in axes:
            last = out[-1] if out else None
            if last is not None and not self.fixed.intersection(last.olds + axis.olds):
                here, there = self.of(axis), self.of(last)
                even = all(outer == inner * axis.length for outer, inner in zip(there, here, strict=True))
                if even and last.flipped == axis.flipped:
                    out[-1] = _Axis(last.length * axis.length, last.olds + axis.olds, axis.flipped)
                    continue
            out.append(axis)
        return out

    def cost(self, axis: _Axis) -> float:
        """What an element costs where the vector lies along this axis. The first of all is taken to fill vectors."""
        lanes = LANES[self.widest]
        filled = 1.0 if 0 in axis.olds else axis.length / (-(-axis.length // lanes) * lanes)
        each = [_COST.get(step, _SCATTERED) for step in self.of(axis)]
        return sum(c * (2 if store else 1) for c, store in zip(each, self.stores, strict=True)) / filled


def _rebuilt(nest: Nest, rows: list[_Axis], columns: list[_Axis], clip: int | None) -> Nest:
    """The nest over other axes."""
    axes = [*rows, *columns]
    new = {axis.olds[0]: i for i, axis in enumerate(axes) if len(axis.olds) == 1}
    lengths = (*nest.rows, *nest.columns)

    def placed(place: Place, among: list[_Axis]) -> Place:
        offset, strides = place.offset, list[int]()
        for axis in among:
            if axis.flipped:
                offset += sum((lengths[old] - 1) * place.strides[old] for old in axis.olds)
            step = place.strides[axis.olds[-1]]
            strides.append(-step if axis.flipped else step)
        return replace(place, offset=offset, strides=tuple(strides))

    def rewritten(expression: Expression, move: Callable[[Place], Place]) -> Expression:
        match expression:
            case Read():
                return Read(move(expression.place))
            case Guarded():
                return replace(expression, place=move(expression.place))
            case Position():
                at = new.get(expression.axis)
                return Number(0, INT64) if at is None else Position(at)
            case _:
                return expression

    def staged(stage: Stage) -> Stage:
        among = axes if stage.columns else rows

        def move(place: Place) -> Place:
            return placed(place, among)

        values = tuple([(number, rewritten(x, move)) for number, x in stage.values])
        return replace(stage, values=values, stores=tuple([Store(s.value, move(s.place)) for s in stage.stores]))

    return replace(
        nest,
        rows=tuple([axis.length for axis in rows]),
        columns=tuple([axis.length for axis in columns]),
        stages=tuple([staged(stage) for stage in nest.stages]),
        clip=clip,
    )
