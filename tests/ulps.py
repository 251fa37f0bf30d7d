"""How far native elementary functions are from mathematics, in units in the last place (ulp) of the right result."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import mpmath as mp
import numpy as np
from native_loops import loop

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.scalar import scalar
from chainrule.backend.llvm.target import target
from chainrule.backend.llvm.values import F32, F64, I32, I64, PTR, Val

Array = np.ndarray[Any, Any]
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_NUMBERS: Final = itertools.count()

# --- float32 against float64, in native code --------------------------------------------------------------------------


def _error(f: Function, got: Val, want: Val) -> Val:
    """|got - want| in ulp of `want` rounded to float32; 0 where that is `got`, or both are NaN."""
    rounded = want.cast("fptrunc", F32)
    exponent = (rounded.bits_as(I32) & 0x7F800000).bits_as(F32)
    smallest = 2.0**-126
    unit = f.select(exponent.gt(smallest), exponent, smallest).cast("fpext", F64) * 2.0**-23
    error = f.math("fabs", got.cast("fpext", F64) - want) / unit
    same = (got.is_nan() & rounded.is_nan()) | (got.eq(rounded) & f.math("fabs", rounded).eq(float("inf")))
    return f.select(
        same, f.select(error.is_nan(), error.like(0.0), 0.0), f.select(error.is_nan(), error.like(float("inf")), error)
    )


@cache
def _compiled(op: str, arity: int, attrs: tuple[tuple[str, Any], ...]) -> Any:
    name, lanes, module = f"errors{next(_NUMBERS)}", 16, Module()
    parameters = {f"x{i}": PTR for i in range(arity)}
    with module.function(name, I64, **parameters, out=PTR, count=I64) as f:
        *pointers, out, count = f.arguments
        zero = f.constant(0.0, F64.of(lanes))
        with f.loop(0, count, lanes, [zero, f.constant(0, I64.of(lanes))]) as steps:
            given = [f.load(F32.of(lanes), f.element(p, steps.index, F32)) for p in pointers]
            wide = [x.cast("fpext", F64) for x in given]
            got = scalar(f, op, dict(attrs), given, [FLOAT32] * arity, FLOAT32)
            want = scalar(f, op, dict(attrs), wide, [FLOAT64] * arity, FLOAT64)
            error = _error(f, got, want)
            most, place = steps.carried
            more = error.gt(most)
            here = f.iota(I64.of(lanes)) + steps.index
            steps.next = [f.select(more, error, most), f.select(more, here, place)]
        f.store(steps.results[0], out)
        f.store(steps.results[1].bits_as(F64), f.element(out, lanes, F64))
        f.ret(0)
    (address,) = load(compile_text(str(module), target()), [name])
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(address)


def worst32(op: str, *operands: Array, **attrs: Any) -> tuple[float, tuple[float, ...]]:
    """The largest error of the float32 function against the float64 one, and where; a multiple of 16 operands."""
    out = np.zeros(32)
    function = _compiled(op, len(operands), tuple(sorted(attrs.items())))
    function(*(x.ctypes.data for x in operands), out.ctypes.data, operands[0].size)
    lane = int(np.argmax(out[:16]))
    place = int(out.view(np.int64)[16 + lane])
    return float(out[lane]), tuple(float(x[place]) for x in operands)


def worst_pair(op: str, x: Array, y: Array) -> tuple[float, tuple[float, float]]:
    """The same for two operands, in ulp of the largest among the result and the operands."""
    got, wide = loop(op, [FLOAT32, FLOAT32], 16)(x, y), [v.astype(np.float64) for v in (x, y)]
    want = loop(op, [FLOAT64, FLOAT64], 8)(*wide)
    scale = np.maximum(np.abs(want), np.maximum(np.abs(wide[0]), np.abs(wide[1])))
    error = np.abs(got - want) / np.spacing(scale.astype(np.float32))
    place = int(np.nanargmax(error))
    return float(error[place]), (float(x[place]), float(y[place]))


def all_floats(stride: int, block: int = 1 << 20) -> Iterator[Array]:
    """Every `stride`-th float32, in blocks."""
    for start in range(0, 1 << 32, stride * block):
        stop = min(1 << 32, start + stride * block)
        found = np.arange(start, stop, stride, dtype=np.uint32).view(np.float32)
        yield np.resize(found, -(-found.size // 16) * 16)


# --- float64 against long double and mpmath ---------------------------------------------------------------------------


def mathematics() -> dict[str, tuple[Callable[..., Any], tuple[float, float]]]:
    """Each function of one operand in mpmath, and the interval it is mostly measured on."""
    two = mp.mpf(2)
    return {
        "exp": (mp.exp, (-746.0, 710.0)),
        "exp2": (lambda x: two**x, (-1076.0, 1024.5)),
        "expm1": (mp.expm1, (-40.0, 710.0)),
        "log": (mp.log, (0.0, 4.0)),
        "log2": (lambda x: mp.log(x) / mp.log(2), (0.0, 4.0)),
        "log10": (lambda x: mp.log(x) / mp.log(10), (0.0, 4.0)),
        "log1p": (mp.log1p, (-1.0, 4.0)),
        "sqrt": (mp.sqrt, (0.0, 4.0)),
        "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), (-9.0, 9.0)),
        "reciprocal": (lambda x: 1 / x, (-4.0, 4.0)),
        "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), (-746.0, 40.0)),
        "softplus": (lambda x: mp.log1p(mp.exp(x)), (-746.0, 40.0)),
        "sin": (mp.sin, (-100.0, 100.0)),
        "cos": (mp.cos, (-100.0, 100.0)),
        "tan": (mp.tan, (-100.0, 100.0)),
        "arcsin": (mp.asin, (-1.0, 1.0)),
        "arccos": (mp.acos, (-1.0, 1.0)),
        "arctan": (mp.atan, (-10.0, 10.0)),
        "sinh": (mp.sinh, (-711.0, 711.0)),
        "cosh": (mp.cosh, (-711.0, 711.0)),
        "tanh": (mp.tanh, (-20.0, 20.0)),
        "arcsinh": (mp.asinh, (-10.0, 10.0)),
        "arccosh": (mp.acosh, (1.0, 10.0)),
        "arctanh": (mp.atanh, (-1.0, 1.0)),
        "erf": (mp.erf, (-6.0, 6.0)),
        "erfc": (mp.erfc, (-6.0, 27.5)),
        "sinc": (mp.sincpi, (-20.0, 20.0)),
    }


def of_two() -> dict[str, tuple[Callable[..., Any], tuple[tuple[float, float], tuple[float, float]]]]:
    """Each function of two operands in mpmath, and the intervals it is mostly measured on."""
    return {
        "power": (lambda x, y: x**y, ((0.0, 10.0), (-300.0, 300.0))),
        "hypot": (mp.hypot, ((-10.0, 10.0), (-10.0, 10.0))),
        "arctan2": (mp.atan2, ((-10.0, 10.0), (-10.0, 10.0))),
        "xlogy": (lambda x, y: x * mp.log(y), ((-10.0, 10.0), (0.0, 10.0))),
        "logaddexp": (lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), ((-50.0, 50.0), (-50.0, 50.0))),
        "logaddexp2": (lambda x, y: mp.log(mp.mpf(2) ** x + mp.mpf(2) ** y, 2), ((-50.0, 50.0), (-50.0, 50.0))),
    }


def points(interval: tuple[float, float], count: int, seed: int, magnitudes: bool = True) -> Array:
    """Numbers in the interval: a third uniform, a third near 0, halves and the ends, a third of any size."""
    rng = np.random.default_rng(seed)
    low, high = interval
    third = count // 3
    flat = rng.uniform(low, high, count - 2 * third)
    centres = np.concatenate([[low, high, 0.0], rng.integers(int(low), int(high) + 1, third) / 2])
    near = rng.choice(centres, third) + rng.standard_normal(third) * np.exp2(rng.uniform(-50, -1, third))
    sized = rng.choice([-1.0, 1.0], third) * np.exp2(rng.uniform(-1070 if magnitudes else -20, np.log2(high), third))
    return np.concatenate([flat, near, sized]).clip(low, high)


def worst64(
    op: str,
    function: Callable[..., Any],
    operands: Sequence[Array],
    floor: Callable[..., float] | None = None,
    **attrs: Any,
) -> tuple[float, tuple[float, ...]]:
    """The largest error of the float64 function against mpmath's, and where; `floor` is what an ulp counts at least of.

    Where the right result is no finite number nothing is compared.
    """
    got = loop(op, [FLOAT64] * len(operands), 8, **attrs)(*operands)
    most, place = -1.0, 0
    with mp.workdps(40):
        for i, (found, *given) in enumerate(zip(got.tolist(), *(x.tolist() for x in operands), strict=True)):
            try:
                want = function(*map(mp.mpf, given))
            except (ZeroDivisionError, ValueError):
                continue
            if not isinstance(want, mp.mpf) or not mp.isfinite(want):
                continue
            error = _distance(found, want, floor(*given) if floor is not None else 0.0)
            if error > most:
                most, place = error, i
    return most, tuple(float(x[place]) for x in operands)


def _distance(found: float, want: Any, least: float) -> float:
    """|found - want| in ulp of `want`, or of `least` where that is larger; infinite where one overflows alone."""
    rounded = float(want)
    if math.isfinite(rounded) and math.isfinite(found):
        return abs(float((want - mp.mpf(found)) / mp.mpf(float(np.spacing(max(abs(rounded), abs(least)))))))
    return 0.0 if rounded == found else math.inf
