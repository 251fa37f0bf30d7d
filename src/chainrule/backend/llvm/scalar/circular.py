"""Sine, cosine and tangent, their inverses, and angles in the plane."""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.scalar.angle import Angle, angle
from chainrule.backend.llvm.scalar.coefficients import ARCSINE, ARCTANGENT, COSINE, SINE
from chainrule.backend.llvm.scalar.exponential import NAMES
from chainrule.backend.llvm.scalar.formula import (
    SMALLEST,
    Pair,
    bits,
    floats,
    fma,
    larger,
    long_polynomial,
    magnitude,
    negative_sign,
    polynomial,
    quick_sum,
    quotient,
    root,
    two_sum,
    where,
    with_sign,
)
from chainrule.backend.llvm.values import F32, F64, Operand, Val

PI: Final = {F32: (3.1415927410125732, -8.742277657347586e-08), F64: (3.141592653589793, 1.2246467991473532e-16)}
"""pi in two parts; halves and quarters of it are exact."""

INF: Final = float("inf")

# --- of an angle ------------------------------------------------------------------------------------------------------


def _waves(high: Val, low: Val) -> tuple[Pair, Pair]:
    """Sine and cosine of high + low, |high| <= pi / 4, as sums of a number and a smaller one."""
    name = NAMES[high.ty.element]
    z = high * high
    half = z * 0.5
    near_one = 1.0 - half
    cosine = (1.0 - near_one) - half + fma(z * z, polynomial(z, COSINE[name]), -(high * low))
    sine = fma(low, near_one, high * z * polynomial(z, SINE[name]))
    return (high, sine), (near_one, cosine)


def _turned(x: Val, quarter: Val, by: int) -> Val:
    """x, and -x where the quarter plus `by` is 2 or 3 modulo 4."""
    sign = ((quarter + by) & 2) << (quarter.ty.bits - 2)
    return floats(bits(x) ^ sign)


def sine_of(x: Angle, by: int = 0) -> Val:
    """The sine of an angle, `by` quarter turns on."""
    sine, cosine = _waves(x.high, x.low)
    odd = ((x.quarter + by) & 1).ne(0)
    return _turned(where(odd, cosine[0] + cosine[1], sine[0] + sine[1]), x.quarter, by)


def sin(x: Val) -> Val:
    """The sine of x."""
    return where(x.eq(0.0), x, sine_of(angle(x)))


def cos(x: Val) -> Val:
    """The cosine of x."""
    return sine_of(angle(x), 1)


def tan(x: Val) -> Val:
    """The tangent of x: of the rest, sine / cosine, or -cosine / sine where the quarter is odd."""
    found = angle(x)
    sine, cosine = (quick_sum(*pair) for pair in _waves(found.high, found.low))
    odd = (found.quarter & 1).ne(0)
    top = tuple(where(odd, c, s) for s, c in zip(sine, cosine, strict=True))
    bottom = tuple(where(odd, -s, c) for s, c in zip(sine, cosine, strict=True))
    high, low = quotient((top[0], top[1]), (bottom[0], bottom[1]))
    return where(x.eq(0.0), x, high + low)


# --- inverses ---------------------------------------------------------------------------------------------------------


def _from(base: tuple[Operand, Operand], factor: Operand, high: Val, low: Val) -> Val:
    """base + factor (high + low), the base a pair and the factor a power of two or its negative."""
    total, error = two_sum(high * factor, base[0])
    return total + (error + fma(low, factor, base[1]))


def _arc(x: Val) -> tuple[Val, Val, Pair]:
    """Whether |x| < 1/2; and the arcsine, as a pair, of |x| then, else of the root of (1 - |x|) / 2."""
    name = NAMES[x.ty.element]
    size = magnitude(x)
    near = size.lt(0.5)
    z = where(near, size * size, (1.0 - size) * 0.5)
    t = where(near, size, root(z))
    missing = fma(-t, t, z) * (0.5 / larger(t, SMALLEST[x.ty.element]))
    rest = fma(t * z, long_polynomial(z, ARCSINE[name]), where(near, 0.0, missing))
    return near, size, (t, rest)


def arcsin(x: Val) -> Val:
    """The angle whose sine is x: by that of the root of (1 - |x|) / 2 where |x| >= 1/2."""
    near, _, (t, rest) = _arc(x)
    high, low = (part * 0.5 for part in PI[x.ty.element])
    found = _from(
        (where(near, x.like(0.0), high), where(near, x.like(0.0), low)), where(near, x.like(1.0), -2.0), t, rest
    )
    return with_sign(found, x)


def arccos(x: Val) -> Val:
    """The angle whose cosine is x."""
    near, _, (t, rest) = _arc(x)
    negative = x.lt(0.0)
    high, low = PI[x.ty.element]
    bases = tuple(where(near, x.like(part * 0.5), where(negative, x.like(part), 0.0)) for part in (high, low))
    factor = where(near, where(negative, x.like(1.0), -1.0), where(negative, x.like(-2.0), 2.0))
    return _from((bases[0], bases[1]), factor, t, rest)


def _direction(top: Val, bottom: Val, mirrored: Val | None) -> Val:
    """The angle of the tangent top / bottom of numbers that are not negative; pi less it where `mirrored`.

    From 1/2 on, it is pi / 4 and the angle of (top - bottom) / (top + bottom), of which the difference is exact; from 2
    on, pi / 2 and that of -bottom / top.
    """
    ty = top.ty.element
    steep, middle = top.gt(bottom * 2.0), top.gt(bottom * 0.5)
    numerator = where(steep, -bottom, where(middle, top - bottom, top))
    denominator = where(steep, top, where(middle, top + bottom, bottom))
    z = numerator / where(denominator.eq(0.0), 1.0, denominator)
    square = z * z
    rest = z * square * long_polynomial(square, ARCTANGENT[NAMES[ty]])
    bases: list[Val] = []
    for part in PI[ty]:
        base = where(steep, top.like(part / 2), where(middle, top.like(part / 4), 0.0))
        bases.append(base if mirrored is None else where(mirrored, part - base, base))
    factor = top.like(1.0) if mirrored is None else where(mirrored, top.like(-1.0), 1.0)
    return _from((bases[0], bases[1]), factor, z, rest)


def arctan(x: Val) -> Val:
    """The angle whose tangent is x."""
    return with_sign(_direction(magnitude(x), x.like(1.0), None), x)


def arctan2(y: Val, x: Val) -> Val:
    """The angle of the point (x, y) from the first axis."""
    top, bottom = magnitude(y), magnitude(x)
    both = top.eq(INF) & bottom.eq(INF)
    ty = x.ty.element
    most = larger(top, bottom)
    high, low, up = (100, -100, 24) if ty == F32 else (1000, -900, 53)
    # so that a sum does not overflow, and half of a subnormal number is exact
    scale = where(most.gt(2.0**high), x.like(0.0625), where(most.lt(2.0**low), x.like(2.0**up), 1.0))
    top, bottom = where(both, 1.0, top * scale), where(both, 1.0, bottom * scale)
    return with_sign(_direction(top, bottom, negative_sign(x)), y)
