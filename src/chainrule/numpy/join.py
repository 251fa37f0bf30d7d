"""NumPy's functions that join arrays and split them. The parts of a split are views."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.numpy.axes import axis_of
from chainrule.numpy.convert import as_array, as_dtype, composition, is_list
from chainrule.numpy.shape import atleast_1d, atleast_2d, atleast_3d, ravel
from chainrule.ops import movement
from chainrule.types import shape_of
from chainrule.where import user_location

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


# --- join -------------------------------------------------------------------------------------------------------------


@composition(np.concatenate)
def concatenate(arrays: Any, /, axis: int | None = 0, *, dtype: Any = None) -> Any:
    """The arrays one behind the other along an axis; all their elements along one axis where it is None."""
    xs = [as_array(x) for x in arrays]
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if xs and shape_of(xs[0]) == ():
        hint = "cr.numpy.stack, or atleast_1d"
        raise ShapeError(message("arrays with an axis to concatenate along", "numbers", user_location(), hint))
    joined = movement.concatenate(*xs, axis=axis_of(len(shape_of(xs[0])), axis) if xs else axis)
    return joined if dtype is None else as_dtype(joined, dtype)


@composition(np.concat)
def concat(arrays: Any, /, axis: int | None = 0, *, dtype: Any = None) -> Any:
    """The arrays one behind the other along an axis; all their elements along one axis where it is None."""
    return concatenate(arrays, axis, dtype=dtype)


@composition(np.stack)
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Any:
    """The arrays, all of one shape, side by side along a new axis."""
    xs = [as_array(x) for x in arrays]
    shapes = {shape_of(x) for x in xs}
    if len(shapes) != 1:
        got, hint = sorted(shapes) or "none", "concatenate, for arrays of different lengths"
        raise ShapeError(message("arrays of one shape to stack", got, user_location(), hint))
    shape = shapes.pop()
    place = axis_of(len(shape) + 1, axis)
    new = (*shape[:place], 1, *shape[place:])
    joined = movement.concatenate(*[movement.reshape(x, shape=new) for x in xs], axis=place)
    return joined if dtype is None else as_dtype(joined, dtype)


@composition(np.vstack)
def vstack(tup: Any, *, dtype: Any = None) -> Any:
    """The arrays below each other; one of one axis is a row."""
    return concatenate([atleast_2d(x) for x in tup], 0, dtype=dtype)


@composition(np.hstack)
def hstack(tup: Any, *, dtype: Any = None) -> Any:
    """The arrays next to each other: along the second axis, those of one axis along the first."""
    xs = [atleast_1d(x) for x in tup]
    return concatenate(xs, 0 if xs and len(shape_of(xs[0])) == 1 else 1, dtype=dtype)


@composition(np.dstack)
def dstack(tup: Any) -> Any:
    """The arrays behind each other: along the third axis."""
    return concatenate([atleast_3d(x) for x in tup], 2)


@composition(np.column_stack)
def column_stack(tup: Any) -> Any:
    """The arrays as columns next to each other; one of one axis is a column."""
    xs = [as_array(x) for x in tup]
    return concatenate([x if len(shape_of(x)) > 1 else movement.reshape(x, shape=(_length(x), 1)) for x in xs], 1)


def _length(x: Any) -> int:
    return shape_of(x)[0] if shape_of(x) else 1


@composition(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """The array with values behind it along an axis; both flat where it is None."""
    return concatenate((arr, values), axis)


@composition(np.block)
def block(arrays: Any) -> Any:
    """The array put together from nested lists of blocks: the innermost lists along the last axis, and so on."""
    depth = _depth(arrays)
    ndim = max(depth, *(len(shape_of(x)) for x in _blocks(arrays)))
    return _assembled(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    return 1 + _depth(arrays[0]) if isinstance(arrays, list) else 0


def _blocks(arrays: Any) -> list[Any]:
    return [x for part in arrays for x in _blocks(part)] if is_list(arrays) else [as_array(arrays)]


def _assembled(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        x = as_array(arrays)
        return movement.reshape(x, shape=(1,) * (ndim - len(shape_of(x))) + shape_of(x))
    return concatenate([_assembled(part, depth - 1, ndim) for part in arrays], axis=-depth)


# --- split ------------------------------------------------------------------------------------------------------------


@composition(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts of the array between indices, or that many parts, the first ones longer by one if need be."""
    x = as_array(ary)
    place = axis_of(len(x.shape), axis)
    n = x.shape[place]
    if np.ndim(indices_or_sections) == 0:
        sections = operator.index(indices_or_sections)
        if sections < 1:
            raise ShapeError(message("one section at least", sections, user_location()))
        lengths = [n // sections + (i < n % sections) for i in range(sections)]
        ends = list(np.cumsum([0, *lengths]))
    else:
        ends = [0, *map(operator.index, indices_or_sections), n]
    front = (slice(None),) * place
    return [x[(*front, slice(start, stop))] for start, stop in pairwise(ends)]


@composition(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts of the array between indices, or that many equal parts."""
    if np.ndim(indices_or_sections) == 0:
        n = shape_of(as_array(ary))[axis_of(len(shape_of(as_array(ary))), axis)]
        if n % operator.index(indices_or_sections):
            hint = "cr.numpy.array_split for parts of unequal lengths"
            raise ShapeError(message(f"a number that divides {n}", indices_or_sections, user_location(), hint))
    return array_split(ary, indices_or_sections, axis)


def _splitter(numpy: Callable[..., Any], doc: str, least: int, axis: Callable[[int], int]) -> Callable[..., list[Any]]:
    def function(ary: Any, indices_or_sections: Any) -> list[Any]:
        ndim = len(shape_of(as_array(ary)))
        if ndim < least:
            raise ShapeError(message(f"an array of {least} axes at least", f"{ndim}", user_location()))
        return split(ary, indices_or_sections, axis(ndim))

    function.__name__ = function.__qualname__ = numpy.__name__
    function.__doc__ = doc
    return composition(numpy)(function)


hsplit = _splitter(np.hsplit, "The parts along the second axis, or the only one.", 1, lambda n: n > 1)
vsplit = _splitter(np.vsplit, "The parts along the first axis.", 2, lambda n: 0)
dsplit = _splitter(np.dsplit, "The parts along the third axis.", 3, lambda n: 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts of the array along an axis, which they do not have any more."""
    x = as_array(x)
    front: Sequence[slice] = (slice(None),) * axis_of(len(shape_of(x)), axis)
    return tuple(x[(*front, i, Ellipsis)] for i in range(shape_of(x)[len(front)]))
