"""NumPy's functions that give an array another shape, and ask for it. What NumPy gives as a view is one here too."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import OwnershipError, ShapeError, message
from chainrule.numpy.axes import Axis, axes_of, axis_of
from chainrule.numpy.convert import as_array, composition, is_list
from chainrule.numpy.view import memory_order, row_major
from chainrule.ops import movement
from chainrule.types import Shape, shape_of
from chainrule.where import user_location

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "copy",
    "expand_dims",
    "flatten",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "reshape",
    "resize",
    "rollaxis",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "transpose",
]

broadcast_shapes = np.broadcast_shapes


# --- asking -----------------------------------------------------------------------------------------------------------


@composition(np.shape)
def shape(a: Any) -> Shape:
    """The lengths of the axes."""
    return as_array(a).shape


@composition(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return len(as_array(a).shape)


@composition(np.size)
def size(a: Any, axis: Axis = None) -> int:
    """The number of elements, or the length of an axis."""
    lengths = as_array(a).shape
    return math.prod(lengths[i] for i in axes_of(len(lengths), axis))


# --- reshape ----------------------------------------------------------------------------------------------------------


def resolve_shape(count: int, new: Any) -> Shape:
    """A shape as `reshape` takes it, a number or a sequence of them, with its -1 worked out for `count` elements."""
    given = [operator.index(n) for n in (new if is_list(new) or np.ndim(new) else (new,))]
    known = math.prod(n for n in given if n != -1)
    unknown = given.count(-1)
    fits = known == count if not unknown else unknown == 1 and known > 0 and count % known == 0
    if not fits or any(n < -1 for n in given):
        hint = "-1 for one of the lengths"
        raise ShapeError(message(f"a shape of {count} elements", tuple(given), user_location(), hint))
    return tuple(count // known if n == -1 else n for n in given)


@composition(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """The same elements in another shape, read and written in row-major order (`order="F"`: column-major)."""
    out = as_array(a).reshape(shape, order=order)
    return out.copy() if copy else out


@composition(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """All elements along one axis: a view where they lie in this order, else a copy."""
    x = as_array(a)
    if order == "F":
        return ravel(x.T)
    if order == "A":
        return ravel(x.T if _is_row_major(x.T) else x)
    if order == "K":
        return ravel(x.transpose(memory_order(x.strides_in_numpy())))
    if _is_row_major(x):
        return x.reshape(-1)
    return movement.reshape(x, shape=(math.prod(x.shape),))


def _is_row_major(x: Any) -> bool:
    strides = zip(x.shape, x.strides_in_numpy(), row_major(x.shape), strict=True)
    return 0 in x.shape or all(n == 1 or found == wanted for n, found, wanted in strides)


def _flattened(a: Any, order: Any = "C") -> Any:
    return np.asarray(a).flatten(order)


@composition(_flattened)
def flatten(a: Any, order: str = "C") -> Any:
    """A copy of all elements along one axis."""
    return ravel(a, order).copy()


@composition(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements of the flat array, again and again, as many as the new shape holds; zeros where there are none."""
    x = flatten(a)
    wanted = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    count = math.prod(wanted)
    if not x.size:
        return movement.full.beside(x, shape=wanted, value=0, dtype=x.dtype.name)
    whole = movement.broadcast_to(x, shape=(-(-count // x.size), x.size)).reshape(-1)
    return whole[:count].reshape(wanted).copy()


@composition(np.copy)
def copy(a: Any, order: str = "K") -> Any:
    """An array of its own."""
    return as_array(a).copy()


# --- the order of axes ------------------------------------------------------------------------------------------------


def permutation(ndim: int, axes: Any) -> tuple[int, ...]:
    """The order of axes of a transpose, canonical; None reverses them."""
    order = tuple(range(ndim))[::-1] if axes is None else axes_of(ndim, axes)
    if len(order) != ndim:
        raise ShapeError(message(f"an order of {ndim} axes", axes, user_location(), f"{tuple(range(ndim))[::-1]}"))
    return order


@composition(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """The array with its axes in another order, reversed where none is given."""
    x = as_array(a)
    return x.transpose(permutation(len(x.shape), axes))


@composition(np.permute_dims)
def permute_dims(a: Any, axes: Any = None) -> Any:
    """The array with its axes in another order, reversed where none is given."""
    return transpose(a, axes)


@composition(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The array with its last two axes swapped."""
    if len(as_array(x).shape) < 2:
        raise ShapeError(message("two axes at least", as_array(x).shape, user_location(), "x[None]"))
    return swapaxes(x, -1, -2)


@composition(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """The array with two axes swapped."""
    x = as_array(a)
    order = list(range(len(x.shape)))
    i, j = axis_of(len(order), axis1), axis_of(len(order), axis2)
    order[i], order[j] = order[j], order[i]
    return x.transpose(order)


@composition(np.moveaxis)
def moveaxis(a: Any, source: Axis, destination: Axis) -> Any:
    """The array with some axes moved to other places; the others keep their order."""
    x = as_array(a)
    sources, places = axes_of(len(x.shape), source), axes_of(len(x.shape), destination)
    if len(sources) != len(places):
        raise ShapeError(message("a place for each axis to move", f"{source} to {destination}", user_location()))
    order = [axis for axis in range(len(x.shape)) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return x.transpose(order)


@composition(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """The array with an axis moved before axis `start`."""
    x = as_array(a)
    count = len(x.shape)
    axis, start = axis_of(count, axis), axis_of(count + 1, start + count if start < 0 else start)
    return moveaxis(x, axis, start - 1 if axis < start else start)


# --- axes of length 1 -------------------------------------------------------------------------------------------------


@composition(np.expand_dims)
def expand_dims(a: Any, axis: Axis) -> Any:
    """The array with new axes of length 1, which have the places `axis` in the result."""
    x = as_array(a)
    count = len(x.shape) + (1 if isinstance(axis, int) else len(tuple(axis or ())))
    new = axes_of(count, () if axis is None else axis)
    return x[(*[None if i in new else slice(None) for i in range(count)], Ellipsis)]


@composition(np.squeeze)
def squeeze(a: Any, axis: Axis = None) -> Any:
    """The array without the axes of length 1, or without those given."""
    x = as_array(a)
    gone = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axes_of(len(x.shape), axis)
    if any(x.shape[i] != 1 for i in gone):
        got = f"axes {gone} of {x.shape}"
        raise ShapeError(message("axes of length 1 to squeeze", got, user_location(), "axis=None"))
    return x[(*[0 if i in gone else slice(None) for i in range(len(x.shape))], Ellipsis)]


@composition(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """The array with one axis at least; of several arrays a tuple."""
    return _each(arys, _vector)


@composition(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """The array with two axes at least, new ones in front; of several arrays a tuple."""
    return _each(arys, _matrix)


@composition(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """The array with three axes at least: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1); of several a tuple."""
    return _each(arys, _box)


def _each(arrays: tuple[Any, ...], function: Callable[[Any], Any]) -> Any:
    found = tuple(function(as_array(x)) for x in arrays)
    return found[0] if len(found) == 1 else found


def _vector(x: Any) -> Any:
    return x if x.shape else x.reshape(1)


def _matrix(x: Any) -> Any:
    return x if len(x.shape) >= 2 else x.reshape(1, -1)


def _box(x: Any) -> Any:
    return x if len(x.shape) >= 3 else _matrix(x).reshape(*_matrix(x).shape, 1)


# --- broadcasting -----------------------------------------------------------------------------------------------------


@composition(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Any:
    """The array repeated along new axes in front and along axes of length 1; it cannot be assigned to."""
    x = as_array(array)
    wanted = tuple(operator.index(n) for n in (shape if is_list(shape) or np.ndim(shape) else (shape,)))
    new = len(wanted) - len(x.shape)

    def read(base: Any) -> Any:
        return movement.broadcast_to(base, shape=wanted)

    def strides(of_x: tuple[int, ...]) -> tuple[int, ...]:
        kept = [0 if n == 1 else step for n, step in zip(x.shape, of_x, strict=True)]
        return (*[0] * new, *kept)

    return x.viewed(read, read_only, strides)


@composition(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """The arrays broadcast to one shape; they cannot be assigned to."""
    arrays = [as_array(x) for x in args]
    try:
        shape = np.broadcast_shapes(*map(shape_of, arrays))
    except ValueError:
        got = " and ".join(str(shape_of(x)) for x in arrays)
        raise ShapeError(message("shapes that broadcast", got, user_location(), "x[:, None]")) from None
    return tuple(broadcast_to(x, shape) for x in arrays)


def read_only(base: Any, part: Any) -> Any:
    """Raises: this view of `base` is one that NumPy does not let anybody write to."""
    raise OwnershipError(message("an array to assign to", "a read-only view", user_location(), "x.copy()"))
