"""`tiled`: a nest that turns an array round, done in tiles, so that each line of the cache is read once.

Where the vector lies along one axis, and an array's neighbours along another, a vector takes an element each from as
many lines. TILE of these lines are copied to the stack, TILE elements of each, before the vectors are taken from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chainrule.backend.llvm.nest.collapse import is_free, places
from chainrule.schedule.plan import Axes, Expression, Guarded, Nest, Place, Position, Read, Stage, Store

TILE: Final = 32
_LEAST: Final = 4096  # elements: fewer stay in the cache


def is_tiled(nest: Nest) -> bool:
    """Whether `tiled` has made this nest of one without folds."""
    return nest.clip is not None and nest.along == "rows" and not any(stage.folds for stage in nest.stages)


def tiled(nest: Nest) -> Nest:
    """The nest with its loops over the vector's axis inside of those over tiles, where a place asks for it.

    As in a reduction that was cut, the first of the rows counts blocks of the axis that becomes the columns.
    """
    axis = _other_axis(nest)
    if axis is None:
        return nest
    lengths = (*nest.rows, *nest.columns)
    rest = [i for i in range(len(lengths)) if i != axis]

    def placed(place: Place) -> Place:
        step = place.strides[axis]
        return replace(place, strides=(TILE * step, *[place.strides[i] for i in rest], step))

    def rewritten(expression: Expression) -> Expression:
        match expression:
            case Read(place):
                return Read(placed(place))
            case Guarded():
                return replace(expression, place=placed(expression.place))
            case Position(at):
                return Position(1 + rest.index(at))
            case _:
                return expression

    def staged(stage: Stage) -> Stage:
        values = tuple([(number, rewritten(x)) for number, x in stage.values])
        return replace(stage, values=values, stores=tuple([Store(s.value, placed(s.place)) for s in stage.stores]))

    return replace(
        nest,
        rows=(-(-lengths[axis] // TILE), *[lengths[i] for i in rest]),
        columns=(TILE,),
        stages=tuple([staged(stage) for stage in nest.stages]),
        along="rows",
        clip=lengths[axis],
    )


def _other_axis(nest: Nest) -> int | None:
    """The axis along which a place has its neighbours that has none along the vector."""
    lengths: Axes = (*nest.rows, *nest.columns)
    size = 1
    for n in lengths:
        size *= n
    if not is_free(nest) or len(lengths) < 2 or size < _LEAST or lengths[-1] < TILE:
        return None
    fixed = {x.axis for stage in nest.stages for _, x in stage.values if isinstance(x, Position)}
    for stage in nest.stages:
        for place in places(stage):
            if abs(place.strides[-1]) > 1 and 1 in place.strides:
                axis = place.strides.index(1)
                if axis not in fixed and lengths[axis] >= TILE:
                    return axis
    return None
