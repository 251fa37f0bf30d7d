"""sin(pi x) / (pi x) and its derivatives."""

from __future__ import annotations

import math
from typing import Final

from chainrule.backend.llvm.scalar.angle import Angle
from chainrule.backend.llvm.scalar.circular import PI, cos, sin, sine_of
from chainrule.backend.llvm.scalar.exponential import whole
from chainrule.backend.llvm.scalar.formula import (
    MANTISSA,
    any_of,
    bits,
    fma,
    magnitude,
    nearest,
    polynomial,
    product,
    quotient,
    where,
)
from chainrule.backend.llvm.values import F32, F64, Val
from chainrule.ops.trigonometric import quadrature


def sinc(x: Val, *, order: int) -> Val:
    """sin(pi x) / (pi x), differentiated `order` times: from the first derivative on in float64."""
    if order == 0:
        return _sinc(x)
    if x.ty.element == F32:
        return _derivative(x.cast("fpext", F64), order).cast("fptrunc", F32)
    return _derivative(x, order)


def _turned(x: Val) -> Angle:
    """pi x as an angle: x modulo 2 is exact, and so is what is left of it behind whole quarter turns."""
    rest = fma(nearest(x * 0.5), -2.0, x)
    k = whole(rest, 2.0)
    left = fma(k.number, -0.5, rest)
    high, error = product(left, PI[x.ty.element][0])
    return Angle(bits(k.shifted), high, fma(left, PI[x.ty.element][1], error))


def _sinc(x: Val) -> Val:
    """sin(pi x) / (pi x); 1 near 0, and 0 where every number is whole."""
    ty = x.ty.element
    size = magnitude(x)
    sine = sine_of(_turned(x))
    near, far = size.lt(2.0 ** -(MANTISSA[ty] // 2 + 3)), size.ge(2.0 ** MANTISSA[ty])
    given = where(near | far, 1.0, x)
    high, error = product(given, PI[ty][0])
    found = quotient((sine, sine.like(0.0)), (high, fma(given, PI[ty][1], error)))
    return where(near, 1.0, where(far, sine * 0.0, found[0] + found[1]))


SERIES: Final = 2
"""Up to this order, the derivative near 0 is by its power series, which is quicker and as exact; it has TERMS terms."""

TERMS: Final = 16


def _derivative(x: Val, order: int) -> Val:
    """The derivative in float64: by recurrence where pi |x| is large, else by a series or by quadrature."""
    beyond, inside = (order + 1.0, _series) if order <= SERIES else (order + 3.0, _near)
    near = (magnitude(x) * math.pi).le(beyond)
    away = where(near, 100.0, x)

    def mixed() -> list[Val]:
        return [where(near, inside(where(near, x, 0.0), order), _far(away, order))]

    (found,) = x.code.either(any_of(near), mixed, lambda: [_far(away, order)])
    return found * math.pi**order


def _series(x: Val, order: int) -> Val:
    """The power series at t = pi x: the sum of (-1)^j t^(2 j - n) (2 j)! / ((2 j - n)! (2 j + 1)!) over j >= n / 2."""
    t, first = x * math.pi, (order + 1) // 2
    coefficients = [(-1) ** j / ((2 * j + 1) * math.factorial(2 * j - order)) for j in range(first, first + TERMS)]
    total = polynomial(t * t, coefficients)
    return total * t if order % 2 else total


def _far(x: Val, order: int) -> Val:
    """t S = sin t gives t S^(n) + n S^(n-1) = sin^(n), at t = pi x."""
    t, turned = x * math.pi, _turned(x)
    found = sine_of(turned) / t
    for n in range(1, order + 1):
        found = (sine_of(turned, n % 4) - found * float(n)) / t
    return found


def _near(x: Val, order: int) -> Val:
    """The sum of w s^n cos^(n)(s t) over Gauss's points s and weights w, which stand in a table of the module."""
    f, t = x.code, x * math.pi
    points = quadrature(order + 16)
    name = f"sinc_{order}"
    table = f.address(f.module.table(name, F64, [n for s, w in points for n in (s, w * s**order)]))
    with f.loop(0, len(points), 1, [x.like(0.0)]) as loop:
        place, weight = (f.load(F64, f.element(table, loop.index * 2 + n, F64)) for n in range(2))
        angle = t * place
        wave = cos(angle) if order % 2 == 0 else sin(angle)
        loop.next = [fma(wave, x.like(weight), loop.carried[0])]
    total = loop.results[0]
    return -total if order % 4 in (1, 2) else total
