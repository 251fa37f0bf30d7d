"""Operands for the test cases of a record, drawn from the domains that the record declares."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Graph
from chainrule.ir.kinds import REALS, Case, Domain, Scalar
from chainrule.ir.op import Op
from chainrule.types import DTYPES, type_of

Array = np.ndarray[Any, Any]

NEAR: Final = 1e-3  # how near to an end of the domain a tenth of the elements lie
NEAREST: Final = 1e-5
APART: Final = 1e-2  # how far from the points to avoid all of them stay
ROUNDS: Final = 2  # draws for each case
WIDE: Final = (16, 4)  # elementwise operations: inner elements, and elements of which every other one is near an end


@dataclass(frozen=True, eq=False)
class Draw:
    """Operands for one call of an operation.

    `reaches` says how far each element of a floating operand can move without leaving the domain or touching a point to
    avoid, at most 1; None for other operands. `number` is the draw's place among those of its operation.
    """

    number: int
    op: Op
    case: Case
    operands: tuple[Any, ...]
    reaches: tuple[Array | None, ...]

    def __str__(self) -> str:
        shapes = ", ".join(str(type_of(x)) for x in self.operands)
        shown = {k: "..." if isinstance(v, Graph) else repr(v) for k, v in self.attrs.items()}
        return f"{self.op}({shapes}{''.join(f', {name}={text}' for name, text in shown.items())}) [{self.number}]"

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes of the call."""
        return self.case.attrs

    @property
    def floating(self) -> tuple[int, ...]:
        """The positions of the floating operands: what derivatives are taken by."""
        return tuple(i for i, reach in enumerate(self.reaches) if reach is not None)

    def narrowed(self, place: int | None = None) -> Draw:
        """The same operands with float32 in place of float64, at one place or at all."""
        places = self.floating if place is None else (place,)
        operands = tuple(x.astype(np.float32) if i in places else x for i, x in enumerate(self.operands))
        return replace(self, operands=operands)

    def with_python_scalars(self) -> Draw:
        """The same operands with Python scalars in place of arrays without axes."""
        return replace(self, operands=tuple(x.item() if x.shape == () else x for x in self.operands))

    def generator(self) -> np.random.Generator:
        """A random generator for directions: the same for this draw at every call."""
        return np.random.default_rng((zlib.crc32(self.op.name.encode()), self.number))


@lru_cache(maxsize=16)
def draws(op: Op) -> tuple[Draw, ...]:
    """The operands for all cases of an operation: the same at every call, floating ones in float64.

    At least a tenth of the elements of each operand with a domain lies within 1e-3 of one of its finite ends.
    """
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    turn = _Turn()
    found = [(case, _operands(case, rng, turn)) for case in op.cases for _ in range(ROUNDS)]
    if isinstance(op.lowering, Scalar) and op.cases and op.cases[0].make is None:
        found.extend((op.cases[0], operands) for operands in _wide(op.cases[0], rng))
    return tuple(_finish(number, op, case, operands) for number, (case, operands) in enumerate(found))


def _operands(case: Case, rng: Any, turn: _Turn) -> list[Array]:
    if case.make is not None:
        made = [np.array(x) for x in case.make(rng)]
        return [x.astype(np.float64) if x.dtype.kind == "f" else x for x in made]
    dtypes = [_dtype(case, i) for i in range(len(case.shapes))]
    return [
        _values(rng, shape, _domain(case, i), dtype, turn.mask(shape) if dtype.kind == "f" else None)
        for i, (shape, dtype) in enumerate(zip(case.shapes, dtypes, strict=True))
    ]


def _wide(case: Case, rng: Any) -> Iterator[list[Array]]:
    """Long operands without elements near the ends, and a few of which every other one is, at another place in each.

    What a rule does near the ends, where derivatives are large, cannot then hide what it does elsewhere.
    """
    inner, outer = (np.zeros(WIDE[0], bool),), (np.arange(WIDE[1]) % 2 == 0, np.arange(WIDE[1]) % 2 == 1)
    for masks in (inner, outer):
        yield [
            _values(rng, masks[0].shape, _domain(case, i), _dtype(case, i), masks[i % len(masks)])
            for i in range(len(case.shapes))
        ]


def _finish(number: int, op: Op, case: Case, operands: list[Array]) -> Draw:
    given = len(case.domains) if case.make is not None else len(operands)
    reaches = [
        (_reach(x, _domain(case, i)) if i < given else np.ones(x.shape)) if x.dtype.kind == "f" else None
        for i, x in enumerate(operands)
    ]
    for x in operands:
        x.flags.writeable = False
    return Draw(number, op, case, tuple(operands), tuple(reaches))


class _Turn:
    """Counts floating elements: every tenth is drawn near an end."""

    def __init__(self) -> None:
        self.drawn = 0

    def mask(self, shape: tuple[int, ...]) -> Array:
        places = self.drawn + np.arange(math.prod(shape)).reshape(shape)
        self.drawn += places.size
        return places % 10 == 0


def _domain(case: Case, i: int) -> Domain:
    return case.domains[i] if i < len(case.domains) else REALS


def _dtype(case: Case, i: int) -> np.dtype[Any]:
    name = case.dtypes[i] if i < len(case.dtypes) else "f64"
    dtype = DTYPES[name] if name in DTYPES else np.dtype(name)
    return np.dtype(np.float64) if dtype.kind == "f" else dtype


def _values(rng: Any, shape: tuple[int, ...], domain: Domain, dtype: np.dtype[Any], near: Array | None) -> Array:
    """Elements from the open interval, those in the mask near an end of it."""
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape), dtype)
    low, high = _bounds(domain)
    if dtype.kind != "f":
        least = max(math.floor(low) + 1, 0) if dtype.kind == "u" else math.floor(low) + 1
        return np.asarray(rng.integers(least, math.ceil(high), shape), dtype)
    ends = [
        (end, side)
        for end, side in ((domain.low, 1), (domain.high, -1))
        if math.isfinite(end) and all(abs(end - point) > NEAR + APART for point in domain.avoid)
    ]
    out = np.empty(shape)
    for place in np.ndindex(*shape):
        if near is not None and near[place] and ends:
            end, side = ends[int(rng.integers(len(ends)))]
            out[place] = end + side * math.exp(rng.uniform(math.log(NEAREST), math.log(NEAR)))
        else:
            out[place] = _apart(rng, low, high, domain.avoid)
    return out


def _bounds(domain: Domain) -> tuple[float, float]:
    """The interval, cut to 8 numbers where it is infinite."""
    low = domain.low if math.isfinite(domain.low) else min(-4.0, domain.high - 8)
    return low, domain.high if math.isfinite(domain.high) else max(4.0, low + 8)


def _apart(rng: Any, low: float, high: float, avoid: tuple[float, ...]) -> float:
    while True:
        x = rng.uniform(low, high)
        if all(abs(x - point) > APART for point in avoid) and low < x < high:
            return float(x)


def _reach(x: Array, domain: Domain) -> Array:
    points = [point for point in (domain.low, domain.high, *domain.avoid) if math.isfinite(point)]
    distances = [np.abs(x - point) for point in points]
    return np.min([np.ones(x.shape), *distances], axis=0)
