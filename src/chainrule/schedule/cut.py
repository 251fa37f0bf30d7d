"""`cut`: a long reduction as many short ones, reduced again. Where it is cut is part of the numerics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.ops.arithmetic import add, multiply
from chainrule.schedule.plan import (
    COLUMN_CHUNK,
    LANES,
    ROW_CHUNK,
    Compute,
    Expression,
    Fold,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
    Store,
)
from chainrule.schedule.views import arena
from chainrule.types import INT64


def cut(nest: Nest) -> list[Nest]:
    """A nest of one pass, its reductions cut into parts that a second nest reduces."""
    nest = merge_columns(nest)
    inner = math.prod(nest.columns[1:])
    limit = COLUMN_CHUNK if nest.along == "columns" else ROW_CHUNK
    chunk = max(1, limit // max(1, inner))
    total = nest.columns[0]
    count = -(-total // chunk)
    if count <= 1:
        return [nest]
    first = nest.stages[0]
    results = {store.value: store.place for stage in nest.stages if not stage.columns for store in stage.stores}
    partial: dict[int, Place] = {
        fold.result: arena((count, *nest.rows), fold.dtype) for fold in first.folds if fold.result in results
    }
    axis = len(nest.rows)
    parts = Stage(False, (), (), tuple([Store(value, place) for value, place in partial.items()]))
    once = Stage(
        True,
        tuple([(number, _cut_expression(expression, axis, chunk)) for number, expression in first.values]),
        first.folds,
        tuple([Store(store.value, _cut_place(store.place, axis, chunk)) for store in first.stores]),
    )
    once = _with_positions(once, axis, chunk)
    head = Nest((count, *nest.rows), (chunk, *nest.columns[1:]), (once, parts), nest.along, total, nest.nodes)
    tails = [
        tail
        for fold in first.folds
        if fold.result in results
        for tail in _combined(partial[fold.result], results[fold.result], (count, *nest.rows), fold, nest)
    ]
    return [head, *tails]


def _combined(partial: Place, target: Place, shape: Sequence[int], fold: Fold, nest: Nest) -> list[Nest]:
    """The reduction of partial results along their first axis."""
    count, rows = shape[0], tuple(shape[1:])
    wide = math.prod(rows) >= LANES[4] and bool(rows)
    strides = (*partial.strides[1:], partial.strides[0])
    read = Stage(
        True,
        ((0, Read(Place(partial.buffer, partial.dtype, strides, partial.offset))),),
        (Fold(0, fold.combine, fold.dtype, 1),),
    )
    write = Stage(False, (), (), (Store(1, target),))
    found = Nest(rows, (count,), (read, write), "rows" if wide else "columns", None, nest.nodes)
    return cut(found) if count > (ROW_CHUNK if wide else COLUMN_CHUNK) else [found]


def _cut_place(place: Place, axis: int, chunk: int) -> Place:
    stride = place.strides[axis]
    return Place(place.buffer, place.dtype, (stride * chunk, *place.strides), place.offset)


def _cut_expression(expression: Expression, axis: int, chunk: int) -> Expression:
    match expression:
        case Read(place):
            return Read(_cut_place(place, axis, chunk))
        case Position(other):
            return Position(other + 1)
        case _:
            return expression


def _with_positions(stage: Stage, axis: int, chunk: int) -> Stage:
    """Indices along the axis that was cut: those of the part, and those before it."""
    fresh = 1 + max([number for number, _ in stage.values] + [fold.result for fold in stage.folds])
    values: list[tuple[int, Expression]] = []
    for number, expression in stage.values:
        if isinstance(expression, Position) and expression.axis == axis + 1:
            part, size, before = fresh, fresh + 1, fresh + 2
            values.append((part, Position(0)))
            values.append((size, Number(chunk, INT64)))
            values.append((before, Compute(multiply, (part, size), {}, INT64)))
            values.append((fresh + 3, expression))
            values.append((number, Compute(add, (before, fresh + 3), {}, INT64)))
            fresh += 4
        else:
            values.append((number, expression))
    return Stage(stage.columns, tuple(values), stage.folds, stage.stores)


def merge_columns(nest: Nest) -> Nest:
    """The nest with neighbouring column axes as one, where every place allows it."""
    while len(nest.columns) > 1:
        axis = len(nest.rows)
        places = [x.place for stage in nest.stages if stage.columns for x in _accesses(stage)]
        counted = any(isinstance(x, Position) for stage in nest.stages for _, x in stage.values)
        if counted or any(p.strides[axis] != p.strides[axis + 1] * nest.columns[1] for p in places):
            return nest
        columns = (nest.columns[0] * nest.columns[1], *nest.columns[2:])
        stages = tuple([_merged(stage, axis) if stage.columns else stage for stage in nest.stages])
        nest = Nest(nest.rows, columns, stages, nest.along, nest.clip, nest.nodes)
    return nest


def _accesses(stage: Stage) -> list[Any]:
    return [x for _, x in stage.values if isinstance(x, Read)] + list(stage.stores)


def _merged(stage: Stage, axis: int) -> Stage:
    def without(place: Place) -> Place:
        strides = place.strides[:axis] + place.strides[axis + 1 :]
        return Place(place.buffer, place.dtype, strides, place.offset)

    values = tuple([(n, Read(without(x.place)) if isinstance(x, Read) else x) for n, x in stage.values])
    return Stage(True, values, stage.folds, tuple([Store(s.value, without(s.place)) for s in stage.stores]))
