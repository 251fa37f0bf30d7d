"""Elements of arrays: from the domains that records declare, with ties, and with numbers that are seldom tried."""

from __future__ import annotations

import math
from random import Random
from typing import Any, Final

import numpy as np

from chainrule.ir.kinds import REALS, Domain
from chainrule.ir.op import Op
from chainrule.types import DTYPES, SHORT_NAMES, Shape

Array = np.ndarray[Any, Any]
DType = np.dtype[Any]

SPECIAL: Final = 0.1
"""The share of floating arrays with special numbers among their elements."""

FULL_RANGE: Final = 0.15
"""The share of arrays of integers that are drawn from all integers of their dtype."""

KINDS: Final = (*DTYPES, "~f64", "~i64")
"""The kinds of operands: dtypes, and Python scalars."""

_FREE: Final = (("f32", 8), ("f64", 6), ("i32", 2), ("i64", 3), ("u8", 2), ("bool", 2))


def draw_dtype(pick: Random, among: str = "fiub") -> DType:
    """A dtype of one of the kinds in `among`, by NumPy's letters."""
    names = [(name, weight) for name, weight in _FREE if DTYPES[name].kind in among]
    return DTYPES[pick.choices([name for name, _ in names], [weight for _, weight in names])[0]]


def kind_of(dtype: DType, weak: bool) -> str:
    """The kind of an operand: `f32`, `~f64`."""
    return ("~" if weak else "") + SHORT_NAMES[dtype]


def domain_of(op: Op, place: int, dtype: DType, pick: Random) -> Domain:
    """The domain that a case of the record declares for operands of the kind of `dtype` at a place."""
    found = [
        case.domains[place] if place < len(case.domains) else REALS
        for case in op.cases
        if place < len(case.shapes) and _kind(case.dtypes, place) == ("f" if dtype.kind == "f" else "i")
    ]
    return pick.choice(found) if found else REALS


def _kind(dtypes: tuple[str, ...], place: int) -> str:
    name = dtypes[place] if place < len(dtypes) else "f64"
    return "f" if name.startswith("f") else "i"


def bounds(domain: Domain) -> tuple[float, float]:
    """The interval, cut to 8 numbers where it is infinite."""
    low = domain.low if math.isfinite(domain.low) else min(-4.0, domain.high - 8)
    return low, domain.high if math.isfinite(domain.high) else max(4.0, low + 8)


def draw_array(rng: np.random.Generator, pick: Random, shape: Shape, dtype: DType, domain: Domain = REALS) -> Array:
    """An array with elements from the domain; a share of the arrays with ties, or with special numbers."""
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < pick.choice((0.5, 0.5, 0.1, 0.9)))
    low, high = bounds(domain)
    if dtype.kind != "f":
        return _integers(rng, pick, shape, dtype, low, high)
    out = np.asarray(rng.uniform(low, high, shape))
    if pick.random() < 0.2:
        out = np.clip(np.round(out * 2) / 2, low, high)  # equal elements, whole numbers, halves
    out = np.asarray(out, dtype)
    if pick.random() < SPECIAL and out.size:
        chosen = np.asarray(rng.random(shape) < 0.2)
        np.copyto(out, rng.choice(special_numbers(dtype), shape), where=chosen)
    return out


def _integers(rng: np.random.Generator, pick: Random, shape: Shape, dtype: DType, low: float, high: float) -> Array:
    info = np.iinfo(dtype)
    if pick.random() < FULL_RANGE:
        out = np.asarray(rng.integers(info.min, info.max, shape, dtype, endpoint=True))
        if out.size:
            np.copyto(out, rng.choice(np.array([info.min, info.max, 0], dtype), shape), where=rng.random(shape) < 0.2)
        return out
    least = max(math.floor(low) + 1, info.min)
    return np.asarray(rng.integers(least, max(least + 1, min(math.ceil(high), info.max)), shape, dtype))


def special_numbers(dtype: DType) -> Array:
    """NaN, infinities, zeros of both signs, denormals, and the ends of the range of a floating dtype."""
    info: Any = np.finfo(dtype)
    small, tiny, huge = float(info.smallest_subnormal), float(info.tiny), float(info.max)
    numbers = (math.nan, math.inf, -math.inf, 0.0, -0.0, small, -7 * small, tiny, -tiny / 4, huge, -huge, huge / 8)
    return np.array(numbers, dtype)
