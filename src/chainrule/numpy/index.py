"""Indexing and item assignment as functions, on plain and traced arrays, with all of NumPy's kinds of index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.numpy.key import check_mask, items_of, read_key
from chainrule.numpy.view import Strides
from chainrule.ops import arithmetic, indexing, movement
from chainrule.types import BOOL, Shape, dtype_of, shape_of
from chainrule.where import user_location

__all__ = ["add_at"]  # the others are what brackets mean, to numpy/array.py


def getitem(x: Any, key: Any) -> Any:
    """x[key]. An index out of range is an OutOfRangeError that names the user's line."""
    plan = read_key(x, key)
    out = plan.basic(x)
    if plan.indices:
        out = plan.placed(indexing.gather(out, *plan.indices, axes=tuple(plan.axes)))
    return out if isinstance(out, Traced) else out[()]


def setitem(x: Any, key: Any, value: Any) -> Any:
    """A copy of x with `value`, broadcast and cast to x's dtype, at x[key]; of a repeated index the last stays."""
    value = as_dtype(_number(value, x), dtype_of(x))
    mask = _only_mask(x, key, value)
    if mask is not None:
        return arithmetic.select(mask, value, x)
    plan = read_key(x, key)
    part = _fitted(value, plan.shape)
    if plan.indices:
        part = indexing.scatter_set(plan.basic(x), plan.unplaced(part), *plan.indices, axes=tuple(plan.axes))
    return plan.written(x, part)


def add_at(x: Any, key: Any, value: Any) -> Any:
    """A copy of x with `value` added at x[key]; every occurrence of an index counts, as in `np.add.at`."""
    weak = type(value) in (int, float, bool)
    total = np.result_type(dtype_of(x), value if weak else dtype_of(as_array(value)))
    if not np.can_cast(total, dtype_of(x), "same_kind"):
        got = f"a sum of dtype {total.name}"
        raise DTypeError(message(f"a sum that fits {dtype_of(x).name}", got, user_location(), "value.astype(x.dtype)"))
    value = as_dtype(_number(value, x), dtype_of(x))
    mask = _only_mask(x, key, value)
    if mask is not None:
        return arithmetic.select(mask, arithmetic.add(x, value), x)
    plan = read_key(x, key)
    part = _fitted(value, plan.shape)
    if plan.indices:
        part = indexing.scatter_add(plan.basic(x), plan.unplaced(part), *plan.indices, axes=tuple(plan.axes))
    else:
        part = arithmetic.add(plan.basic(x), part)
    return plan.written(x, part)


def view_strides(x: Any, key: Any, strides: Strides) -> Strides:
    """The strides of the view x[key], key being basic, by those of x."""
    return tuple(0 if axis is None else step * strides[axis] for axis, step in read_key(x, key).along)


def is_element(key: Any, ndim: int) -> bool:
    """Whether a basic key names one element of an array: NumPy then gives a scalar, no view."""
    items = items_of(key)
    return len(items) == ndim and not any(item is None or item is Ellipsis or isinstance(item, slice) for item in items)


def _number(value: Any, x: Any) -> Any:
    """The value as an array; a Python number directly in x's dtype, which NumPy checks."""
    return np.asarray(value, dtype_of(x)) if type(value) in (int, float, bool) else as_array(value)


def _fitted(value: Any, shape: Shape) -> Any:
    """The value broadcast to the shape that is assigned to; axes of length 1 in front of it do not count."""
    found = shape_of(value)
    extra = max(len(found) - len(shape), 0)
    if math.prod(found[:extra]) == 1 and extra:
        value, found = movement.reshape(value, shape=found[extra:]), found[extra:]
    if found == shape:
        return value
    if len(found) > len(shape) or not all(n in (1, m) for n, m in zip(found[::-1], shape[::-1], strict=False)):
        expected, hint = f"a value that broadcasts to {shape}", "value.reshape, or value[:, None]"
        raise ShapeError(message(expected, f"one of shape {found}", user_location(), hint))
    return movement.broadcast_to(value, shape=shape)


def _only_mask(x: Any, key: Any, value: Any) -> Any:
    """The mask, as wide as x, where the key is nothing else and the value is the same for all it chooses; else None.

    Such an assignment is a selection: it needs no numbers, so it can be staged.
    """
    if not isinstance(key, (Traced, np.ndarray)) or dtype_of(key) != BOOL:
        return None
    count = len(shape_of(key))
    if not 0 < count <= len(shape_of(x)):
        return None
    check_mask(shape_of(key), shape_of(x)[:count])
    rest, found = shape_of(x)[count:], shape_of(value)
    if len(found) > len(rest) or not all(n in (1, m) for n, m in zip(found[::-1], rest[::-1], strict=False)):
        return None
    return movement.reshape(key, shape=shape_of(key) + (1,) * len(rest))
