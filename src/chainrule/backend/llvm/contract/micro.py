"""The innermost loops: tiles of sums held in registers, rows of the left operand by vectors of the right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import add, element, lanes, multiply_add
from chainrule.backend.llvm.contract.move import split
from chainrule.backend.llvm.kernel import Routine
from chainrule.backend.llvm.values import I64, PTR, Ty, Val
from chainrule.schedule.plan import CONTRACT_CHUNK

DType = np.dtype[Any]

PARAMETERS: Final[dict[str, Ty]] = {
    "a": PTR,
    "row": I64,
    "step": I64,
    "apart": I64,
    "b": PTR,
    "next": I64,
    "length": I64,
    "c": PTR,
    "below": I64,
    "tiles": I64,
    "more": I64,
}


AT_ONCE: Final = 2
"""Products of a sum in one round of the innermost loop."""


def micro(dtype: DType, lowest: int, highest: int, width: int, ahead: int) -> Routine:
    """The routine of all tiles between two heights: the function for `rows` rows has them behind its name."""

    def write(module: Module, name: str) -> None:
        for rows in range(lowest, highest + 1):
            _write(module, f"{name}.{rows}", dtype, rows, width, ahead)

    return Routine(
        structure=f"micro {dtype} {lowest}-{highest}x{width} {ahead}",
        write=write,
        parameters=tuple(PARAMETERS.values()),
        endings=tuple([f".{rows}" for rows in range(lowest, highest + 1)]),
    )


def _write(module: Module, name: str, dtype: DType, rows: int, width: int, ahead: int) -> None:
    """Writes a function that adds up `length` products for each element of `tiles` tiles of rows x width, in k's order.

    Element (i, k) of a tile's left operand is at a + i row + k step, and the next tile's at `apart`. Vector k of the
    right operand is at b + k next. Sums go to c + i below, the next tile's right under it. Where `more` is not 0 they
    are added to what is there, as those of every chunk but the first are. Strides count elements and take any value:
    the same code reads packed and unpacked operands. Vectors are fetched `ahead` of their use, and what will be written
    to while there are products enough to wait for it.
    """
    ty = element(dtype)
    with module.function(name, None, internal=False, **PARAMETERS) as f:
        a, row, step, apart, b, following, length, c, below, tiles, more = f.arguments
        once = f.select(length.gt(0), length, 1)  # no products: a sum of zero
        with f.loop(0, tiles, 1, [a, c]) as tile:
            here, into = tile.carried
            with f.when(length.ge(CONTRACT_CHUNK)):
                for i in range(rows):
                    for j in (0, width - 1):  # a row of a tile is a line of the cache, or parts of two
                        f.fetch(f.element(into, below * i + j, ty))
            with f.loop(0, once, CONTRACT_CHUNK) as chunk:
                rest = length - chunk.index
                size = f.select(rest.lt(CONTRACT_CHUNK), rest, CONTRACT_CHUNK)
                starts = [f.element(here, row * i + step * chunk.index, ty) for i in range(rows)]
                vectors = f.element(b, following * chunk.index, ty)
                sums = _products(f, dtype, starts, width, vectors, size, ahead)
                pieces = split(width, lanes(dtype))
                places = [f.element(into, below * i + j, ty) for i in range(rows) for j, _ in pieces]
                adds = more.ne(0) | chunk.index.ne(0)
                with f.when(adds):
                    for x, place in zip(sums, places, strict=True):
                        f.store(add(dtype, f.load(x.ty, place), x), place)
                with f.when(~adds):
                    for x, place in zip(sums, places, strict=True):
                        f.store(x, place)
            tile.next = [f.element(here, apart, ty), f.element(into, below * rows, ty)]
        f.ret()


def _products(
    f: Function, dtype: DType, starts: Sequence[Val], width: int, b: Val, length: Val, ahead: int
) -> Sequence[Val]:
    ty = element(dtype)
    _, _, step, _, _, following, *_ = f.arguments
    pieces = split(width, lanes(dtype))
    zeros = [f.constant(0, ty.of(n)) for _ in starts for _, n in pieces]

    def rounds(first: Val | int, last: Val, times: int, before: Sequence[Val]) -> Sequence[Val]:
        with f.loop(first, last, times, before) as loop:
            at, vectors, *sums = loop.carried
            for _ in range(times):
                right = [f.load(ty.of(n), f.element(vectors, j, ty)) for j, n in pieces]
                if ahead:
                    for j in range(0, width * ty.nbytes, 64):
                        f.fetch(f.element(f.element(vectors, following * ahead, ty), j // ty.nbytes, ty))
                for i, start in enumerate(starts):
                    left = f.load(ty, f.element(start, at, ty))
                    for j, vector in enumerate(right):
                        place = i * len(right) + j
                        spread = f.splat(left, vector.ty.lanes)
                        sums[place] = multiply_add(f, dtype, spread, vector, sums[place])
                at, vectors = at + step, f.element(vectors, following, ty)
            loop.next = [at, vectors, *sums]
        return loop.results

    whole = length & -AT_ONCE
    return rounds(whole, length, 1, rounds(0, whole, AT_ONCE, [f.constant(0, I64), b, *zeros]))[2:]


def write_stream(module: Module, name: str, dtype: DType) -> None:
    """Writes a function that adds up the products of one row, reading the right operand line by line, some at once.

    The sums of `count` columns lie at c while they grow; where `more` is not 0 they grow at `own`, and are added to c.
    """
    parameters = {"a": PTR, "step": I64, "b": PTR, "next": I64, "length": I64, "c": PTR, "count": I64, "own": PTR}
    with module.function(name, None, internal=True, **parameters, more=I64) as f:
        _, _, _, _, length, c, count, own, more = f.arguments
        ty, n = element(dtype), lanes(dtype)
        target = f.select(more.ne(0), own, c)
        whole = length & -LINES
        _lines(f, dtype, target, f.constant(0, I64), whole, LINES)
        _lines(f, dtype, target, whole, length, 1)
        with f.when(more.ne(0)):
            vectors = count & -n
            for first, last, by in ((f.constant(0, I64), vectors, n), (vectors, count, 1)):
                kind = ty.of(n) if by > 1 else ty
                with f.loop(first, last, by) as loop:
                    place = f.element(c, loop.index, ty)
                    x = f.load(kind, f.element(own, loop.index, ty))
                    f.store(add(dtype, f.load(kind, place), x), place)
        f.ret()


LINES: Final = 4
"""Lines of the right operand that are read side by side."""


def _lines(f: Function, dtype: DType, target: Val, start: Val, stop: Val, count: int) -> None:
    """Adds the products of `count` lines at once to the sums at `target`, which begin from zero."""
    a, step, b, following, _, _, columns, *_ = f.arguments
    ty, n = element(dtype), lanes(dtype)
    with f.loop(start, stop, count) as k:
        left = [f.load(ty, f.element(a, (k.index + i) * step, ty)) for i in range(count)]
        lines = [f.element(b, (k.index + i) * following, ty) for i in range(count)]
        vectors = columns & -n
        for first, last, by in ((f.constant(0, I64), vectors, n), (vectors, columns, 1)):
            kind = ty.of(n) if by > 1 else ty
            with f.loop(first, last, by) as loop:
                place = f.element(target, loop.index, ty)
                total = f.select(k.index.eq(0), f.constant(0, kind), f.load(kind, place))
                for x, line in zip(left, lines, strict=True):
                    vector = f.load(kind, f.element(line, loop.index, ty))
                    total = multiply_add(f, dtype, f.splat(x, kind.lanes), vector, total)
                f.store(total, place)
