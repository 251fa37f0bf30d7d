"""NumPy's reductions. `where=` leaves elements out, `initial=` counts as one element more.

Sums and products of integers and booleans are int64 (of uint8 too, whose sum NumPy has in uint64).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.op import Op
from chainrule.numpy.axes import Axis, axes_of, axis_of
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.ops import arithmetic, movement
from chainrule.ops import reduction as ops
from chainrule.types import BOOL, FLOAT64, INT64, Shape, dtype_of, shape_of
from chainrule.where import user_location

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nansum",
    "prod",
    "ptp",
    "softmax",
    "std",
    "sum",
    "var",
]

Axes = tuple[int, ...]

# --- sums and products ------------------------------------------------------------------------------------------------


def sum(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """The sum along `axis` (all axes by default), computed in `dtype`."""
    out = _accumulated(ops.sum_, a, axis, dtype, keepdims, where, 0)
    return out if initial is None else arithmetic.add(out, _like(initial, out))


def prod(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """The product along `axis` (all axes by default), computed in `dtype`; its derivative is right next to zeros."""
    out = _accumulated(ops.prod, a, axis, dtype, keepdims, where, 1)
    return out if initial is None else arithmetic.multiply(out, _like(initial, out))


def _accumulated(op: Op, a: Any, axis: Axis, dtype: Any, keepdims: bool, where: Any, neutral: int) -> Any:
    x = _masked(as_array(a, dtype), where, neutral)
    out = _applied(op, x, axes_of(len(x.shape), axis), keepdims)
    return out if dtype is None else as_dtype(out, dtype)


def _applied(op: Op, x: Any, axes: Axes, keepdims: bool) -> Any:
    out = op(x, axes=axes)
    return ops.expanded(out, x, axes) if keepdims else out


def _masked(x: Any, where: Any, fill: Any) -> Any:
    """x with `fill` where the mask does not hold."""
    if where is None or where is True:
        return x
    out = arithmetic.select(as_array(where), x, fill)
    if shape_of(out) != shape_of(x):
        expected = f"a mask that broadcasts to the shape {shape_of(x)}"
        raise ShapeError(message(expected, f"where= of shape {shape_of(as_array(where))}", user_location()))
    return out


def _like(value: Any, x: Any) -> Any:
    """`initial=` in the dtype of x, cast as NumPy casts it: of an integer without what is behind the point."""
    return as_dtype(as_array(value), dtype_of(x))


# --- the largest and the smallest -------------------------------------------------------------------------------------


def max(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
    """The largest element along `axis`; NaN wins. Equal elements share the derivative equally."""
    return _extreme(ops.max_, arithmetic.maximum, a, axis, keepdims, initial, where)


def min(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
    """The smallest element along `axis`; NaN wins. Equal elements share the derivative equally."""
    return _extreme(ops.min_, arithmetic.minimum, a, axis, keepdims, initial, where)


amax = max
amin = min


def _extreme(op: Op, of_two: Op, a: Any, axis: Axis, keepdims: bool, initial: Any, where: Any) -> Any:
    x = as_array(a)
    axes = axes_of(len(x.shape), axis)
    if initial is None:
        if where is not None and where is not True:
            expected = f"initial= beside where=, the {op} of no element"
            raise ShapeError(message(expected, "where= alone", user_location(), "initial=-np.inf or np.inf"))
        return _applied(op, x, axes, keepdims)
    start = _like(initial, x)
    x = _masked(x, where, start)
    if 0 in [x.shape[i] for i in axes]:
        return arithmetic.add(as_dtype(_applied(ops.sum_, x, axes, keepdims), dtype_of(x)), start)
    return of_two(_applied(op, x, axes, keepdims), start)


def ptp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The largest minus the smallest element along `axis`."""
    return arithmetic.subtract(max(a, axis, keepdims=keepdims), min(a, axis, keepdims=keepdims))


def argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The index of the largest element along `axis`, the first of equals; of the flat array by default."""
    return _position(ops.argmax, a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """The index of the smallest element along `axis`, the first of equals; of the flat array by default."""
    return _position(ops.argmin, a, axis, keepdims)


def _position(op: Op, a: Any, axis: int | None, keepdims: bool) -> Any:
    x = as_array(a)
    axes = axes_of(len(x.shape), axis)
    if axis is None:
        out = op(movement.reshape(x, shape=(math.prod(x.shape),)), axis=0)
    else:
        out = op(x, axis=axis_of(len(x.shape), axis))
    return ops.expanded(out, x, axes) if keepdims else out


# --- mean and variance ------------------------------------------------------------------------------------------------


def mean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = None) -> Any:
    """The arithmetic mean along `axis`; of integers in float64."""
    x = _precise(a, dtype)
    axes = axes_of(len(x.shape), axis)
    out = _mean(x, axes, where)
    out = out if dtype is None else as_dtype(out, dtype)
    return ops.expanded(out, x, axes) if keepdims else out


def _precise(a: Any, dtype: Any) -> Any:
    """The array in `dtype`, else int64 as float64: a sum of small integers is exact as it is."""
    x = as_array(a, dtype)
    return as_dtype(x, FLOAT64) if dtype_of(x) == INT64 else x


def _mean(x: Any, axes: Axes, where: Any) -> Any:
    total = ops.sum_(_masked(x, where, 0), axes=axes)
    return arithmetic.divide(total, _count(x, axes, where, total))


def _count(x: Any, axes: Axes, where: Any, total: Any) -> Any:
    """How many elements along `axes` go into the total: a number, or an array of its dtype where a mask says it."""
    if where is None or where is True:
        return math.prod([x.shape[axis] for axis in axes])
    chosen = movement.broadcast_to(as_array(where, BOOL), shape=x.shape)
    return as_dtype(ops.sum_(chosen, axes=axes), dtype_of(total))


def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    """The mean square distance from the mean along `axis`, the sum divided by the count less `ddof` (or `correction`).

    `mean` is the mean where it is known already, with the axes kept.
    """
    x, axes, freedom = _distances(a, axis, dtype, where, mean, _freedom(ddof, correction))
    out = arithmetic.divide(ops.sum_(arithmetic.square(x), axes=axes), freedom)
    return ops.expanded(out, x, axes) if keepdims else out


def std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = None,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    """The square root of `var`. Where all elements are equal its derivative, a cone's tip, is 0, as that of abs."""
    x, axes, freedom = _distances(a, axis, dtype, where, mean, _freedom(ddof, correction))
    out = arithmetic.divide(ops.norm(x, axes=axes), arithmetic.sqrt(as_dtype(freedom, dtype_of(x))))
    return ops.expanded(out, x, axes) if keepdims else out


def _freedom(ddof: float, correction: float | None) -> float:
    if correction is None:
        return ddof
    if ddof != 0:
        raise ShapeError(message("one of ddof= and correction=", "both", user_location()))
    return correction


def _distances(a: Any, axis: Axis, dtype: Any, where: Any, mean: Any, less: float) -> tuple[Any, Axes, Any]:
    """The distances from the mean, 0 where a mask leaves elements out; the axes; and the count less some freedom."""
    x = _float(a, dtype)
    axes = axes_of(len(x.shape), axis)
    centre = ops.expanded(_mean(x, axes, where), x, axes) if mean is None else as_array(mean)
    count = _count(x, axes, where, x)
    if type(count) is int:
        freedom = count - less if count > less else 0
    else:
        freedom = arithmetic.maximum(arithmetic.subtract(count, less), 0)
    return _masked(arithmetic.subtract(x, centre), where, 0), axes, freedom


def _float(a: Any, dtype: Any = None) -> Any:
    """The array in a floating point dtype: float64 where it has none."""
    x = as_array(a, dtype)
    return x if dtype_of(x).kind == "f" else as_dtype(x, FLOAT64)


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The mean along `axis` weighted by `weights`, of a's shape or of its shape along `axis`.

    With `returned` also the sum of the weights. Weights that sum to zero give what a division by zero gives.
    """
    x = _float(a)
    axes = axes_of(len(x.shape), axis)
    ones = movement.full.beside(x, shape=(), value=1, dtype=dtype_of(x).name)
    share = movement.broadcast_to(
        ones if weights is None else _lined_up(as_array(weights), x.shape, axes), shape=x.shape
    )
    total = _applied(ops.sum_, share, axes, keepdims)
    out = arithmetic.divide(_applied(ops.sum_, arithmetic.multiply(x, share), axes, keepdims), total)
    return (out, total) if returned else out


def _lined_up(weights: Any, shape: Shape, axes: Axes) -> Any:
    """The weights in a shape that broadcasts to that of the array."""
    if shape_of(weights) == shape:
        return weights
    along = tuple([shape[i] for i in axes])
    if shape_of(weights) != along:
        got = f"weights of shape {shape_of(weights)}"
        raise ShapeError(message(f"weights of shape {shape} or {along}", got, user_location()))
    by_place = tuple(sorted(range(len(axes)), key=axes.__getitem__))  # the axes may be given in any order
    weights = movement.transpose(weights, axes=by_place)
    return movement.reshape(weights, shape=tuple([n if i in axes else 1 for i, n in enumerate(shape)]))


def softmax(a: Any, axis: Axis = -1) -> Any:
    """exp(a) divided by its sum along `axis` (all axes where None): positive numbers that sum to one, in a's shape."""
    x = _float(a)
    return ops.softmax(x, axes=axes_of(len(x.shape), axis))


def logsumexp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """log(sum(exp(a))) along `axis` without overflow; -inf where there is nothing, or nothing but -inf."""
    x = _float(a)
    return _applied(ops.logsumexp, x, axes_of(len(x.shape), axis), keepdims)


# --- logic and counting -----------------------------------------------------------------------------------------------


def any(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = None) -> Any:
    """Whether an element along `axis` is true."""
    return _decided(ops.any_, a, axis, keepdims, where, False)


def all(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = None) -> Any:
    """Whether all elements along `axis` are true."""
    return _decided(ops.all_, a, axis, keepdims, where, True)


def _decided(op: Op, a: Any, axis: Axis, keepdims: bool, where: Any, neutral: bool) -> Any:
    x = as_array(a)
    if where is not None and where is not True:
        x = _masked(x if dtype_of(x) == BOOL else arithmetic.not_equal(x, 0), where, neutral)
    return _applied(op, x, axes_of(len(x.shape), axis), keepdims)


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """How many elements along `axis` are not zero."""
    x = as_array(a)
    x = x if dtype_of(x) == BOOL else arithmetic.not_equal(x, 0)
    return _applied(ops.sum_, x, axes_of(len(x.shape), axis), keepdims)


# --- without what is not a number -------------------------------------------------------------------------------------


def nansum(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """The sum of the elements that are not NaN."""
    return sum(a, axis, dtype, keepdims=keepdims, where=_numbers(a))


def nanprod(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """The product of the elements that are not NaN."""
    return prod(a, axis, dtype, keepdims=keepdims, where=_numbers(a))


def nanmean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """The mean of the elements that are not NaN."""
    return mean(a, axis, dtype, keepdims=keepdims, where=_numbers(a))


def nanmax(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The largest of the elements that are not NaN; NaN of none."""
    return _extreme_number(max, -np.inf, a, axis, keepdims)


def nanmin(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The smallest of the elements that are not NaN; NaN of none."""
    return _extreme_number(min, np.inf, a, axis, keepdims)


def _numbers(a: Any) -> Any:
    x = as_array(a)
    return arithmetic.logical_not(arithmetic.isnan(x)) if dtype_of(x).kind == "f" else None


def _extreme_number(extreme: Any, least: float, a: Any, axis: Axis, keepdims: bool) -> Any:
    x, numbers = as_array(a), _numbers(a)
    if numbers is None:
        return extreme(x, axis, keepdims=keepdims)
    out = extreme(_masked(x, numbers, least), axis, keepdims=keepdims)
    return arithmetic.select(any(numbers, axis, keepdims=keepdims), out, np.nan)
