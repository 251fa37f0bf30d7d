"""The error function and its complement.

Near 0, erf(x) / x is a polynomial in x ** 2; further out, erfc(x) is one in x (float32), or its logarithm is (float64).
e ** x ** 2 erfc(x) (1 + 2 x) is one in (x - 3.75) / (x + 3.75), a variable of M. M. Shepherd and J. G. Laframboise
(1981), Math. Comp. 36, 249: with it erfc keeps its relative precision down to where it underflows.
"""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.scalar.coefficients import ERF, ERFC, ERFC_FAR, ERFC_LOG
from chainrule.backend.llvm.scalar.exponential import NAMES, minus_one, power_of, reduced, scaled, within
from chainrule.backend.llvm.scalar.formula import (
    Pair,
    fma,
    long_polynomial,
    magnitude,
    product,
    quick_sum,
    quotient,
    two_sum,
    where,
    with_sign,
)
from chainrule.backend.llvm.values import F32, F64, Val

ONE: Final = {F32: 3.95, F64: 5.95}
"""From here on erf is 1."""

LAST: Final = {F32: 10.1, F64: 27.3}
"""From here on erfc is 0."""


def erf(x: Val) -> Val:
    """2 / sqrt(pi) times the integral of e ** -t ** 2 from 0 to x."""
    ty = x.ty.element
    name = NAMES[ty]
    size = magnitude(x)
    near = fma(size, long_polynomial(x * x, ERF[name]), size)
    beyond = within(size, 1.0, ONE[ty])
    if ty == F32:
        rest = long_polynomial(beyond - 2.5, ERFC_FAR[name])
    else:
        k, r = reduced(-long_polynomial(beyond - 1.0, ERFC_LOG[name]))
        rest = (minus_one(r) + 1.0) * power_of(k)
    return with_sign(where(size.lt(1.0), near, 1.0 - rest), x)


def erfc(x: Val) -> Val:
    """1 - erf(x)."""
    size = magnitude(x)
    near = fma(-x, long_polynomial(x * x, ERF[NAMES[x.ty.element]]), 1.0 - x)
    tail = _tail(within(size, 0.5, LAST[x.ty.element]))
    return where(size.lt(0.5), near, where(x.lt(0.0), 2.0 - tail, tail))


def _tail(x: Val) -> Val:
    """erfc(x) for x >= 1/2: e ** -x ** 2 with the square's rounding error, times a quotient, all in two parts."""
    square, error = product(x, x)
    k, r = reduced(-square)
    power = quick_sum(x.like(1.0), minus_one(r - error))
    top = quick_sum(x.like(1.25), long_polynomial((x - 3.75) / (x + 3.75), ERFC[NAMES[x.ty.element]]))
    bottom = two_sum(x * 2.0, 1.0)
    high, low = _product(power, quotient(top, bottom))
    return scaled(high + low, k)


def _product(x: Pair, y: Pair) -> Pair:
    """x y of pairs."""
    high, error = product(x[0], y[0])
    return high, error + fma(x[0], y[1], x[1] * y[0])
