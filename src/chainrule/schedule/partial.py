"""What follows a reduction whose elements were divided: partial results, and the nest that adds them up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from chainrule.schedule.plan import LANES, Contraction, Fold, Nest, Place, Read, Stage, Store
from chainrule.schedule.views import arena

SUM: Final = 0
"""The number of a contraction's sum among the values of its epilogue."""

Partial: TypeAlias = Mapping[tuple[Nest | Contraction, int], Place]
"""Where the partial results of folds are, by the number of their value: those of all parts, one behind the other."""


def partial_places(step: Nest | Contraction, count: int) -> Partial:
    """Memory for `count` partial results of each fold of a step."""
    if isinstance(step, Contraction):
        shape = (count, *step.batch, *step.rows, *step.columns)
        return {(step, SUM): arena(shape, step.nodes[0].types[0].dtype)}
    return {(step, fold.result): arena((count, *step.rows), fold.dtype) for fold in step.stages[0].folds}


def combined(step: Nest | Contraction, count: int, partial: Partial) -> Nest:
    """The nest that adds up partial results, and does with the sums what the step did."""
    if isinstance(step, Contraction):
        rows = (*step.batch, *step.rows, *step.columns)
        place = partial[step, SUM]
        folds: tuple[Fold, ...] = (Fold(0, "add", place.dtype, SUM),)
        rest = step.epilogue if step.epilogue is not None else Stage(False, ())
        rest = replace(rest, columns=False)
        if step.out is not None:
            rest = replace(rest, stores=(*rest.stores, Store(SUM, step.out)))
        stages: tuple[Stage, ...] = (rest,)
    else:
        rows, folds, stages = step.rows, step.stages[0].folds, step.stages[1:]
    fresh = 1 + max([n for stage in stages for n, _ in stage.values] + [fold.result for fold in folds])
    values: list[tuple[int, Read]] = []
    sums: list[Fold] = []
    for number, fold in enumerate(folds, fresh):
        place = partial[step, fold.result]
        values.append((number, Read(replace(place, strides=(*place.strides[1:], place.strides[0])))))
        sums.append(replace(fold, value=number))
    wide = bool(rows) and math.prod(rows) >= LANES[4]
    stage = Stage(True, tuple(values), tuple(sums))
    return Nest(rows, (count,), (stage, *stages), "rows" if wide else "columns", None, step.nodes)
