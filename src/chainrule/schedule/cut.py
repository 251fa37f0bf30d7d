"""`cut`: a long reduction as many short ones, reduced again. Where it is cut is part of the numerics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainrule.ops.arithmetic import add, multiply
from chainrule.schedule.partial import combined, partial_places
from chainrule.schedule.plan import (
    COLUMN_CHUNK,
    CONTRACT_STRIP,
    ROW_CHUNK,
    Compute,
    Contraction,
    Expression,
    Loop,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
    Step,
    Store,
    one_by_one,
)
from chainrule.schedule.views import arena
from chainrule.types import INT64


def cut(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with long reductions, in loops too, as short ones."""
    return tuple([part for step in steps for part in _parts(step)])


def _parts(step: Step) -> Sequence[Step]:
    match step:
        case Loop():
            return [replace(step, steps=cut(step.steps))]
        case Nest(long=True):
            return _cut(step)
        case Contraction(epilogue=Stage()) if math.prod(step.inner) > CONTRACT_STRIP:
            return _apart(step)
        case _:
            return [step]


def _apart(step: Contraction) -> list[Step]:
    """A contraction that is summed in strips, and behind it what is made of its elements."""
    assert step.epilogue is not None
    shape = (*step.batch, *step.rows, *step.columns)
    total = arena(shape, step.nodes[0].types[0].dtype)
    stage = replace(step.epilogue, values=((0, Read(total)), *step.epilogue.values))
    after = Nest(shape[:-1], shape[-1:], (stage,), "columns", None, step.nodes[1:])
    if not shape:
        after = Nest((), (1,), (_over_one(stage),), "columns", None, step.nodes[1:])
    return [replace(step, epilogue=None, out=total, nodes=step.nodes[:1]), after]


def _over_one(stage: Stage) -> Stage:
    """A stage over no axes as one over an axis of length 1."""
    values = tuple([(n, Read(replace(x.place, strides=(0,))) if isinstance(x, Read) else x) for n, x in stage.values])
    stores = tuple([Store(store.value, replace(store.place, strides=(0,))) for store in stage.stores])
    return Stage(True, values, (), stores)


def _cut(nest: Nest) -> list[Nest]:
    """A nest of one pass, its reductions cut into parts that a second nest reduces."""
    nest = replace(merge_columns(nest), long=False)
    total, *others = nest.columns
    chunk = COLUMN_CHUNK
    if others or nest.along == "rows":
        chunk = max(1, ROW_CHUNK // max(1, one_by_one((1, *others), nest.along == "columns")))
    count = -(-total // chunk)
    first, axis = nest.stages[0], len(nest.rows)
    partial = partial_places(nest, count)
    values = tuple([(number, _cut_expression(expression, axis, chunk)) for number, expression in first.values])
    stores = tuple([Store(store.value, _cut_place(store.place, axis, chunk)) for store in first.stores])
    once = _with_positions(Stage(True, values, first.folds, stores), axis, chunk)
    parts = Stage(False, (), (), tuple([Store(fold.result, partial[nest, fold.result]) for fold in first.folds]))
    head = Nest((count, *nest.rows), (chunk, *others), (once, parts), nest.along, total, nest.nodes)
    return [head, combined(nest, count, partial)]


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
