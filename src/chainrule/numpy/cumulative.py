"""NumPy's running sums and products, and differences of neighbours."""

from __future__ import annotations

import math
from typing import Any

from chainrule.errors import ShapeError, message
from chainrule.ir.op import Op
from chainrule.numpy.axes import axis_of
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.ops import arithmetic, movement
from chainrule.ops import reduction as ops
from chainrule.types import BOOL, dtype_of, shape_of
from chainrule.where import user_location

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diff"]


def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The sums of the first 1, 2, 3, ... elements along `axis`; of the flat array by default."""
    return _running(ops.cumsum, a, axis, dtype)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The products of the first 1, 2, 3, ... elements along `axis`; its derivative is right next to zeros."""
    return _running(ops.cumprod, a, axis, dtype)


def _running(op: Op, a: Any, axis: int | None, dtype: Any) -> Any:
    x = as_array(a, dtype)
    if axis is None:
        out = op(movement.reshape(x, shape=(math.prod(x.shape),)), axis=0)
    else:
        out = op(x, axis=axis_of(len(x.shape), axis))
    return out if dtype is None else as_dtype(out, dtype)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`cumsum` along one axis, which only an array with one axis need not name; with a 0 in front if wanted."""
    return _from_start(cumsum, x, axis, dtype, include_initial, 0)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`cumprod` along one axis, which only an array with one axis need not name; with a 1 in front if wanted."""
    return _from_start(cumprod, x, axis, dtype, include_initial, 1)


def _from_start(running: Any, x: Any, axis: int | None, dtype: Any, include_initial: bool, start: int) -> Any:
    x = as_array(x)
    ndim = len(x.shape)
    if axis is None and ndim != 1:
        raise ShapeError(message(f"axis= for an array with {ndim} axes", "none", user_location(), "axis=-1"))
    place = axis_of(ndim, 0 if axis is None else axis)
    out = running(x, place, dtype)
    if not include_initial:
        return out
    first = movement.full.beside(out, shape=ops.kept(out.shape, (place,)), value=start, dtype=dtype_of(out).name)
    return movement.concatenate(first, out, axis=place)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, `n` times; of booleans whether they differ.

    `prepend` and `append` are put at the ends before: arrays, or a number for one element everywhere.
    """
    if n < 0:
        raise ShapeError(message("a number of differences from 0", n, user_location()))
    x = as_array(a)
    place = axis_of(len(x.shape), axis)
    if n == 0:
        return movement.concatenate(x, axis=place)  # a copy
    ends = [None if end is None else _slab(as_array(end), x, place) for end in (prepend, append)]
    pieces = [piece for piece in (ends[0], x, ends[1]) if piece is not None]
    x = x if len(pieces) == 1 else movement.concatenate(*pieces, axis=place)
    apart = arithmetic.not_equal if dtype_of(x) == BOOL else arithmetic.subtract
    for _ in range(n):
        length = x.shape[place]
        start = min(1, length)
        x = apart(movement.part(x, place, start, length), movement.part(x, place, 0, max(length - 1, 0)))
    return x


def _slab(end: Any, x: Any, place: int) -> Any:
    return movement.broadcast_to(end, shape=ops.kept(x.shape, (place,))) if shape_of(end) == () else end
