"""NumPy's functions that take elements by their indices, put others there, and find indices."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, OptionError, ShapeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.axes import axis_of
from chainrule.numpy.convert import as_array, as_dtype, assignment, composition
from chainrule.numpy.join import stack
from chainrule.numpy.key import check_known
from chainrule.numpy.shape import broadcast_arrays, flatten, ravel, resize
from chainrule.ops import arithmetic, indexing, movement
from chainrule.types import BOOL, Shape, dtype_of, shape_of
from chainrule.where import user_location

__all__ = [
    "argwhere",
    "choose",
    "compress",
    "copyto",
    "delete",
    "extract",
    "flatnonzero",
    "in_range",
    "insert",
    "ix_",
    "nonzero",
    "one_hot",
    "put",
    "put_along_axis",
    "putmask",
    "searchsorted",
    "select",
    "take",
    "take_along_axis",
    "unravel_index",
]

# --- by indices along an axis -----------------------------------------------------------------------------------------


@composition(np.take)
def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """The elements of the array at the indices along an axis (of the flat array where None).

    Negative indices count from the end, others out of range raise; by `mode` they are reduced modulo the length (wrap)
    or moved to the nearest end (clip).
    """
    x = as_array(a)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of(len(shape_of(x)), axis)
    return taken(x, _by_mode(_integers(indices), shape_of(x)[axis], mode), axis)


def taken(x: Any, indices: Any, axis: int) -> Any:
    """The elements of x at the integers `indices` along one axis, whose place the axes of the indices take."""
    check_known(x, shape_of(x), [indices], [axis])
    out = indexing.gather(x, indices, axes=(axis,))
    count = len(shape_of(indices))
    places = range(len(shape_of(out)))
    order = (*places[count : count + axis], *places[:count], *places[count + axis :])
    return movement.transpose(out, axes=order) if axis and count else out


def _integers(indices: Any) -> Any:
    found = as_array(indices)
    if not isinstance(found, Traced) and not found.size:
        found = found.astype(np.int64)
    if dtype_of(found).kind not in "iu":
        raise DTypeError(message("integers as indices", dtype_of(found).name, user_location(), "x.astype(np.int64)"))
    return found


def _by_mode(indices: Any, n: int, mode: str) -> Any:
    """The indices as NumPy's `mode` for those out of range makes them."""
    match mode:
        case "raise":
            return indices
        case "wrap":
            return arithmetic.remainder(indices, n)
        case "clip":
            return arithmetic.minimum(arithmetic.maximum(indices, 0), n - 1)
        case _:
            raise OptionError(message("a mode of raise, wrap or clip", mode, user_location()))


@composition(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each index the element that it names of its own row along the axis (of the flat array where None)."""
    x = as_array(arr)
    if axis is None:
        x, axis = ravel(x), 0
    places = _along(x, _integers(indices), axis_of(len(shape_of(x)), axis))
    check_known(x, shape_of(x), places, range(len(places)))
    return indexing.gather(x, *places, axes=tuple(range(len(places))))


def _along(x: Any, indices: Any, axis: int) -> list[Any]:
    """An index for every axis of x: `indices` for the axis, and the others their own place."""
    shape = shape_of(x)
    if len(shape_of(indices)) != len(shape):
        got = f"{len(shape_of(indices))}"
        raise ShapeError(message(f"indices with the {len(shape)} axes of the array", got, user_location()))
    beside = x if isinstance(x, Traced) else indices
    places: list[Any] = []
    for place, n in enumerate(shape):
        own = movement.iota.beside(beside, length=n, dtype="int64")
        column = tuple(n if i == place else 1 for i in range(len(shape)))
        places.append(indices if place == axis else movement.reshape(own, shape=column))
    return places


@composition(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The elements along an axis (of the flat array where None) for which the condition, which has numbers, is true."""
    return take(a, flatnonzero(condition), axis)


@composition(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements of the flat array where the condition, which has numbers, is true."""
    return take(arr, flatnonzero(condition))


@composition(np.choose)
def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """For each element of the integers `a` the one at its place of choice number `a`."""
    index, *arrays = broadcast_arrays(_integers(a), *[as_array(x) for x in choices])
    chosen = _by_mode(index, len(arrays), mode)
    if mode == "raise":
        chosen = indexing.in_range(chosen, length=len(arrays))
    return take_along_axis(stack(arrays), movement.reshape(chosen, shape=(1, *shape_of(chosen))), 0)[0]


@composition(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each element that of the choice whose condition is the first to hold, else the default."""
    conditions, choices = list(condlist), list(choicelist)
    if len(conditions) != len(choices) or not choices:
        got = f"{len(conditions)} and {len(choices)}"
        raise ShapeError(message("as many conditions as choices, and one at least", got, user_location()))
    if any(dtype_of(as_array(condition)) != BOOL for condition in conditions):
        raise DTypeError(message("booleans as conditions", "another dtype", user_location(), "x > 0"))
    out = default
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        number = isinstance(choice, (int, float))
        out = arithmetic.select(as_array(condition), choice if number else as_array(choice), out)
    return out


# --- without some, with others ----------------------------------------------------------------------------------------


@composition(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """The array without the parts at the indices `obj` (a number, a slice, integers, a mask) along an axis."""
    x, place = _flat_or_axis(arr, axis)
    return taken(x, np.delete(np.arange(shape_of(x)[place]), _known(obj)), place)


@composition(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """The array with values, cast to its dtype, put before the indices `obj` along an axis."""
    x, place = _flat_or_axis(arr, axis)
    n, obj = shape_of(x)[place], _known(obj)
    new = as_dtype(as_array(values), dtype_of(x))
    if type(obj) is not slice and np.ndim(obj) == 0:  # one index: the values may be any number of parts
        new = movement.reshape(new, shape=(1,) * (len(shape_of(x)) - len(shape_of(new))) + shape_of(new))
        first = movement.transpose(new, axes=_moved(len(shape_of(new)), 0, place))
        count = shape_of(first)[place]
        order = np.insert(np.arange(n), operator.index(obj), np.arange(n, n + count))
        new = first
    else:
        count = len(np.insert(np.arange(n), obj, -1)) - n
        order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    shape = (*shape_of(x)[:place], count, *shape_of(x)[place + 1 :])
    both = movement.concatenate(x, movement.broadcast_to(new, shape=shape), axis=place)
    return taken(both, order, place)


def _moved(ndim: int, source: int, destination: int) -> tuple[int, ...]:
    order = [axis for axis in range(ndim) if axis != source]
    order.insert(destination, source)
    return tuple(order)


def _known(obj: Any) -> Any:
    """Indices of parts, which must have numbers, as NumPy takes them."""
    return obj if type(obj) is slice else _numbers(obj)


def _flat_or_axis(a: Any, axis: int | None) -> tuple[Any, int]:
    x = as_array(a)
    return (flatten(x), 0) if axis is None else (x, axis_of(len(shape_of(x)), axis))


# --- assignment -------------------------------------------------------------------------------------------------------


@assignment(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None = -1) -> None:
    """Writes values where `take_along_axis` takes from."""
    if axis is None:
        put(arr, indices, values)
    else:
        arr[tuple(_along(arr, _integers(indices), axis_of(len(shape_of(arr)), axis)))] = values


@assignment(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Writes values, from the first again where they are too few, at indices of the flat array; of none nothing."""
    if not math.prod(shape_of(as_array(v))):
        return
    indices = _by_mode(ravel(_integers(ind)), math.prod(shape_of(a)), mode)
    flat = a.copy().reshape(-1)
    flat[indices] = resize(v, shape_of(indices))
    a[...] = flat.reshape(shape_of(a))


@assignment(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Writes values, repeated to the size of the array, where the mask is true; of none nothing."""
    if not math.prod(shape_of(as_array(values))):
        return
    a[...] = arithmetic.select(as_array(mask), as_dtype(resize(values, shape_of(a)), dtype_of(a)), a)


@assignment(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Writes one array into another, where a condition holds."""
    rule: Any = casting
    if not np.can_cast(dtype_of(src), dtype_of(dst), rule):
        got = f"{dtype_of(src).name} to {dtype_of(dst).name}"
        raise DTypeError(message(f"a cast by the rule {casting}", got, user_location(), "src.astype(dst.dtype)"))
    dst[...] = src if where is True else arithmetic.select(as_array(where), as_dtype(as_array(src), dtype_of(dst)), dst)


# --- indices ----------------------------------------------------------------------------------------------------------


def _numbers(x: Any) -> Any:
    """The numbers of an array whose values decide about a shape."""
    array = as_array(x)
    return array.concrete("list of indices", "cr.numpy.where(mask, x, other)") if isinstance(array, Traced) else array


@composition(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """The indices of the elements that are not zero: an array for each axis. The array must have numbers."""
    return np.nonzero(_numbers(a))


@composition(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """The indices in the flat array of the elements that are not zero. The array must have numbers."""
    return np.flatnonzero(_numbers(a))


@composition(np.argwhere)
def argwhere(a: Any) -> Any:
    """The indices of the elements that are not zero, a row for each. The array must have numbers."""
    return np.argwhere(_numbers(a))


@composition(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """The index before which each element of `v` would have to stand in the sorted array; it has no derivative."""
    x = as_array(a) if sorter is None else take(a, sorter)
    return indexing.searchsorted(x, as_array(v), side=side)


@composition(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """The sequences of indices, each along an axis of its own: together they index a grid. Masks must have numbers."""
    found: list[Any] = []
    for place, x in enumerate(args):
        index = flatnonzero(x) if dtype_of(as_array(x)) == BOOL else _integers(x)
        if len(shape_of(index)) != 1:
            raise ShapeError(message("sequences of indices", f"shape {shape_of(index)}", user_location()))
        column: Shape = tuple(shape_of(index)[0] if i == place else 1 for i in range(len(args)))
        found.append(movement.reshape(index, shape=column))
    return tuple(found)


@composition(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """The indices along each axis that indices of the flat array stand for."""
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    rest = indexing.in_range(_integers(indices), length=math.prod(lengths))
    found: list[Any] = []
    for n in lengths if order == "F" else lengths[::-1]:
        found.append(arithmetic.remainder(rest, n))
        rest = arithmetic.floor_divide(rest, n)
    return tuple(found if order == "F" else found[::-1])


def in_range(x: Any, length: int) -> Any:
    """The labels x themselves; an OutOfRangeError that names the first of them that is not 0 <= x < length."""
    return indexing.in_range(as_array(x), length=length)


def one_hot(labels: Any, length: int, dtype: Any = np.float32) -> Any:
    """For each label a row of `length` zeros with a 1 at its place; a label that is none raises.

    float32 holds 0 and 1 exactly, and yields to any other floating dtype that the result meets.
    """
    known = in_range(labels, length)
    places = movement.iota.beside(known, length=length, dtype="int64")
    column = movement.reshape(known, shape=(*shape_of(known), 1))
    return as_dtype(arithmetic.equal(column, places), dtype)
