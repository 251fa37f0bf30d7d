"""Operations whose places are computed: gather, the two scatters, and what checks or finds indices.

`axes` are the axes of x that are indexed, one for each array of indices; the arrays broadcast together. The result (or
the updates) has the indices' axes first, then the other axes of x in their order. Negative indices count from the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, OutOfRangeError, ShapeError, message
from chainrule.ir.kinds import Case, Domain, IndexMap, Library, Linear, Scalar, Scatter
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import equal, select, zero
from chainrule.ops.movement import full, iota, reshape, zeros
from chainrule.ops.scalar import broadcast
from chainrule.types import INT64, Shape, Type, shape_of, supported, type_of
from chainrule.where import user_location

Axes = tuple[int, ...]

# --- gather -----------------------------------------------------------------------------------------------------------


def _gathered(name: str, x: Type, indices: tuple[Type, ...], axes: Axes) -> tuple[Shape, Shape]:
    """The shape of the indices together, and the lengths of the axes of x that are not indexed."""
    for index in indices:
        if index.dtype.kind not in "iu":
            raise DTypeError(message("integers as indices", str(index), user_location(), "x.astype(np.int64)"))
    if len(axes) != len(indices) or len(set(axes)) != len(axes) or not all(0 <= axis < x.ndim for axis in axes):
        raise ShapeError(message(f"an axis of {x} for each of {len(indices)} indices", axes, user_location()))
    return broadcast(name, *indices), tuple(n for axis, n in enumerate(x.shape) if axis not in axes)


def _infer_gather(x: Type, *indices: Type, axes: Axes) -> Type:
    shape, rest = _gathered("gather", x, indices, axes)
    return Type(shape + rest, x.dtype)


def _gather_numpy(x: Any, *indices: Any, axes: Axes) -> Any:
    try:
        out = _in_front(x, axes)[indices]
    except IndexError:
        check_range(x.shape, indices, axes)
        raise
    return out if any(shape_of(index) for index in indices) else np.array(out)[()]  # of numbers alone it is a view


def _in_front(x: Any, axes: Axes) -> Any:
    """A view of x with the axes in front."""
    return x if axes == tuple(range(len(axes))) else np.moveaxis(x, axes, range(len(axes)))


def check_range(shape: Shape, indices: Sequence[Any], axes: Sequence[int]) -> None:
    """Raises where an index is out of range of its axis, naming it and the user's line."""
    for index, axis in zip(indices, axes, strict=True):
        n = shape[axis]
        wrong = np.extract((np.less(index, -n)) | np.greater_equal(index, n), index)
        if wrong.size:
            valid = f"an index from {-n} to {n - 1}" if n else "no index"
            hint = "a smaller index, or -1 for the last element"
            raise OutOfRangeError(message(f"{valid} along an axis of length {n}", wrong[0], user_location(), hint))


INDICES = Domain(-4, 3)  # -3 to 2: the lengths of indexed axes in the cases are 3 and more

gather = Op(
    "gather",
    _infer_gather,
    _gather_numpy,
    Linear(lambda ct, x, *indices, axes: (scatter_add(zeros(x, ct), ct, *indices, axes=axes),)),
    IndexMap(),
    (
        Case(((3,), ()), {"axes": (0,)}, (Domain(), INDICES), ("f64", "i64")),
        Case(((3, 2), (4,)), {"axes": (0,)}, (Domain(), INDICES), ("f64", "i32")),
        Case(((2, 4), (2, 3)), {"axes": (1,)}, (Domain(), INDICES), ("f64", "i64")),
        Case(((3, 2, 4), (2, 1), (3,)), {"axes": (2, 0)}, (Domain(), INDICES, INDICES), ("f64", "i64", "i64")),
        Case(((3,), (0,)), {"axes": (0,)}, (Domain(), INDICES), ("f64", "i64")),
        Case(((3,), (4,)), {"axes": (0,)}, (Domain(), Domain(-1, 3)), ("f64", "u8")),
    ),
    "the elements of x at the indices along `axes`; the result's axes are those of the indices, then x's others",
)

# --- scatter ----------------------------------------------------------------------------------------------------------


def _infer_scatter(x: Type, updates: Type, *indices: Type, axes: Axes) -> Type:
    shape, rest = _gathered("a scatter", x, indices, axes)
    if updates.shape != shape + rest:
        raise ShapeError(message(f"updates of shape {shape + rest}", updates.shape, user_location()))
    return Type(x.shape, x.dtype if updates.weak else supported(np.result_type(x.dtype, updates.dtype)))


def _scatter(write: Callable[[Any, Any, Any], None]) -> Callable[..., Any]:
    """NumPy's meaning of a scatter: a copy of x, written to in the order of the (broadcast) indices, row by row."""

    def scatter(x: Any, updates: Any, *indices: Any, axes: Axes) -> Any:
        out = np.array(x, dtype=np.result_type(x, updates))
        front = _in_front(out, axes)
        shape = np.broadcast_shapes(*(shape_of(index) for index in indices))
        rows = tuple(np.ascontiguousarray(np.broadcast_to(index, shape)).reshape(-1) for index in indices)
        new = np.reshape(updates, (math.prod(shape), *front.shape[len(axes) :]))
        try:
            write(front, rows, new)
        except IndexError:
            check_range(out.shape, indices, axes)
            raise
        return out

    return scatter


def _set(out: Any, rows: Any, new: Any) -> None:
    out[rows] = new


_SCATTER_CASES = (
    Case(((3,), (), ()), {"axes": (0,)}, (Domain(), Domain(), INDICES), ("f64", "f64", "i64")),
    Case(((3, 2), (4, 2), (4,)), {"axes": (0,)}, (Domain(), Domain(), INDICES), ("f64", "f64", "i32")),
    Case(((2, 4), (2, 3, 2), (2, 3)), {"axes": (1,)}, (Domain(), Domain(), INDICES), ("f64", "f64", "i64")),
    Case(
        ((3, 2, 4), (2, 3, 2), (2, 1), (3,)),
        {"axes": (2, 0)},
        (Domain(), Domain(), INDICES, INDICES),
        ("f64", "f64", "i64", "i64"),
    ),
    Case(((3,), (0,), (0,)), {"axes": (0,)}, (Domain(), Domain(), INDICES), ("f64", "f64", "i64")),
)

scatter_add = Op(
    "scatter_add",
    _infer_scatter,
    _scatter(np.add.at),
    Linear(lambda ct, x, updates, *indices, axes: (ct, gather(ct, *indices, axes=axes)), (0, 1)),
    Scatter("add"),
    _SCATTER_CASES,
    "a copy of x with the updates added at the indices along `axes`; every occurrence of an index counts",
)


def _scatter_set_transpose(ct: Any, x: Type, updates: Type, *indices: Any, axes: Axes) -> tuple[Any, Any]:
    """ct with zeros where something was written, and ct at the places where an update stayed."""
    kept = scatter_set(ct, zeros(updates, ct), *indices, axes=axes)
    pulled = gather(ct, *indices, axes=axes)
    shape = updates.shape[: updates.ndim - x.ndim + len(axes)]
    if math.prod(shape) <= 1:
        return kept, pulled
    lengths = tuple(x.shape[axis] for axis in axes)
    stayed = _last_occurrences(ct, shape, lengths, indices)
    stayed = reshape(stayed, shape=shape + (1,) * (x.ndim - len(axes)))
    return kept, select(stayed, pulled, zero(pulled))


def _last_occurrences(ct: Any, shape: Shape, lengths: Shape, indices: tuple[Any, ...]) -> Any:
    """For each index whether what was written there stayed: each writes its number, and reads who was last."""
    order = reshape(iota.beside(ct, length=math.prod(shape), dtype="int64"), shape=shape)
    axes = tuple(range(len(lengths)))
    board = full.beside(ct, shape=lengths, value=0, dtype="int64")
    return equal(gather(scatter_set(board, order, *indices, axes=axes), *indices, axes=axes), order)


scatter_set = Op(
    "scatter_set",
    _infer_scatter,
    _scatter(_set),
    Linear(_scatter_set_transpose, (0, 1)),
    Scatter("set"),
    _SCATTER_CASES,
    "a copy of x with the updates written at the indices along `axes`; the last occurrence of an index stays",
)

# --- indices ----------------------------------------------------------------------------------------------------------


def _infer_in_range(x: Type, *, length: int) -> Type:
    if x.dtype.kind not in "iu":
        raise DTypeError(message("integers as labels", str(x), user_location(), "y.astype(np.int64)"))
    return x


def _in_range_numpy(x: Any, *, length: int) -> Any:
    _infer_in_range(type_of(x), length=length)
    wrong = np.argwhere(np.less(x, 0) | np.greater_equal(x, length))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        position = f" at position {place[0] if len(place) == 1 else place}" if place else ""
        got = f"{np.asarray(x)[place]}{position}"
        hint = "labels counted from 0, or as many outputs as there are classes"
        raise OutOfRangeError(message(f"labels from 0 to {length - 1}", got, user_location(), hint))
    return x


in_range = Op(
    "in_range",
    _infer_in_range,
    _in_range_numpy,
    None,
    Scalar(),
    (
        Case(((),), {"length": 3}, (Domain(-1, 3),), ("i64",)),
        Case(((2, 3),), {"length": 4}, (Domain(-1, 4),), ("i32",)),
    ),
    "x, all of whose elements must be labels, 0 <= x < `length`; an OutOfRangeError where one is not",
)


def _infer_searchsorted(x: Type, y: Type, *, side: str) -> Type:
    if x.ndim != 1 or side not in ("left", "right"):
        raise ShapeError(message("a sorted array of one axis, and side left or right", f"{x}, {side}", user_location()))
    return Type(y.shape, INT64)


def _sorted_and_sought(rng: Any) -> tuple[Any, Any]:
    return np.sort(rng.standard_normal(4)), rng.standard_normal((2, 3))


searchsorted = Op(
    "searchsorted",
    _infer_searchsorted,
    lambda x, y, *, side: np.searchsorted(x, y, side),
    None,
    Library(),
    (
        Case(((4,), (2, 3)), {"side": "left"}, make=_sorted_and_sought),
        Case(((4,), (2, 3)), {"side": "right"}, make=_sorted_and_sought),
    ),
    "for each element of y, how many elements of the sorted x are smaller (or, from the `right`, not larger)",
)
