"""Floating-point arithmetic, rounding and comparison as NumPy's, with its infinities, NaNs and signed zeros."""

from __future__ import annotations

from chainrule.backend.llvm.scalar.formula import (
    MANTISSA,
    any_of,
    fma,
    magnitude,
    negative_sign,
    power_of_two,
    where,
    with_sign,
)
from chainrule.backend.llvm.values import F32, F64, I32, Val

INF = float("inf")

# --- sums and products ------------------------------------------------------------------------------------------------


def strong_mul(x: Val, y: Val) -> Val:
    """x y, and 0 where that is NaN and x is 0."""
    out = x * y
    return where(out.is_nan() & x.eq(0.0), 0.0, out) if x.ty.is_float else out


def strong_both(x: Val, y: Val) -> Val:
    """x y, and 0 where that is NaN and x or y is 0."""
    out = x * y
    return where(out.is_nan() & (x.eq(0.0) | y.eq(0.0)), 0.0, out) if x.ty.is_float else out


# --- the larger and the smaller ---------------------------------------------------------------------------------------


def maximum(x: Val, y: Val) -> Val:
    """The larger; NaN wins, x's where both are; of zeros with different signs y."""
    return where(x.is_nan(), x, where(x.gt(y), x, y))


def minimum(x: Val, y: Val) -> Val:
    """The smaller; NaN wins, x's where both are; of zeros with different signs y."""
    return where(x.is_nan(), x, where(x.lt(y), x, y))


# --- sign and rounding ------------------------------------------------------------------------------------------------


def sign(x: Val) -> Val:
    """-1, 0 (of either zero 0) or 1; NaN of NaN."""
    return where(x.gt(0.0), 1.0, where(x.lt(0.0), -1.0, where(x.eq(0.0), 0.0, x)))


def signbit(x: Val) -> Val:
    """Whether the sign bit is set."""
    return negative_sign(x)


def isinf(x: Val) -> Val:
    """Whether x is infinite."""
    return magnitude(x).eq(INF)


def isfinite(x: Val) -> Val:
    """Whether x is neither infinite nor NaN."""
    return magnitude(x).lt(INF)


# --- quotients and rests ----------------------------------------------------------------------------------------------


def fmod(x: Val, y: Val) -> Val:
    """x - y trunc(x / y), exact, with the sign of x; NaN for infinite x or y = 0.

    One step gives it where the quotient has no more bits than a float; where any lane's has more, a loop takes off so
    many multiples at a time that every quotient has fewer.
    """
    f = x.code
    rest, divisor = magnitude(x), magnitude(y)
    near = rest.lt(divisor * 2.0 ** MANTISSA[x.ty.element]) | divisor.eq(0.0) | rest.eq(INF) | (rest + divisor).is_nan()
    (found,) = f.either(any_of(~near), lambda: [_long_rest(rest, divisor)], lambda: [_short_rest(rest, divisor)])
    invalid = divisor.eq(0.0) | rest.eq(INF)
    found = where(divisor.eq(INF) & ~invalid, rest, found)
    return with_sign(where(invalid, float("nan"), found), x)


def _short_rest(x: Val, y: Val) -> Val:
    """The rest of positive numbers whose quotient is below 2 ** 52 (2 ** 23); rounded it may be one too large."""
    rest = fma(-x.code.math("trunc", x / y), y, x)
    return where(rest.lt(0.0), rest + y, rest)


def _long_rest(x: Val, y: Val) -> Val:
    """The rest of any positive numbers, by the rests of y 2 ** (3 m), m going down to 0: in each step few bits."""
    f, ty = x.code, x.ty
    each, count = (6, 17) if ty.element == F32 else (16, 45)  # 2 ** (3 each count) is beyond any quotient
    with f.loop(0, count, 1, [x]) as loop:
        (rest,) = loop.carried
        places = (count - 1 - loop.index) * each
        factor = power_of_two(places if ty.element == F64 else places.cast("trunc", I32))
        scaled = y * factor * factor * factor  # exact, or infinite
        loop.next = [where(scaled.gt(rest), rest, _short_rest(rest, scaled))]
    return loop.results[0]


def remainder(x: Val, y: Val) -> Val:
    """x - y floor(x / y), with the sign of y; as NumPy's, rounded where the rest is taken from y."""
    return where(y.eq(0.0), float("nan"), _divmod(x, y)[1])


def floor_divide(x: Val, y: Val) -> Val:
    """floor(x / y) as NumPy's: the nearest whole number to (x - remainder) / y; x / y where y is 0."""
    return where(y.eq(0.0), x / y, _divmod(x, y)[0])


def _divmod(x: Val, y: Val) -> tuple[Val, Val]:
    """The floored quotient and the remainder, by the steps of NumPy's `npy_divmod`."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    exact = rest.eq(0.0)
    lower = ~exact & (y.lt(0.0) ^ rest.lt(0.0))
    rest = where(exact, with_sign(rest, y), where(lower, rest + y, rest))
    quotient = where(lower, quotient - 1.0, quotient)
    whole = x.code.math("floor", quotient)
    whole = where((quotient - whole).gt(0.5), whole + 1.0, whole)
    return where(quotient.eq(0.0), with_sign(quotient, x / y), whole), rest
