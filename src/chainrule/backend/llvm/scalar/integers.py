"""Integer operations as NumPy's: arithmetic that wraps around, quotients by zero that are 0, shifts of any size.

An i8 is unsigned, every other integer signed.
"""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.scalar.formula import any_of, where
from chainrule.backend.llvm.values import F32, F64, I8, I32, I64, Operand, Val


def is_signed(x: Val) -> bool:
    """Whether integers of this type have a sign."""
    return x.ty.element != I8


def above(x: Val, y: Operand) -> Val:
    """x > y."""
    return x.gt(y) if is_signed(x) else x.code.compare("ugt", x, y)


def below(x: Val, y: Operand) -> Val:
    """x < y."""
    return x.lt(y) if is_signed(x) else x.ult(y)


# --- quotients and rests ----------------------------------------------------------------------------------------------


def _safe(y: Val) -> tuple[Val, Val, Val | None]:
    """A divisor that no division fails by; where y is 0; where it is -1, by which the smallest number has none."""
    zero = y.eq(0)
    if not is_signed(y):
        return where(zero, 1, y), zero, None
    minus = y.eq(-1)
    return where(zero | minus, 1, y), zero, minus


def _quotient(x: Val, y: Val) -> Val:
    """x / y towards zero.

    Up to 32 bits by floating point, which has vectors: the quotient of n-bit integers is either whole or further from
    the next whole number than a float of n + 1 bits rounds.
    """
    if x.ty.element == I8:
        return (x.cast("uitofp", F32) / y.cast("uitofp", F32)).cast("fptosi", I32).cast("trunc", I8)
    if x.ty.element == I32:
        return (x.cast("sitofp", F64) / y.cast("sitofp", F64)).cast("fptosi", I32)
    return x.sdiv(y)


def floor_divide(x: Val, y: Val) -> Val:
    """floor(x / y); 0 by zero; the smallest number by -1 is itself."""
    divisor, zero, minus = _safe(y)
    quotient = _quotient(x, divisor)
    if minus is not None:
        rest = x - quotient * divisor
        lower = rest.ne(0) & (rest ^ divisor).lt(0)
        quotient = where(minus, -x, where(lower, quotient - 1, quotient))
    return where(zero, 0, quotient)


def remainder(x: Val, y: Val) -> Val:
    """x - y floor(x / y); 0 by zero."""
    divisor, zero, minus = _safe(y)
    rest = x - _quotient(x, divisor) * divisor
    if minus is not None:
        rest = where(rest.ne(0) & (rest ^ divisor).lt(0), rest + divisor, rest)
    return where(zero, 0, rest)


def fmod(x: Val, y: Val) -> Val:
    """x - y trunc(x / y); 0 by zero."""
    divisor, zero, _ = _safe(y)
    return where(zero, 0, x - _quotient(x, divisor) * divisor)


def reciprocal(x: Val) -> Val:
    """1 / x towards zero; of 0 what 1 / 0.0 becomes on x86-64: the smallest int32 or int64, 0 for uint8."""
    by_zero = -(1 << (x.ty.bits - 1)) if is_signed(x) else 0
    units = where(x.eq(1) | (x.eq(-1) if is_signed(x) else x.eq(1)), x, 0)
    return where(x.eq(0), by_zero, units)


# --- the rest ---------------------------------------------------------------------------------------------------------


def absolute(x: Val) -> Val:
    """|x|; the smallest number is itself."""
    return where(x.lt(0), -x, x) if is_signed(x) else x


def sign(x: Val) -> Val:
    """-1, 0 or 1."""
    positive = where(above(x, 0), x.like(1), 0)
    return where(x.lt(0), -1, positive) if is_signed(x) else positive


def maximum(x: Val, y: Val) -> Val:
    """The larger."""
    return where(above(x, y), x, y)


def minimum(x: Val, y: Val) -> Val:
    """The smaller."""
    return where(above(x, y), y, x)


def _possible(y: Val) -> tuple[Val, Val]:
    """Whether a shift by y leaves any bit of the number, and a shift that it can be asked for."""
    inside = y.ult(y.ty.bits)
    return inside, where(inside, y, 0)


def left_shift(x: Val, y: Val) -> Val:
    """x 2 ** y; 0 where y is negative or not below the width."""
    inside, places = _possible(y)
    return where(inside, x << places, 0)


def right_shift(x: Val, y: Val) -> Val:
    """floor(x / 2 ** y); where y is negative or not below the width, what is left of the sign: 0 or -1."""
    inside, places = _possible(y)
    if not is_signed(x):
        return where(inside, x.lshr(places), 0)
    return where(inside, x >> places, x >> (x.ty.bits - 1))


FEW: Final = 5
"""Bits of exponents for which the loop of `power` ends early, where no lane has more."""


def power(x: Val, y: Val) -> Val:
    """x ** y, wrapping around; for y < 0, where NumPy raises an error, the whole part of the power, and 0 for x = 0."""
    f = x.code
    many = any_of(y.uge(1 << FEW))
    rounds = f.select(many, f.constant(x.ty.bits, I64), FEW)
    with f.loop(0, rounds, 1, [x.like(1), x, y]) as loop:
        result, base, left = loop.carried
        loop.next = [where((left & 1).ne(0), result * base, result), base * base, left.lshr(1)]
    result = loop.results[0]
    if not is_signed(x):
        return result
    unit = where((y & 1).ne(0), x, x * x)
    whole = where(x.eq(1) | x.eq(-1), unit, 0)
    return where(y.lt(0), whole, result)
