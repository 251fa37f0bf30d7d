"""Angles as the number of a quarter turn and a rest: x = q pi / 2 + r, |r| at most a little more than pi / 4.

Up to 2 ** 50, r is x - q pi / 2 with pi / 2 in three parts, the first product exact in a fused multiply-add (W. J. Cody
and W. Waite 1980). Beyond, in a branch that is taken where a lane is so large, it is the fraction of x 2 / pi, from
those 192 bits of 2 / pi that matter (M. Payne and R. Hanek 1983, SIGNUM Newsletter 18, 19).
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.scalar.exponential import whole
from chainrule.backend.llvm.scalar.formula import any_of, bits, fma, magnitude, product, quick_sum, two_sum, where
from chainrule.backend.llvm.values import F32, F64, I32, I64, PTR, Ty, Val

HALF_PI: Final = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
TWO_OVER_PI: Final = 0.6366197723675814
HUGE: Final = 2.0**50


class Angle(NamedTuple):
    """`quarter` is an integer of which the two lowest bits count; the rest is high + low."""

    quarter: Val
    high: Val
    low: Val


def angle(x: Val) -> Angle:
    """x as quarter turns and a rest, for x of either dtype; of infinities and NaN the rest is NaN."""
    if x.ty.element == F32:
        quarter, high, low = _reduced(x.cast("fpext", F64))
        rest = high + low
        rounded = rest.cast("fptrunc", F32)
        return Angle(quarter.cast("trunc", I32), rounded, (rest - rounded.cast("fpext", F64)).cast("fptrunc", F32))
    return Angle(*_reduced(x))


def _reduced(x: Val) -> list[Val]:
    """Quarter, high and low in float64."""
    huge = magnitude(x).ge(HUGE)

    def rare() -> list[Val]:
        return [where(huge, y, z) for y, z in zip(_huge(x), _moderate(x), strict=True)]

    return x.code.either(any_of(huge), rare, lambda: _moderate(x))


def _moderate(x: Val) -> list[Val]:
    """The same for |x| < 2 ** 50."""
    k = whole(x, TWO_OVER_PI)
    first = fma(-k.number, HALF_PI[0], x)
    second, error = product(k.number, HALF_PI[1])
    high, low = two_sum(first, -second)
    return [bits(k.shifted), high, low - fma(k.number, HALF_PI[2], error)]


def _huge(x: Val) -> list[Val]:
    """The same for |x| >= 2 ** 50, by a function of the module that takes lane after lane."""
    f, lanes = x.code, max(1, x.ty.lanes)
    _write_huge(f.module)
    place = f.alloca(F64, 4 * lanes)
    f.store(x, place)
    f.call(NAME, I64, place, f.constant(lanes, I64))
    parts = [f.load(ty.of(x.ty.lanes), f.element(place, n * lanes, F64)) for n, ty in enumerate((F64, I64, F64, F64))]
    return parts[1:]


# --- 2 / pi -----------------------------------------------------------------------------------------------------------

NAME: Final = "huge_angles"
WORDS: Final = 21
"""Words of 64 bits of 2 / pi, the first one 0, for the largest exponent."""


@cache
def two_over_pi() -> tuple[int, ...]:
    """0, and the bits of 2 / pi behind the point in words of 64, by J. Machin's formula for pi (1706)."""
    one = 1 << 64 * (WORDS + 1)

    def arctangent(n: int) -> int:
        """of 1 / n."""
        total, term, k = 0, one // n, 0
        while term:
            total += (-term if k % 2 else term) // (2 * k + 1)
            term, k = term // (n * n), k + 1
        return total

    pi = 16 * arctangent(5) - 4 * arctangent(239)
    found = 2 * one * one // pi >> 128
    return tuple(found >> 64 * (WORDS - 1 - place) & (1 << 64) - 1 for place in range(WORDS))


def _write_huge(module: Module) -> None:
    """Writes `i64 huge_angles(ptr place, i64 count)`: quarters, highs and lows of `count` numbers, behind them."""
    if module.has(NAME):
        return
    with module.function(NAME, I64, internal=True, place=PTR, count=I64) as f:
        place, count = f.arguments
        with f.loop(0, count) as loop:
            x = f.load(F64, f.element(place, loop.index, F64))
            quarter, high, low = f.either(
                magnitude(x).ge(HUGE) & magnitude(x).lt(float("inf")),
                lambda: _fraction(f, x),
                lambda: [f.constant(0, I64), x - x, x - x],
            )
            for n, value in enumerate((quarter, high, low), 1):
                f.store(value, f.element(place, loop.index + count * n, F64))
        f.ret(0)


def _fraction(f: Function, x: Val) -> list[Val]:
    """Quarter, high and low of one number: x 2 / pi modulo 4 in 192 bits, of which the upper two are the quarter."""
    wide = Ty("i128")
    number = bits(magnitude(x))
    exponent = number.lshr(52) - (
        1075 + 2 - 64
    )  # where the bits of 2 / pi begin that are not multiples of 4 in x 2 / pi
    mantissa = (number & ((1 << 52) - 1)) | (1 << 52)
    table = f.address(f.module.table("two_over_pi", I64, two_over_pi()))
    first, shift = exponent.lshr(6), exponent & 63
    words = [f.load(I64, f.element(table, first + n, I64)) for n in range(4)]
    window = [(words[n] << shift) | words[n + 1].lshr(1).lshr(f.constant(63, I64) - shift) for n in range(3)]
    lowest = mantissa.cast("zext", wide) * window[2].cast("zext", wide)
    middle = mantissa.cast("zext", wide) * window[1].cast("zext", wide) + lowest.lshr(64)
    upper = mantissa * window[0] + middle.lshr(64).cast("trunc", I64)
    quarter = (upper + (1 << 61)).lshr(62)
    rest = upper - (quarter << 62)  # signed, in units of 2 ** -62
    parts = [rest, middle.cast("trunc", I64), lowest.cast("trunc", I64)]
    high, low = _float_of(f, parts)
    negative = x.lt(0.0)
    return [f.select(negative, -quarter, quarter), f.select(negative, -high, high), f.select(negative, -low, low)]


def _float_of(f: Function, parts: list[Val]) -> tuple[Val, Val]:
    """The fraction in words of 64 bits, the first one signed, times pi / 2, as a pair."""
    high, low = f.constant(0.0, F64), f.constant(0.0, F64)
    for place, part in enumerate(parts):
        upper = part >> 32 if place == 0 else part.lshr(32)
        for half, piece in enumerate((upper, part & 0xFFFFFFFF)):
            scale = 2.0 ** (-62 - 64 * place + (0 if half else 32))
            high, error = two_sum(high, piece.cast("sitofp", F64) * scale)
            low = low + error
    high, low = quick_sum(high, low)
    total, error = product(high, HALF_PI[0])
    return quick_sum(total, error + fma(high, HALF_PI[1], low * HALF_PI[0]))
