"""What formulas are written with: functions of `Val`s that are one or few instructions, and arithmetic with a rest.

A pair (high, low) stands for the unevaluated sum of two numbers, of which the second is at most a rounding error of the
first (T. J. Dekker 1971, Numer. Math. 18, 224).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from chainrule.backend.llvm.values import F32, F64, I1, I32, I64, Operand, Ty, Val

Pair: TypeAlias = tuple[Val, Val]

MANTISSA: Final = {F32: 23, F64: 52}
"""The bits of a float behind the leading one."""

BIAS: Final = {F32: 127, F64: 1023}
SMALLEST: Final = {F32: 2.0**-126, F64: 2.0**-1022}
"""The smallest normal number."""


def integer_of(ty: Ty) -> Ty:
    """The integer type as wide as a float type."""
    return I32 if ty.element == F32 else I64


def bits(x: Val) -> Val:
    """The bits of floats, as integers."""
    return x.bits_as(integer_of(x.ty))


def floats(x: Val) -> Val:
    """The floats that integers are the bits of."""
    return x.bits_as(F32 if x.ty.element == I32 else F64)


def fma(x: Val, y: Operand, z: Operand) -> Val:
    """x y + z, rounded once."""
    return x.code.fma(x, y, z)


def where(condition: Val, x: Operand, y: Operand) -> Val:
    """x where the condition holds, else y; at least one of them is a value."""
    model = x if isinstance(x, Val) else y
    assert isinstance(model, Val)
    return condition.code.select(condition, model.like(x), y)


def magnitude(x: Val) -> Val:
    """|x|, of a NaN too."""
    return x.code.math("fabs", x)


def with_sign(x: Val, y: Operand) -> Val:
    """|x| with the sign of y."""
    return x.code.math("copysign", x, y)


def root(x: Val) -> Val:
    """The square root, correctly rounded."""
    return x.code.math("sqrt", x)


def nearest(x: Val) -> Val:
    """The nearest whole number, of two the even one."""
    return x.code.math("rint", x)


def negative_sign(x: Val) -> Val:
    """Whether the sign bit is set."""
    return bits(x).lt(0)


def larger(x: Val, y: Operand) -> Val:
    """x where it is above y, else y, also where x is NaN."""
    return where(x.gt(y), x, y)


def smaller(x: Val, y: Operand) -> Val:
    """x where it is below y, else y, also where x is NaN."""
    return where(x.lt(y), x, y)


def any_of(mask: Val) -> Val:
    """Whether it holds in any lane: one i1."""
    if not mask.ty.lanes:
        return mask
    together = mask.code.emit(f"bitcast {mask.ty} {mask.text} to i{mask.ty.lanes}", Ty(f"i{mask.ty.lanes}"))
    return mask.code.emit(f"icmp ne {together.ty} {together.text}, 0", I1)


def polynomial(x: Val, coefficients: Sequence[float]) -> Val:
    """The polynomial with these coefficients, lowest power first, by Horner's rule."""
    out = x.like(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        out = fma(out, x, coefficient)
    return out


def long_polynomial(x: Val, coefficients: Sequence[float]) -> Val:
    """The same as the sum of an even and an odd part, which are computed side by side.

    For many coefficients, where the parts are not much larger than the whole.
    """
    square = x * x
    return fma(polynomial(square, coefficients[1::2]), x, polynomial(square, coefficients[::2]))


def power_of_two(n: Val) -> Val:
    """2 ** n for integers n (in lanes as wide as the float's) for which that is a normal number."""
    ty = F32 if n.ty.element == I32 else F64
    return floats((n + BIAS[ty]) << MANTISSA[ty])


# --- arithmetic with a rest -------------------------------------------------------------------------------------------


def two_sum(x: Val, y: Operand) -> Pair:
    """x + y rounded, and the rounding error (D. E. Knuth 1969; the order of the sizes does not matter)."""
    y = x.like(y)
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def quick_sum(x: Val, y: Operand) -> Pair:
    """x + y rounded, and the rounding error, where |x| >= |y| or x is 0 (T. J. Dekker 1971)."""
    total = x + y
    return total, x.like(y) - (total - x)


def product(x: Val, y: Operand) -> Pair:
    """x y rounded, and the rounding error."""
    rounded = x * y
    return rounded, fma(x, y, -rounded)


def quotient(x: Pair, y: Pair) -> Pair:
    """x / y for pairs, to about twice the precision."""
    inverse = 1.0 / y[0]
    high = x[0] * inverse
    rest = fma(-high, y[0], x[0]) + (x[1] - high * y[1])
    return high, rest * inverse
