"""Logarithms.

x = 2 ** k m with m between the roots of 1/2 and 2, f = m - 1; log m is a polynomial in f (float32), or by
s = f / (2 + f) the series of log((1 + s) / (1 - s)) as in FreeBSD's e_log.c (Sun Microsystems 1993). What is not a
positive normal number is looked after in branches that are taken where a lane has one; they leave other lanes as they
are.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.backend.llvm.scalar.coefficients import LOG, LOG1P
from chainrule.backend.llvm.scalar.exponential import LN2, NAMES
from chainrule.backend.llvm.scalar.formula import (
    BIAS,
    MANTISSA,
    SMALLEST,
    Pair,
    any_of,
    bits,
    floats,
    fma,
    magnitude,
    polynomial,
    product,
    quick_sum,
    two_sum,
    where,
)
from chainrule.backend.llvm.values import F32, F64, Val

INF: Final = math.inf
ROOT_HALF: Final = {F32: 0x3F3504F3, F64: 0x3FE6A09E667F3BCD}
"""The bits of the root of 1/2."""

LOG2_E: Final = {F32: (1.4426950216293335, 1.925963033500011e-08), F64: (1.4426950408889634, 2.0355273740931033e-17)}
LOG10_E: Final = {F32: (0.4342944920063019, -1.0103049952192578e-08), F64: (0.4342944819032518, 1.098319650216765e-17)}
LOG10_2: Final = {F32: (0.3010300099849701, -1.432098883924482e-08), F64: (0.3010299956639812, -2.8037281277851704e-18)}
"""Constants in two parts."""


class Parts:
    """k and f of any number: x = 2 ** k (1 + f) where x is positive; `finish` gives the logarithms of the others."""

    def __init__(self, x: Val) -> None:
        ty, smallest = x.ty.element, SMALLEST[x.ty.element]
        self.given = x
        self.rare = any_of(~(x.ge(smallest) & x.lt(INF)))  # subnormal, zero, negative, infinite, NaN

        def scaled() -> list[Val]:
            places = float(MANTISSA[ty] + 1)
            small = x.lt(smallest)
            k, f = split(where(small, x * 2.0**places, x))
            return [k - where(small, x.like(places), 0.0), f]

        self.k, self.f = x.code.either(self.rare, scaled, lambda: [*split(x)])

    def finish(self, found: Val) -> Val:
        """The logarithm that was found, and those of 0, negative numbers, infinity and NaN."""
        x = self.given
        special = where(x.eq(0.0), -INF, where(x.lt(0.0), math.nan, x))
        (out,) = found.code.either(self.rare, lambda: [where(x.gt(0.0) & x.lt(INF), found, special)], lambda: [found])
        return out


def split(x: Val) -> Pair:
    """k and f: x = 2 ** k (1 + f) for a positive normal x."""
    ty = x.ty.element
    above = bits(x) - ROOT_HALF[ty]
    f = floats((above & ((1 << MANTISSA[ty]) - 1)) + ROOT_HALF[ty]) - 1.0
    if ty == F32:
        return (above >> MANTISSA[ty]).cast("sitofp", F32), f
    shift = 2.0 ** MANTISSA[ty]  # no arithmetic shift, and no conversion, of 64-bit integers in vectors before AVX-512
    whole = (above + (BIAS[ty] << MANTISSA[ty])).lshr(MANTISSA[ty])
    return floats(whole | bits(x.like(shift))) - (shift + BIAS[ty]), f


def _log(k: Val, f: Val, more: Val | None = None) -> Val:
    """k log 2 + log(1 + f) + more, the last being tiny."""
    ty = f.ty.element
    if ty == F32:
        square = f * f
        rest = square * fma(f, polynomial(f, LOG1P["float32"]), -0.5)
    else:
        s = f / (f + 2.0)
        z, half = s * s, f * f * 0.5
        rest = fma(s, fma(z, polynomial(z, LOG["float64"]), half), -half)
    if more is not None:
        rest = rest + more
    high, low = LN2[ty]
    return fma(k, high, f + fma(k, low, rest))


def log(x: Val) -> Val:
    """The natural logarithm of x."""
    parts = Parts(x)
    return parts.finish(_log(parts.k, parts.f))


def log1p(x: Val, rest: Val | None = None) -> Val:
    """log(1 + x + rest), the rest being tiny: of the rounded sum, and the rounding error divided by it."""
    total, error = two_sum(x, 1.0)
    parts = Parts(total)
    found = parts.finish(_log(parts.k, parts.f, (error if rest is None else error + rest) / total))
    return where(magnitude(x).lt(2.0 ** -(MANTISSA[x.ty.element] + 2)), x, found)


# --- to other bases ---------------------------------------------------------------------------------------------------


def _log_pair(f: Val) -> Pair:
    """log(1 + f) and its rest."""
    s = f / (f + 2.0)
    z, half = s * s, f * f * 0.5
    high, low = quick_sum(f, -half)
    return quick_sum(high, low + s * fma(z, polynomial(z, LOG[NAMES[f.ty.element]]), half))


def _in_base(x: Val, factor: tuple[float, float], two: tuple[float, float]) -> Val:
    """The logarithm to the base whose logarithm of e is `factor` and of 2 is `two`."""
    parts = Parts(x)
    high, low = _log_pair(parts.f)
    scaled, error = product(high, factor[0])
    error = error + fma(high, factor[1], low * factor[0])
    whole, lost = product(parts.k, two[0])
    total, rest = two_sum(whole, scaled)
    return parts.finish(total + (rest + (error + fma(parts.k, two[1], lost))))


def log2(x: Val) -> Val:
    """The logarithm of x to base 2; exact for powers of two."""
    return _in_base(x, LOG2_E[x.ty.element], (1.0, 0.0))


def log10(x: Val) -> Val:
    """The logarithm of x to base 10."""
    return _in_base(x, LOG10_E[x.ty.element], LOG10_2[x.ty.element])
