"""NumPy's sorting, and what is read off sorted numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.axes import Axis, axes_of, axis_of
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.ops import arithmetic, movement
from chainrule.ops import order as ops
from chainrule.ops.reduction import kept
from chainrule.types import FLOAT64, dtype_of, shape_of
from chainrule.where import user_location

__all__ = ["argsort", "median", "percentile", "quantile", "sort"]

Fraction = tuple[int, float]  # place of the element below in the sorted array, and how far above it


def sort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """The elements in ascending order along `axis` (of the flat array where None), NaN last; always stable."""
    x, place = _along(a, axis)
    return ops.sort(x, axis=place)


def argsort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """The indices that sort along `axis` (the flat array where None), NaN last; always stable."""
    x, place = _along(a, axis)
    return ops.argsort(x, axis=place)


def _along(a: Any, axis: int | None) -> tuple[Any, int]:
    x = as_array(a)
    if axis is None:
        return movement.reshape(x, shape=(math.prod(x.shape),)), 0
    return x, axis_of(len(x.shape), axis)


def median(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The middle element along `axis`, or the mean of the two in the middle; NaN where an element is."""
    ranked = _ranked(a, axis)
    n = ranked.shape[-1]
    middle = [movement.part(ranked, len(ranked.shape) - 1, i, i + 1) for i in sorted({(n - 1) // 2, n // 2})]
    both = middle[0] if len(middle) == 1 else arithmetic.multiply(arithmetic.add(*middle), 0.5)
    return _finished(both, ranked, as_array(a).shape, axis, keepdims)


def quantile(a: Any, q: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The q-quantile along `axis`, 0 <= q <= 1: linear between the two nearest elements; NaN where an element is.

    q is a number or a plain array, whose dtype counts; its axes come first in the result.
    """
    fractions = np.asarray(q, FLOAT64)
    if not np.all((fractions >= 0) & (fractions <= 1)):
        raise ShapeError(message("quantiles from 0 to 1", q, user_location()))
    x = as_array(a)
    if type(q) not in (int, float):
        x = as_dtype(x, np.result_type(dtype_of(x), np.asarray(q)))
    ranked = _ranked(x, axis)
    places = [_place(float(p), ranked) for p in fractions.flat]
    found = [_finished(_between(ranked, *place), ranked, x.shape, axis, keepdims) for place in places]
    if fractions.shape == ():
        return found[0]
    rows = [movement.reshape(x, shape=(1, *shape_of(x))) for x in found]
    return movement.reshape(movement.concatenate(*rows, axis=0), shape=fractions.shape + shape_of(found[0]))


def percentile(a: Any, q: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The q-th percentile along `axis`, 0 <= q <= 100: the quantile of q / 100."""
    return quantile(a, q / 100 if type(q) in (int, float) else np.true_divide(q, 100), axis, keepdims=keepdims)


def _ranked(a: Any, axis: Axis) -> Any:
    """The array as floating point numbers, the axes merged into one at the end and sorted."""
    x = as_array(a)
    if dtype_of(x).kind == "b":
        raise DTypeError(message("numbers to rank", "bool", user_location(), "x.astype(np.int64)"))
    x = x if dtype_of(x).kind == "f" else as_dtype(x, FLOAT64)
    axes = axes_of(len(x.shape), axis)
    rest = tuple([i for i in range(len(x.shape)) if i not in axes])
    count = math.prod([x.shape[i] for i in axes])
    if count == 0:
        raise ShapeError(message("at least one element to rank", f"an array of shape {x.shape}", user_location()))
    moved = movement.transpose(x, axes=rest + axes)
    return ops.sort(movement.reshape(moved, shape=(*[x.shape[i] for i in rest], count)), axis=len(rest))


def _place(p: float, ranked: Any) -> Fraction:
    exact = p * (ranked.shape[-1] - 1)
    return math.floor(exact), exact - math.floor(exact)


def _between(ranked: Any, below: int, fraction: float) -> Any:
    last = len(ranked.shape) - 1
    low = movement.part(ranked, last, below, below + 1)
    if fraction == 0:
        return low
    high = movement.part(ranked, last, below + 1, below + 2)
    apart = arithmetic.subtract(high, low)
    if fraction < 0.5:
        return arithmetic.add(low, arithmetic.multiply(apart, fraction))
    return arithmetic.subtract(high, arithmetic.multiply(apart, 1 - fraction))  # as NumPy rounds, and from infinities


def _finished(chosen: Any, ranked: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """What was chosen from the ranked numbers, in the shape of a reduction; NaN, which ranks last, spreads."""
    n, last = ranked.shape[-1], len(ranked.shape) - 1
    highest = movement.part(ranked, last, n - 1, n)
    out = arithmetic.select(arithmetic.isnan(highest), highest, chosen)
    axes = axes_of(len(shape), axis)
    small = tuple([m for i, m in enumerate(shape) if i not in axes])
    out = movement.reshape(out, shape=kept(shape, axes) if keepdims else small)
    return out if isinstance(out, Traced) else out[()]  # a NumPy scalar where no axis is left
