"""Exponentials, and the functions that networks make of them.

e ** x = 2 ** k e ** r with k the nearest whole number to x / log 2. The rest r = x - k log 2 is found by two fused
multiply-adds (W. J. Cody and W. Waite 1980: the constant in two parts), e ** r is a polynomial. k is read from the low
bits of x / log 2 + 1.5 2 ** 52 (2 ** 23), so that NaN goes through.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainrule.backend.llvm.scalar.coefficients import EXP, EXP2, LOG_ONE_TWO
from chainrule.backend.llvm.scalar.formula import (
    BIAS,
    MANTISSA,
    SMALLEST,
    Pair,
    bits,
    floats,
    fma,
    larger,
    magnitude,
    polynomial,
    product,
    quick_sum,
    smaller,
    two_sum,
    where,
)
from chainrule.backend.llvm.values import F32, F64, Val

LN2: Final = {
    F32: (0.693147182464599609375, -1.9046542121259336e-09),
    F64: (0.6931471805599453, 2.3190468138462996e-17),
}
"""log 2 in two parts."""

LOG2_E: Final = 1.4426950408889634
NAMES: Final = {F32: "float32", F64: "float64"}
LIMITS: Final = {F32: (-104.0, 89.0), F64: (-746.0, 710.0)}
"""Below and above, e ** x is 0 and infinite."""


class Whole(NamedTuple):
    """A whole number k, small enough for an exponent: as a float, and as the float whose low bits it stands in."""

    number: Val
    shifted: Val


def whole(x: Val, factor: float = 1.0) -> Whole:
    """The nearest whole number to x times the factor."""
    shift = 1.5 * 2.0 ** MANTISSA[x.ty.element]
    shifted = fma(x, factor, shift)
    return Whole(shifted - shift, shifted)


def power_of(k: Whole, add: int = 0) -> Val:
    """2 ** (k + add) where that is a normal number."""
    ty = k.shifted.ty.element
    return floats((bits(k.shifted) + (BIAS[ty] + add)) << MANTISSA[ty])


def scale_of(k: Whole, add: int = 0) -> tuple[Val, Val]:
    """Two powers of two, the product of which is 2 ** (k + add): for more than the range of normal numbers."""
    ty = k.shifted.ty.element
    low = (1 << MANTISSA[ty]) - 1
    exponent = (bits(k.shifted) & low) - ((1 << (MANTISSA[ty] - 1)) - 2 * BIAS[ty] - add)  # k + add + 2 bias
    half = exponent.lshr(1)
    return floats(half << MANTISSA[ty]), floats((exponent - half) << MANTISSA[ty])


def scaled(x: Val, k: Whole) -> Val:
    """x 2 ** k, rounded once where that is subnormal, infinite where it is too large."""
    first, second = scale_of(k)
    return x * first * second


def reduced(x: Val) -> tuple[Whole, Val]:
    """k and r = x - k log 2."""
    high, low = LN2[x.ty.element]
    k = whole(x, LOG2_E)
    return k, fma(-k.number, low, fma(-k.number, high, x))


def minus_one(r: Val) -> Val:
    """e ** r - 1 for |r| <= log(2) / 2."""
    return fma(r * r, polynomial(r, EXP[NAMES[r.ty.element]]), r)


def times_power_minus(power: Val, r: Val, less: Val | float) -> Val:
    """2 ** k e ** r - less, given 2 ** k: where the terms cancel, 2 ** k - less is exact."""
    return fma(power, r * r * polynomial(r, EXP[NAMES[r.ty.element]]), fma(power, r, power - less))


def within(x: Val, low: float, high: float) -> Val:
    """x, and the nearest limit where it is outside; NaN stays."""
    raised = where(x.lt(low), low, x)
    return where(raised.gt(high), high, raised)


def exp(x: Val) -> Val:
    """e ** x."""
    k, r = reduced(within(x, *LIMITS[x.ty.element]))
    return scaled(minus_one(r) + 1.0, k)


def exp2(x: Val) -> Val:
    """2 ** x."""
    ty = x.ty.element
    clamped = within(x, *((-151.0, 129.0) if ty == F32 else (-1076.0, 1025.0)))
    k = whole(clamped)
    r = clamped - k.number
    return scaled(fma(polynomial(r, EXP2[NAMES[ty]]), r, 1.0), k)


def expm1(x: Val) -> Val:
    """e ** x - 1: 2 (2 ** (k - 1) (e ** r - 1) + 2 ** (k - 1) - 1/2), which neither overflows early nor cancels."""
    ty = x.ty.element
    k, r = reduced(within(x, -40.0, LIMITS[ty][1]))
    out = times_power_minus(power_of(k, -1), r, 0.5) * 2.0
    return where(magnitude(x).lt(4 * SMALLEST[ty]), x, out)


# --- functions of networks --------------------------------------------------------------------------------------------


def sigmoid(x: Val) -> Val:
    """1 / (1 + e ** -x) as c / (c + c e ** -x): with c = 2 ** -64 (2 ** -512) the sum is a normal number for all x."""
    ty = x.ty.element
    down = 64 if ty == F32 else 512
    k, r = reduced(-within(x, LIMITS[ty][0], 40.0))
    power, unit = power_of(k, -down), 2.0**-down
    total = power + unit
    error = smaller(power, unit) - (total - larger(power, unit))
    return unit / (total + fma(power, minus_one(r), error))


def log_one_two(e: Val) -> Val:
    """log(1 + e) for 0 <= e <= 1."""
    return fma(e * e, polynomial(e, LOG_ONE_TWO[NAMES[e.ty.element]]), e)


def _log2_one_two(e: Val) -> Pair:
    """log2(1 + e) for 0 <= e <= 1, as a pair."""
    high, low = quick_sum(e, e * e * polynomial(e, LOG_ONE_TWO[NAMES[e.ty.element]]))
    scaled_high, error = product(high, LOG2_E)
    return scaled_high, fma(low, LOG2_E, error)


def softplus(x: Val) -> Val:
    """log(1 + e ** x)."""
    return larger(x, 0.0) + log_one_two(exp(-magnitude(x)))


def _apart(x: Val, y: Val) -> tuple[Val, Val]:
    """The larger, NaN winning, and -|x - y|, 0 where both are the same infinity."""
    difference = where(x.eq(y), 0.0, -magnitude(x - y))
    return where(x.gt(y), x, y), difference


def logaddexp(x: Val, y: Val) -> Val:
    """log(e ** x + e ** y); of float32 in float64, where less is lost when the larger and the logarithm cancel."""
    if x.ty.element == F32:
        return logaddexp(x.cast("fpext", F64), y.cast("fpext", F64)).cast("fptrunc", F32)
    most, difference = _apart(x, y)
    return most + log_one_two(exp(difference))


def logaddexp2(x: Val, y: Val) -> Val:
    """log2(2 ** x + 2 ** y); of float32 in float64; x + 1 where both are the same."""
    if x.ty.element == F32:
        return logaddexp2(x.cast("fpext", F64), y.cast("fpext", F64)).cast("fptrunc", F32)
    most, difference = _apart(x, y)
    more, lost = _log2_one_two(exp2(difference))
    total, error = two_sum(most, more)
    rest = where(magnitude(total).lt(float("inf")), error + lost, 0.0)
    return where(difference.eq(0.0), most + 1.0, total + rest)
