"""Hyperbolic functions and their inverses."""

from __future__ import annotations

import math
from typing import Final

from chainrule.backend.llvm.scalar.coefficients import ATANH, SINH
from chainrule.backend.llvm.scalar.exponential import (
    NAMES,
    minus_one,
    power_of,
    reduced,
    scale_of,
    times_power_minus,
    within,
)
from chainrule.backend.llvm.scalar.formula import (
    fma,
    long_polynomial,
    magnitude,
    polynomial,
    quick_sum,
    root,
    where,
    with_sign,
)
from chainrule.backend.llvm.scalar.logarithm import log, log1p
from chainrule.backend.llvm.values import F32, F64, Val

LN2: Final = 0.6931471805599453
LAST: Final = {F32: 90.0, F64: 711.0}
"""From here on sinh and cosh are infinite."""

FLAT: Final = {F32: 9.25, F64: 19.5}
"""From here on tanh is 1."""

LARGE: Final = {F32: 2.0**60, F64: 2.0**500}
"""Up to here x ** 2 is a number; from here on sqrt(x ** 2 + 1) is x, and 2 x + 1 too."""


def _halves(x: Val) -> tuple[Val, Val, Val]:
    """e ** x / 2 in two parts, and e ** -x / 2, for x >= 0."""
    k, r = reduced(within(x, 0.0, LAST[x.ty.element]))
    high, low = quick_sum(r.like(1.0), minus_one(r))
    first, second = scale_of(k, -1)
    grown = high * first * second
    return grown, low * first * second, 0.25 / grown


def sinh(x: Val) -> Val:
    """(e ** x - e ** -x) / 2; a polynomial up to |x| = 1."""
    size, z = magnitude(x), x * x
    near = fma(size * z, polynomial(z, SINH[NAMES[x.ty.element]]), size)
    high, low, fallen = _halves(size)
    return with_sign(where(size.lt(1.0), near, high + (low - fallen)), x)


def cosh(x: Val) -> Val:
    """(e ** x + e ** -x) / 2."""
    high, low, fallen = _halves(magnitude(x))
    return high + (low + fallen)


def tanh(x: Val) -> Val:
    """t / (t + 2) with t = e ** 2 |x| - 1, the quotient mended by the sum's rounding error."""
    k, r = reduced(within(magnitude(x), 0.0, FLAT[x.ty.element]) * 2.0)
    t = times_power_minus(power_of(k), r, 1.0)
    bottom, error = quick_sum(t.like(2.0), t)
    inverse = 1.0 / bottom
    found = t * inverse
    return with_sign(fma(fma(-found, bottom, t) - found * error, inverse, found), x)


# --- inverses ---------------------------------------------------------------------------------------------------------


def arcsinh(x: Val) -> Val:
    """log(x + sqrt(x ** 2 + 1)) as log1p(x + x ** 2 / (1 + sqrt(x ** 2 + 1)))."""
    size = magnitude(x)
    large = size.gt(LARGE[x.ty.element])
    square = size * size
    given, error = quick_sum(size, where(large, 0.0, square / (root(square + 1.0) + 1.0)))
    return with_sign(log1p(given, error) + where(large, x.like(LN2), 0.0), x)


def arccosh(x: Val) -> Val:
    """log(x + sqrt(x ** 2 - 1)) as log1p(t + sqrt(t (t + 2))) with t = x - 1."""
    large = x.gt(LARGE[x.ty.element])
    t = x - 1.0
    given, error = quick_sum(where(large, 0.0, root(fma(t, t, t + t))), t)
    return where(x.lt(1.0), math.nan, log1p(given, error) + where(large, x.like(LN2), 0.0))


def arctanh(x: Val) -> Val:
    """log((1 + x) / (1 - x)) / 2: a polynomial to 1/2; further out 1 - |x| is exact."""
    size, z = magnitude(x), x * x
    near = fma(size * z, long_polynomial(z, ATANH[NAMES[x.ty.element]]), size)
    return with_sign(where(size.lt(0.5), near, log((size + 1.0) / (1.0 - size)) * 0.5), x)
