"""Powers and roots.

x ** y = 2 ** (y log2 x). log2 x = k + log2((1 + s) / (1 - s)) has twice the precision: the first two terms of the
series in s are computed in two parts, the rest is a polynomial. float32 powers are computed in float64.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.backend.llvm.scalar.coefficients import CUBE_ROOT, EXP2, LOG2, LOG2_PAIR
from chainrule.backend.llvm.scalar.exponential import NAMES, power_of, scaled, whole, within
from chainrule.backend.llvm.scalar.formula import (
    SMALLEST,
    Pair,
    any_of,
    fma,
    magnitude,
    nearest,
    negative_sign,
    polynomial,
    product,
    quick_sum,
    root,
    where,
    with_sign,
)
from chainrule.backend.llvm.scalar.logarithm import Parts, split
from chainrule.backend.llvm.values import F32, F64, Val

INF: Final = math.inf
FIRST: Final = (2.8853900817779268, 4.0710547481862066e-17)
SECOND: Final = (0.9617966939259756, 5.0577616648125907e-17)
"""2 / log 2 and a third of it, in two parts."""


def power(x: Val, y: Val) -> Val:
    """x ** y."""
    if x.ty.element == F32:
        base, exponent = x.cast("fpext", F64), y.cast("fpext", F64)
        found = _short_power(magnitude(base), exponent).cast("fptrunc", F32)
    else:
        found = _long_power(magnitude(x), y)
    ordinary = x.gt(0.0) & x.lt(INF) & magnitude(y).lt(INF)
    (out,) = x.code.either(any_of(~ordinary), lambda: [_special(x, y, found)], lambda: [found])
    return out


def _special(x: Val, y: Val, found: Val) -> Val:
    """x ** y given |x| ** y where both are finite and x is not 0, by C99's table (annex F.9.4.4)."""
    size = magnitude(x)
    grows = where(y.gt(0.0), size.gt(1.0), size.lt(1.0))
    limit = size.eq(0.0) | size.eq(INF) | magnitude(y).eq(INF)
    found = where(limit, where(grows, x.like(INF), 0.0), found)
    even = nearest(y * 0.5) * 2.0
    is_whole = nearest(y).eq(y)
    negative = negative_sign(x)
    found = where(negative & is_whole & even.ne(y), -found, found)
    found = where(negative & ~is_whole & ~limit, math.nan, found)
    found = where(x.is_nan() | y.is_nan(), x + y, found)
    return where(y.eq(0.0) | x.eq(1.0) | (x.eq(-1.0) & magnitude(y).eq(INF)), 1.0, found)


def _short_power(x: Val, y: Val) -> Val:
    """x ** y in float64 with the precision that float32 needs, for positive x that are normal."""
    k, f = split(x)
    s = f / (f + 2.0)
    z = s * s
    exponent = within(y * fma(s, fma(z, polynomial(z, LOG2["medium"]), FIRST[0]), k), -300.0, 300.0)
    n = whole(exponent)
    r = exponent - n.number
    return fma(polynomial(r, EXP2["medium"]), r, 1.0) * power_of(n)


def _long_power(x: Val, y: Val) -> Val:
    """x ** y in float64, for positive x."""
    parts = Parts(x)
    high, low = _log2_pair(parts.k, parts.f)
    exponent, error = product(y, high)
    error = fma(y, low, error)
    fits = magnitude(exponent).lt(1100.0)
    exponent = within(exponent, -1100.0, 1100.0)
    n = whole(exponent)
    r = (exponent - n.number) + where(fits, error, 0.0)
    return scaled(fma(polynomial(r, EXP2["float64"]), r, 1.0), n)


def _log2_pair(k: Val, f: Val) -> Pair:
    """k + log2(1 + f)."""
    bottom, error = quick_sum(f.like(2.0), f)
    inverse = 1.0 / bottom
    s = f * inverse
    s_low = (fma(-s, bottom, f) - s * error) * inverse
    z, z_low = product(s, s)
    z_low = fma(s + s, s_low, z_low)
    u, u_low = product(z, SECOND[0])
    u_low = u_low + fma(z, SECOND[1], fma(z_low, SECOND[0], z * z * polynomial(z, LOG2_PAIR["float64"])))
    v, v_low = quick_sum(u.like(FIRST[0]), u)
    w, w_low = product(s, v)
    w_low = w_low + fma(s, v_low + (u_low + FIRST[1]), s_low * v)
    high, low = quick_sum(k, w)
    return quick_sum(high, low + w_low)


# --- roots ------------------------------------------------------------------------------------------------------------


def cbrt(x: Val) -> Val:
    """The cube root: m ** (-1 / 3) by a polynomial and steps of third order, and a last step in higher precision."""
    ty = x.ty.element
    size = magnitude(x)
    third = 8 if ty == F32 else 18
    small = size.lt(SMALLEST[ty])
    k, f = split(where(small, size * 2.0 ** (3 * third), size))
    q = whole(k, 1.0 / 3.0)
    left = fma(q.number, -3.0, k)
    m = (f + 1.0) * where(left.gt(0.0), x.like(2.0), where(left.lt(0.0), x.like(0.5), 1.0))
    r = polynomial(m, CUBE_ROOT[NAMES[ty]])
    for _ in range(1 if ty == F32 else 2):
        rest = fma(-m * r, r * r, 1.0)
        r = fma(r * rest, fma(rest, 2.0 / 9.0, 1.0 / 3.0), r)
    square = r * r
    y = m * square
    cube, lost = product(y, y)
    over = fma(cube, y, -m) + lost * y
    y = fma(over * square, -1.0 / 3.0, y) * power_of(q)
    y = where(small, y * 2.0**-third, y)
    return with_sign(where(size.gt(0.0) & size.lt(INF), y, x), x)


def hypot(x: Val, y: Val) -> Val:
    """sqrt(x ** 2 + y ** 2) of numbers scaled so that no square that counts overflows or underflows."""
    first, second = magnitude(x), magnitude(y)
    above = first.gt(second)
    most, least = where(above, first, second), where(above, second, first)
    high, low, down, up = (60, -50, -70, 100) if x.ty.element == F32 else (500, -400, -600, 700)
    scale = where(most.gt(2.0**high), x.like(2.0**down), where(most.lt(2.0**low), x.like(2.0**up), 1.0))
    back = where(most.gt(2.0**high), x.like(2.0**-down), where(most.lt(2.0**low), x.like(2.0**-up), 1.0))
    most, least = most * scale, least * scale
    found = root(fma(most, most, least * least)) * back
    return where(first.eq(INF) | second.eq(INF), INF, found)
