"""NumPy's elementwise functions: its ufuncs (ufuncs.py), those made of several operations, and a few it does not have.

On plain arrays each of NumPy's own functions is NumPy's own; on traced ones it is the composition written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, message
from chainrule.ir.op import Op, Traced
from chainrule.numpy import ufuncs
from chainrule.numpy.convert import composition, strong
from chainrule.numpy.ufuncs import *  # noqa: F403 (this module is where all of them are found)
from chainrule.numpy.ufuncs import operand
from chainrule.ops import arithmetic as ops
from chainrule.ops import exponential, special, trigonometric
from chainrule.ops.movement import zeros
from chainrule.ops.scalar import result_dtype
from chainrule.types import dtype_of, supported, type_of
from chainrule.where import user_location

__all__: list[str] = [
    "around",
    "astype",
    "clip",
    "conj",
    "conjugate",
    "deg2rad",
    "degrees",
    "divmod",
    "erf",
    "erfc",
    "fabs",
    "fix",
    "float_power",
    "fmax",
    "fmin",
    "heaviside",
    "imag",
    "isclose",
    "isneginf",
    "isposinf",
    "log_sigmoid",
    "modf",
    "nan_to_num",
    "positive",
    "rad2deg",
    "radians",
    "real",
    "round",
    "sigmoid",
    "sinc",
    "softplus",
    "where",
    "xlogy",
]
__all__ += ufuncs.__all__

DEGREES: Final = 180 / math.pi
RADIANS: Final = math.pi / 180


def special_function(op: Op) -> Callable[..., Any]:
    """The function for an operation that NumPy does not have."""

    def function(*operands: Any) -> Any:
        return strong(op(*[operand(x) for x in operands]))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.doc}."
    return function


# --- dtypes -----------------------------------------------------------------------------------------------------------


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """x in another dtype."""
    if not isinstance(x, Traced):
        return np.asarray(x).astype(dtype, copy=copy)
    wanted = supported(dtype)
    if not copy and not type_of(x).weak and dtype_of(x) == wanted:
        return x
    return ops.cast(x, dtype=wanted.name)


def cast_in_place(x: Any, dtype: np.dtype[Any], name: str) -> Any:
    """x as an in-place operation stores it: cast within the same kind only, as NumPy does."""
    if not np.can_cast(dtype_of(x), dtype, "same_kind"):
        got = f"{dtype_of(x).name} into {dtype.name} by an in-place {name}"
        raise DTypeError(message("a result of the same kind of dtype", got, user_location(), "x = x + y, a new array"))
    return astype(x, dtype)


def _promoted(ufunc: np.ufunc, *inputs: Any) -> list[Any]:
    """The inputs in the dtype that `ufunc` gives; an error where it gives none that is supported."""
    given = [operand(x) for x in inputs]
    dtype = result_dtype(ufunc, *[type_of(x) for x in given])
    return [x if dtype_of(x) == dtype else ops.cast(x, dtype=dtype.name) for x in given]


def _is_float(x: Any) -> bool:
    return dtype_of(x).kind == "f"


@composition(np.positive)
def positive(x: Any, /) -> Any:
    """A copy of x."""
    return +_promoted(np.positive, x)[0]


@composition(np.conjugate)
def conjugate(x: Any, /) -> Any:
    """A copy of x, whose elements are real."""
    return +_promoted(np.conjugate, x)[0]


conj = conjugate


@composition(np.real)
def real(val: Any) -> Any:
    """x, whose elements are real."""
    return operand(val)


@composition(np.imag)
def imag(val: Any) -> Any:
    """Zeros: the elements are real."""
    x = operand(val)
    return zeros(type_of(x), x)


# --- choosing ---------------------------------------------------------------------------------------------------------


@composition(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """x where the condition holds, else y; with the condition alone the indices where it holds, a tuple of arrays.

    What is not chosen has a derivative of zero, even where it is infinite or not a number.
    """
    if (x is None) != (y is None):
        raise ValueError("where() takes either both x and y or neither")
    if x is None:
        if isinstance(condition, Traced):
            condition = condition.concrete("list of indices", "where with three arguments")
        return np.nonzero(condition)
    condition = operand(condition)
    if dtype_of(condition) != np.bool_:
        condition = ops.not_equal(condition, 0)
    return ops.select(condition, operand(x), operand(y))


@composition(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """x, or the bound that it lies beyond; None is no bound. The derivative on a bound is a half."""
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden.")
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    found = operand(a)
    if low is not None:
        found = ops.maximum(found, operand(low))
    if high is not None:
        found = ops.minimum(found, operand(high))
    return +found if found is a else found


@composition(np.fmax)
def fmax(x: Any, y: Any, /) -> Any:
    """The larger of x and y; the other one where one is not a number."""
    return _not_nan(ops.maximum, operand(x), operand(y))


@composition(np.fmin)
def fmin(x: Any, y: Any, /) -> Any:
    """The smaller of x and y; the other one where one is not a number."""
    return _not_nan(ops.minimum, operand(x), operand(y))


def _not_nan(choose: Op, x: Any, y: Any) -> Any:
    return ops.select(ops.isnan(x), y, ops.select(ops.isnan(y), x, choose(x, y)))


@composition(np.heaviside)
def heaviside(x: Any, y: Any, /) -> Any:
    """0 where x < 0, y where x = 0, 1 where x > 0; NaN stays."""
    x, y = _promoted(np.heaviside, x, y)
    step = ops.select(ops.isnan(x), x, ops.cast(ops.greater(x, 0), dtype=dtype_of(x).name))
    return ops.select(ops.equal(x, 0), y, step)


@composition(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with NaN replaced by a number, infinities by the largest and smallest numbers unless others are given.

    Without `copy` x itself is changed.
    """
    given: Any = x
    x = operand(x)
    if not _is_float(x):
        return +x if copy else given
    limits = np.finfo(dtype_of(x))
    high, low = (limits.max if posinf is None else posinf), (limits.min if neginf is None else neginf)
    infinite = ops.select(ops.greater(x, 0), high, low)
    found = ops.select(ops.isnan(x), nan, ops.select(ops.isinf(x), infinite, x))
    found = astype(found, dtype_of(x), copy=False)
    if copy or not isinstance(x, Traced):
        return found
    given[...] = found
    return given


# --- rounding ---------------------------------------------------------------------------------------------------------


@composition(np.round)
def round(a: Any, decimals: int = 0) -> Any:
    """x rounded to a number of decimals, of two equally near the even one; integers to tens where it is negative."""
    a = operand(a)
    if not _is_float(a) and dtype_of(a) != np.bool_ and decimals >= 0:
        return +a
    if decimals == 0:
        return ops.rint(a)
    unit = 10.0 ** math.fabs(decimals)
    if decimals > 0:
        return ops.divide(ops.rint(ops.multiply(a, unit)), unit)
    return astype(ops.multiply(ops.rint(ops.divide(a, unit)), unit), dtype_of(a), copy=False)


around = round


@composition(np.fix)
def fix(x: Any, /) -> Any:
    """x without what is behind the point."""
    return ops.trunc(operand(x))


@composition(np.divmod)
def divmod(x: Any, y: Any, /) -> tuple[Any, Any]:
    """floor(x / y) and the remainder."""
    return ufuncs.floor_divide(x, y), ufuncs.remainder(x, y)


@composition(np.modf)
def modf(x: Any, /) -> tuple[Any, Any]:
    """What is behind the point and what is before it, both with the sign of x."""
    (x,) = _promoted(np.modf, x)
    whole = ops.trunc(x)
    return strong(ops.copysign(ops.select(ops.isinf(x), 0.0, x - whole), x)), strong(whole)


# --- arithmetic -------------------------------------------------------------------------------------------------------


@composition(np.fabs)
def fabs(x: Any, /) -> Any:
    """|x|, as a floating point number."""
    return ops.absolute(*_promoted(np.fabs, x))


@composition(np.float_power)
def float_power(x: Any, y: Any, /) -> Any:
    """x ** y in float64 at least."""
    return exponential.power(*_promoted(np.float_power, x, y))


@composition(np.degrees)
def degrees(x: Any, /) -> Any:
    """An angle in radians in degrees."""
    return ops.multiply(*_promoted(np.degrees, x), DEGREES)


@composition(np.radians)
def radians(x: Any, /) -> Any:
    """An angle in degrees in radians."""
    return ops.multiply(*_promoted(np.radians, x), RADIANS)


rad2deg, deg2rad = degrees, radians


@composition(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at x = 0."""
    return trigonometric.sinc(operand(x), order=0)


# --- comparison -------------------------------------------------------------------------------------------------------


@composition(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |a - b| <= atol + rtol |b|; infinities are close to themselves alone."""
    a, b = operand(a), operand(b)
    b = b if _is_float(b) else ops.cast(b, dtype="float64")
    near = ops.less_equal(ops.absolute(ops.subtract(a, b)), ops.add(atol, ops.multiply(rtol, ops.absolute(b))))
    close = ops.logical_or(ops.logical_and(near, ops.isfinite(b)), ops.equal(a, b))
    return ops.logical_or(close, ops.logical_and(ops.isnan(a), ops.isnan(b))) if equal_nan else close


@composition(np.isposinf)
def isposinf(x: Any) -> Any:
    """Whether x is infinity."""
    return ops.equal(operand(x), math.inf)


@composition(np.isneginf)
def isneginf(x: Any) -> Any:
    """Whether x is minus infinity."""
    return ops.equal(operand(x), -math.inf)


# --- what NumPy does not have -----------------------------------------------------------------------------------------

erf = special_function(special.erf)
erfc = special_function(special.erfc)
sigmoid = special_function(exponential.sigmoid)
softplus = special_function(exponential.softplus)
xlogy = special_function(exponential.xlogy)


def log_sigmoid(x: Any) -> Any:
    """The logarithm of sigmoid(x), without overflow."""
    return strong(ops.negative(exponential.softplus(ops.negative(operand(x)))))
