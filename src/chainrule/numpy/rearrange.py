"""NumPy's functions that put the elements of an array in another order, repeat them, and put others around them."""

from __future__ import annotations

import math
import operator
from typing import Any, Final

import numpy as np

from chainrule.errors import OptionError, ShapeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.axes import Axis, axes_of, axis_of
from chainrule.numpy.convert import as_array, as_dtype, composition
from chainrule.numpy.shape import flatten, swapaxes
from chainrule.numpy.take import taken
from chainrule.ops import arithmetic, movement
from chainrule.types import Shape, dtype_of, shape_of
from chainrule.where import user_location

__all__ = ["flip", "fliplr", "flipud", "pad", "repeat", "roll", "rot90", "tile"]


# --- the other way round ----------------------------------------------------------------------------------------------


@composition(np.flip)
def flip(m: Any, axis: Axis = None) -> Any:
    """A view of the array with the order along the axes (all where None) reversed."""
    x = as_array(m)
    axes = axes_of(len(x.shape), axis)
    return x[(*[slice(None, None, -1) if i in axes else slice(None) for i in range(len(x.shape))], Ellipsis)]


@composition(np.flipud)
def flipud(m: Any) -> Any:
    """A view of the array with its first axis reversed."""
    return flip(m, 0)


@composition(np.fliplr)
def fliplr(m: Any) -> Any:
    """A view of the array with its second axis reversed."""
    return flip(m, 1)


@composition(np.rot90)
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """A view of the array turned by k right angles, from the first of the axes towards the second."""
    first, second = axes_of(len(shape_of(as_array(m))), tuple(axes))
    match k % 4:
        case 0:
            return as_array(m)[...]
        case 1:
            return flip(swapaxes(m, first, second), first)
        case 2:
            return flip(m, (first, second))
        case _:
            return flip(swapaxes(m, first, second), second)


@composition(np.roll)
def roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    """The array with its elements moved on by `shift` along the axes (the flat array's where None), the last in front.

    A traced shift is one number.
    """
    x = as_array(a)
    if axis is None:
        return movement.reshape(roll(flatten(x), shift, 0), shape=x.shape)
    if isinstance(shift, Traced):
        return _rolled_by(x, shift, axes_of(len(x.shape), axis))
    shifts = [operator.index(n) for n in np.atleast_1d(shift)]
    places = [axis_of(len(x.shape), i) for i in (axis if isinstance(axis, tuple | list) else (axis,))]
    if 1 not in (len(shifts), len(places)) and len(shifts) != len(places):
        raise ShapeError(message("a shift for each axis", f"{shift} for {axis}", user_location()))
    count = max(len(shifts), len(places))
    for n, place in zip(shifts * (count // len(shifts)), places * (count // len(places)), strict=True):
        x = _rolled(x, n, place)
    return x.copy()


def _rolled(x: Any, shift: int, axis: int) -> Any:
    n = x.shape[axis]
    cut = n - shift % n if n else 0
    if cut in (0, n):
        return x
    return movement.concatenate(movement.part(x, axis, cut, n), movement.part(x, axis, 0, cut), axis=axis)


def _rolled_by(x: Any, shift: Any, axes: tuple[int, ...]) -> Any:
    for axis in axes:
        n = shape_of(x)[axis]
        places = arithmetic.remainder(movement.iota.beside(shift, length=n, dtype="int64") - shift, max(n, 1))
        x = taken(x, places, axis)
    return x


# --- repeated ---------------------------------------------------------------------------------------------------------


@composition(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every element `repeats` times in a row along the axis (of the flat array where None).

    `repeats` is a count for all or for each; it must have numbers, since the result's shape depends on it.
    """
    if isinstance(repeats, Traced):
        repeats = repeats.concrete("count of repetitions", "a count that is not traced")
    x = as_array(a)
    if axis is None:
        x, axis = flatten(x), 0
    axis = axis_of(len(shape_of(x)), axis)
    n = shape_of(x)[axis]
    counts = np.asarray(repeats)
    counts = counts if counts.size else counts.astype(np.int64)  # an empty list is one of floats
    if counts.size == 1 and counts.ndim <= 1:
        times = operator.index(counts.item())
        if times < 0:
            raise ShapeError(message("counts of at least 0", times, user_location()))
        front, back = shape_of(x)[: axis + 1], shape_of(x)[axis + 1 :]
        wide = movement.broadcast_to(movement.reshape(x, shape=(*front, 1, *back)), shape=(*front, times, *back))
        return movement.reshape(wide, shape=(*front[:-1], n * times, *back))
    if counts.shape != (n,) or counts.min(initial=0) < 0:
        raise ShapeError(message(f"one count, or {n} counts, of at least 0", counts.tolist(), user_location()))
    return taken(x, np.repeat(np.arange(n), counts), axis)


@composition(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The array `reps` times along its axes, the last count for the last axis."""
    x = as_array(A)
    counts = tuple(operator.index(n) for n in np.atleast_1d(reps))
    ndim = max(len(counts), len(shape_of(x)))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - len(shape_of(x))) + shape_of(x)
    if any(n < 0 for n in counts):
        raise ShapeError(message("counts of at least 0", reps, user_location()))
    apart = movement.reshape(x, shape=tuple(n for length in shape for n in (1, length)))
    wide = movement.broadcast_to(apart, shape=tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return movement.reshape(wide, shape=tuple(math.prod(pair) for pair in zip(counts, shape, strict=True)))


# --- put around -------------------------------------------------------------------------------------------------------

MAPPED: Final = ("edge", "reflect", "symmetric", "wrap")
"""The modes of `pad` in which every new element is one of the array's."""


@composition(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """The array with elements around it: constants, or its own by `mode` (edge, reflect, symmetric or wrap).

    `pad_width` is one number, a pair (before, after), a pair for each axis, or a dict of them by axis.
    """
    x = as_array(array)
    widths = _pairs(pad_width, len(x.shape))
    if mode == "constant":
        return _padded(x, widths, constant_values)
    if mode not in MAPPED:
        raise OptionError(message(f"a mode of pad, constant or one of {', '.join(MAPPED)}", mode, user_location()))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            n: int = x.shape[axis]
            if not n:
                raise ShapeError(message(f"elements along axis {axis} to pad by {mode}", x.shape, user_location()))
            known: Any = mode
            places = np.pad(np.arange(n), (before, after), mode=known)
            x = taken(x, places, axis)
    return x.copy()


def _pairs(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    given: Any = pad_width
    if isinstance(pad_width, dict):
        by_axis: dict[int, Any] = {axis_of(ndim, axis): width for axis, width in given.items()}
        given = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(ndim)]
    try:
        rows = np.broadcast_to(np.asarray(given), (ndim, 2))
    except ValueError:
        expected = f"a width, a pair, or a pair for each of {ndim} axes"
        raise ShapeError(message(expected, repr(given), user_location())) from None
    return tuple((operator.index(before), operator.index(after)) for before, after in rows)


def _padded(x: Any, widths: tuple[tuple[int, int], ...], values: Any) -> Any:
    """x padded by constants: one number, or one for each side, axis after axis."""
    values = as_dtype(as_array(values), dtype_of(x))
    if not shape_of(values):
        return movement.pad(x, values, widths=widths)
    values = movement.broadcast_to(values, shape=(len(widths), 2))
    for axis, pair in enumerate(widths):
        for side in range(2):
            width = _one_side(len(widths), axis, pair[side], side)
            x = movement.pad(x, _element(values, axis, side), widths=width)
    return x


def _one_side(ndim: int, axis: int, width: int, side: int) -> tuple[tuple[int, int], ...]:
    pair = (0, width) if side else (width, 0)
    return tuple(pair if i == axis else (0, 0) for i in range(ndim))


def _element(x: Any, *place: int) -> Any:
    stops: Shape = tuple(i + 1 for i in place)
    return movement.reshape(movement.slice_(x, starts=place, stops=stops, steps=(1,) * len(place)), shape=())
