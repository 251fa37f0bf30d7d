"""The innermost loops: tiles of sums held in registers, rows of the left operand by vectors of the right one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import add, element, lanes, multiply_add
from chainrule.backend.llvm.contract.move import transposed
from chainrule.backend.llvm.values import I32, I64, PTR, Val

DType = np.dtype[Any]

Sums: TypeAlias = Callable[[Val], Sequence[Val]]

PARAMETERS = {"a": PTR, "row": I64, "step": I64, "apart": I64, "b": PTR, "next": I64, "length": I64}


def write_micro(
    module: Module, name: str, dtype: DType, rows: int, width: int, *, turned: bool = False, ahead: int = 0
) -> None:
    """Writes a function that adds up `length` products for each element of `tiles` tiles of rows x width, in k's order.

    Element (i, k) of a tile's left operand is at a + i row + k step, and the next tile's at `apart`. Vector k of the
    right operand is at b + k next; or, where it is `turned`, element j of it at b + j next + k. Sums go to c + i below,
    the next tile's right under it. Where `more` is not 0 they are added to what is there. Strides count elements and
    take any value: the same code reads packed and unpacked operands. Vectors are fetched `ahead` of their use.
    """
    ty = element(dtype)
    with module.function(name, None, internal=True, **PARAMETERS, c=PTR, below=I64, tiles=I64, more=I64) as f:
        a, row, _, apart, _, _, _, c, below, tiles, more = f.arguments
        with f.loop(0, tiles, 1, [a, c]) as tile:
            here, into = tile.carried
            starts = [f.element(here, row * i, ty) for i in range(rows)]
            sums = _turned(f, dtype, starts, width) if turned else _straight(f, dtype, starts, width, ahead)
            pieces = split(width, lanes(dtype))
            places = [f.element(into, below * i + j, ty) for i in range(rows) for j, _ in pieces]
            with f.when(more.ne(0)):
                for x, place in zip(sums, places, strict=True):
                    f.store(add(dtype, f.load(x.ty, place), x), place)
            with f.when(more.eq(0)):
                for x, place in zip(sums, places, strict=True):
                    f.store(x, place)
            tile.next = [f.element(here, apart, ty), f.element(into, below * rows, ty)]
        f.ret()


def split(width: int, most: int) -> list[tuple[int, int]]:
    """A width as vectors of `most` lanes and smaller ones for the rest: where each begins, and its lanes."""
    pieces: list[tuple[int, int]] = []
    start = 0
    while start < width:
        while start + most > width:
            most //= 2
        pieces.append((start, most))
        start += most
    return pieces


def _straight(f: Function, dtype: DType, starts: Sequence[Val], width: int, ahead: int) -> Sequence[Val]:
    ty = element(dtype)
    _, _, step, _, b, following, length, *_ = f.arguments
    pieces = split(width, lanes(dtype))
    zeros = [f.constant(0, ty.of(n)) for _ in starts for _, n in pieces]
    with f.loop(0, length, 1, [f.constant(0, I64), b, *zeros]) as loop:
        at, vectors, *sums = loop.carried
        right = [f.load(ty.of(n), f.element(vectors, j, ty)) for j, n in pieces]
        if ahead:
            for j in range(0, width * ty.nbytes, 64):
                place = f.element(f.element(vectors, following * ahead, ty), j // ty.nbytes, ty)
                f.intrinsic("prefetch", None, place, *[f.constant(x, I32) for x in (0, 3, 1)], over=[PTR])
        for i, start in enumerate(starts):
            left = f.load(ty, f.element(start, at, ty))
            for j, vector in enumerate(right):
                place = i * len(right) + j
                spread = f.splat(left, vector.ty.lanes)
                sums[place] = multiply_add(f, dtype, spread, vector, sums[place])
        loop.next = [at + step, f.element(vectors, following, ty), *sums]
    return loop.results[2:]


def _turned(f: Function, dtype: DType, starts: Sequence[Val], width: int) -> Sequence[Val]:
    """Columns that are contiguous along k: elements of 16 bytes of each are turned to vectors in registers."""
    ty = element(dtype)
    _, _, step, _, b, following, length, *_ = f.arguments
    group = 16 // ty.nbytes
    heads = [f.element(b, following * j, ty) for j in range(0, width, group)]
    zeros = [f.constant(0, ty.of(width))] * len(starts)

    def columns(at: Val) -> list[Val]:
        from_heads = [f.element(head, at, ty) for head in heads]
        return [f.element(head, following * i, ty) if i else head for head in from_heads for i in range(group)]

    def products(sums: Sequence[Val], at: Val, vector: Val) -> list[Val]:
        left = [f.splat(f.load(ty, f.element(start, at * step, ty)), width) for start in starts]
        return [multiply_add(f, dtype, x, vector, total) for x, total in zip(left, sums, strict=True)]

    whole = length & -group
    with f.loop(0, whole, group, zeros) as loop:
        sums: Sequence[Val] = loop.carried
        for i, vector in enumerate(transposed(f, columns(loop.index), ty)):
            sums = products(sums, loop.index + i, vector)
        loop.next = list(sums)
    with f.loop(whole, length, 1, loop.results) as rest:
        vector = f.constant(0, ty.of(width))
        for j, pointer in enumerate(columns(rest.index)):
            vector = f.insert(vector, f.load(ty, pointer), j)
        rest.next = products(rest.carried, rest.index, vector)
    return rest.results
