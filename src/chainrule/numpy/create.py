"""NumPy's functions that make arrays. While a function is traced they make drafts (draft.py)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.op import Op, Traced, tracing
from chainrule.numpy.array import Tracer
from chainrule.numpy.convert import as_array, as_dtype, composition, holds_traced
from chainrule.numpy.draft import draft
from chainrule.numpy.join import stack
from chainrule.numpy.shape import moveaxis, ravel
from chainrule.numpy.view import row_major
from chainrule.ops import arithmetic, exponential, movement
from chainrule.types import FLOAT64, SHORT_NAMES, Shape, dtype_of, shape_of, type_of
from chainrule.where import user_location

__all__ = [
    "arange",
    "array",
    "asarray",
    "ascontiguousarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "indices",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tri",
    "vander",
    "zeros",
    "zeros_like",
]


def made(new: Any, op: Op | None = None, **attrs: Any) -> Any:
    """A new array as it is given out: a draft while a function is traced, else the array itself.

    `op` is the operation without inputs that makes the array: in a graph it stands for the numbers.
    """
    if not tracing() or isinstance(new, Traced) or new.dtype not in SHORT_NAMES:
        return new
    handle = draft(Tracer, new)
    handle.extra = (op, attrs) if op is not None else None
    return handle


# --- from something that is there -------------------------------------------------------------------------------------


def array(object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K", ndmin: int = 0) -> Any:
    """A new array of numbers, arrays or nested lists of them, traced ones among them; at least `ndmin` axes."""
    if not holds_traced(object):
        new = _array(object, dtype, copy=copy, order=order, ndmin=ndmin)
        return new if new is object else made(new)
    out = as_array(object, dtype)
    if len(out.shape) < ndmin:
        out = out.reshape((1,) * (ndmin - len(out.shape)) + out.shape)
    return out.copy() if copy else out


_array: Callable[..., Any] = np.array
_arange: Callable[..., Any] = np.arange
_indices: Callable[..., Any] = np.indices


def asarray(a: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """An array of numbers, arrays or nested lists of them; the array itself where it is one of this dtype."""
    return array(a, dtype, copy=copy)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """A row-major array of one axis at least; the array itself where it is one of this dtype."""
    if not isinstance(a, Traced):
        return array(np.ascontiguousarray(a, dtype), copy=None) if not holds_traced(a) else array(a, dtype, ndmin=1)
    x: Any = as_array(a, dtype)
    x = x if x.shape else x.reshape(1)
    return x if x.strides_in_numpy() == row_major(x.shape) else x.copy()


# --- of one number ----------------------------------------------------------------------------------------------------


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
    """A new array of this shape with one value everywhere; the value may be traced, or an array that broadcasts."""
    if holds_traced(fill_value):
        return movement.broadcast_to(as_array(fill_value, dtype), shape=_lengths(shape))
    value = np.asarray(fill_value, dtype)
    if value.shape:
        return made(np.full(_lengths(shape), value, order=order))
    return _filled(np.full, _lengths(shape), value.item(), value.dtype, order)


def zeros(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
    """A new array of zeros."""
    return _filled(_zeros, _lengths(shape), 0, dtype, order)


def _zeros(shape: Shape, _: int, dtype: Any, order: Any) -> Any:
    return np.zeros(shape, dtype, order)  # which the system gives without writing them


def ones(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
    """A new array of ones."""
    return _filled(np.full, _lengths(shape), 1, dtype, order)


def empty(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
    """A new array whose elements mean nothing; they are zeros."""
    return zeros(shape, dtype, order)


def _filled(numpy: Callable[..., Any], shape: Shape, value: Any, dtype: Any, order: Any) -> Any:
    """NumPy's array, or a draft that a graph holds as the operation `full`."""
    kind = np.dtype(dtype)
    if not tracing() or not shape or kind not in SHORT_NAMES:
        return made(numpy(shape, value, kind, order))
    attrs = {"shape": shape, "value": value, "dtype": kind.name}
    return made(movement.full(**attrs), movement.full, **attrs)


def _lengths(shape: Any) -> Shape:
    return (operator.index(shape),) if np.ndim(shape) == 0 else tuple(map(operator.index, shape))


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None
) -> Any:
    """A new array of the shape and dtype of another with one value everywhere; the value may be traced."""
    like = as_array(a)
    return full(like.shape if shape is None else shape, fill_value, like.dtype if dtype is None else dtype)


def zeros_like(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    """A new array of zeros of the shape and dtype of another."""
    return full_like(a, 0, dtype, shape=shape)


def ones_like(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    """A new array of ones of the shape and dtype of another."""
    return full_like(a, 1, dtype, shape=shape)


def empty_like(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Any:
    """A new array of the shape and dtype of another whose elements mean nothing; they are zeros."""
    return full_like(a, 0, dtype, shape=shape)


# --- ranges -----------------------------------------------------------------------------------------------------------


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """start, start + step, ... below stop (from 0 where only stop is given).

    Traced bounds must have numbers, which decide about the length; the derivatives by start and step are kept.
    """
    if not holds_traced(start, stop, step):
        new = _arange(start, stop, step, dtype)
        counts = stop is None and step is None and isinstance(start, int)
        return made(new, movement.iota, length=len(new), dtype=new.dtype.name) if counts else made(new)
    known = [_number(x) for x in (start, stop, step)]
    count = len(_arange(*known))
    first, stride = (0, 1) if stop is None else (start, 1 if step is None else step)
    out = arithmetic.add(arithmetic.multiply(np.arange(count), stride), first)
    return as_array(out if dtype is None else as_dtype(out, dtype))


def _number(x: Any) -> Any:
    hint = "cr.numpy.linspace, which is given its length"
    return x.concrete("length of a range", hint) if isinstance(x, Traced) else x


_linspace: Callable[..., Any] = np.linspace  # whose overloads know no retstep of either value


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers at equal distances from start to stop, which may be traced; with `retstep` also the distance."""
    num = operator.index(num)
    if not holds_traced(start, stop):
        found = _linspace(start, stop, num, endpoint, retstep, dtype, axis)
        return (made(found[0]), found[1]) if retstep else made(found)
    if num < 0:
        raise ShapeError(message("a number of samples of at least 0", num, user_location()))
    first, last = _floats(start, stop)
    step = arithmetic.divide(arithmetic.subtract(last, first), float(max(num - 1 if endpoint else num, 1)))
    counts = movement.reshape(np.arange(num, dtype=dtype_of(step)), shape=(num,) + (1,) * len(shape_of(step)))
    out = arithmetic.add(arithmetic.multiply(counts, step), first)
    if endpoint and num > 1:
        out[-1] = last  # exactly
    if dtype is not None:
        out = as_dtype(arithmetic.floor_divide(out, 1) if np.dtype(dtype).kind in "iu" else out, dtype)
    out = moveaxis(out, 0, axis)
    return (out, step) if retstep else out


def _floats(*numbers: Any) -> list[Any]:
    """Numbers as arrays of the floating dtype that NumPy promotes them to: a Python number takes that of the others."""
    kinds = [type_of(x) for x in map(as_array, numbers)]
    weak = [type(x) in (int, float) or kind.weak for x, kind in zip(numbers, kinds, strict=True)]
    dtypes = [kind.dtype for kind, yields in zip(kinds, weak, strict=True) if not yields]
    return [as_array(x, np.result_type(1.0, *dtypes)) for x in numbers]


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` powers of the base, the exponents at equal distances from start to stop."""
    if not holds_traced(start, stop, base):
        return made(np.logspace(start, stop, num, endpoint, base, dtype, axis))
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    out = exponential.power(base if type(base) in (int, float) else as_array(base), exponents)
    return out if dtype is None else as_dtype(out, dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` numbers with equal quotients from start to stop, which are of one sign."""
    if not holds_traced(start, stop):
        return made(np.geomspace(start, stop, num, endpoint, dtype, axis))
    first, last = as_array(start, FLOAT64), as_array(stop, FLOAT64)
    sign = arithmetic.sign(first)
    ends = [exponential.log10(arithmetic.divide(end, sign)) for end in (first, last)]
    out = arithmetic.multiply(exponential.power(10.0, linspace(ends[0], ends[1], num, endpoint)), sign)
    if num > 0:
        out[0] = first  # exactly
    if num > 1 and endpoint:
        out[-1] = last
    return moveaxis(as_dtype(out, FLOAT64 if dtype is None else dtype), 0, axis)


# --- grids and matrices -----------------------------------------------------------------------------------------------


@composition(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of a grid, an array for each axis: of shape (n2, n1, ...), by `indexing="ij"` (n1, n2, ...)."""
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    flat = [ravel(x) for x in xi]
    lengths = [shape_of(x)[0] for x in flat]
    shape = tuple(lengths[axis] for axis in axes)
    found: list[Any] = []
    for place, x in zip(axes, flat, strict=True):
        column = movement.reshape(x, shape=tuple(n if axis == place else 1 for axis, n in enumerate(shape)))
        found.append(column if sparse else movement.broadcast_to(column, shape=shape))
    return tuple(found)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
    """The matrix with ones on diagonal k and zeros elsewhere."""
    return made(np.eye(N, M, k, dtype))


def identity(n: int, dtype: Any = float) -> Any:
    """The square matrix with ones on the diagonal."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
    """The matrix with ones on and below diagonal k and zeros above."""
    return made(np.tri(N, M, k, dtype))


def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """For each axis of a grid the index along it; with `sparse` as a tuple of arrays that broadcast together."""
    found = _indices(dimensions, dtype, sparse)
    return tuple(map(made, found)) if sparse else made(found)


@composition(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix whose columns are powers of x, the first the highest unless `increasing`."""
    base = as_array(x)
    if len(shape_of(base)) != 1:
        raise ShapeError(message("an array of one axis", shape_of(base), user_location()))
    count = shape_of(base)[0] if N is None else N
    if not count:
        return movement.full.beside(base, shape=(*shape_of(base), 0), value=0, dtype=dtype_of(base).name)
    power = movement.full.beside(base, shape=shape_of(base), value=1, dtype=dtype_of(base).name)
    columns = [power]
    for _ in range(count - 1):
        power = arithmetic.multiply(power, base)
        columns.append(power)
    return stack(columns if increasing else columns[::-1], axis=-1)
