"""Moving blocks of matrices into a worker's own memory, where the innermost loop reads vector after vector."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import element
from chainrule.backend.llvm.values import I64, PTR, Ty, Val

DType = np.dtype[Any]

Reading: TypeAlias = Literal["rows", "columns", "any"]
"""How a block lies in memory: its rows one after another, its columns so, or neither."""

PARAMETERS = {"source": PTR, "row": I64, "column": I64, "rows": I64, "columns": I64, "target": PTR, "below": I64}


def write_move(module: Module, name: str, dtype: DType, reading: Reading, width: int, lanes: int) -> None:
    """Writes a function that copies a block to rows at target + i below.

    Element (i, j) is at source + i row + j column. `reading` "rows": column is 1, and there are at most `width`
    columns. "columns": row is 1; elements behind a row's end are written up to the next multiple of `lanes`.
    """
    ty = element(dtype)
    with module.function(name, None, internal=True, **PARAMETERS) as f:
        if reading == "rows":
            _copy(f, ty, width)
        elif reading == "columns":
            _transpose(f, ty, lanes)
        else:
            _gather(f, ty)
        f.ret()


def _copy(f: Function, ty: Ty, width: int) -> None:
    source, row, _, rows, columns, target, below = f.arguments
    done = f.constant(0, I64)
    piece = width
    while piece:  # the binary digits of the number of columns: no element is read that is not asked for
        size = f.constant(piece, I64)
        count = min(piece, 16)
        with f.when((columns & piece).ne(0)), f.loop(0, rows) as loop:
            line = f.element(source, loop.index * row + done, ty)
            into = f.element(target, loop.index * below + done, ty)
            for j in range(0, piece, count):
                kind = ty.of(count) if count > 1 else ty
                f.store(f.load(kind, f.element(line, j, ty)), f.element(into, j, ty))
        done = done + f.select((columns & piece).ne(0), size, 0)
        piece //= 2


def _transpose(f: Function, ty: Ty, lanes: int) -> None:
    """Blocks of `lanes` columns by the elements of 16 bytes, by shuffles that stay inside of 16 bytes."""
    source, _, column, rows, columns, target, below = f.arguments
    group = 16 // ty.nbytes
    with f.loop(0, columns, lanes) as block:
        pointers: list[Val] = []
        for j in range(lanes):
            at = block.index + j
            inside = f.select(at.lt(columns), at, columns - 1)  # the last column again, to be ignored
            pointers.append(f.element(source, inside * column, ty))
        into = f.element(target, block.index, ty)
        whole = rows & -group
        with f.loop(0, whole, group) as loop:
            for i, vector in enumerate(transposed(f, [f.element(p, loop.index, ty) for p in pointers], ty)):
                f.store(vector, f.element(into, (loop.index + i) * below, ty))
        with f.loop(whole, rows) as loop:
            for j, pointer in enumerate(pointers):
                x = f.load(ty, f.element(pointer, loop.index, ty))
                f.store(x, f.element(into, loop.index * below + j, ty))


def transposed(f: Function, pointers: list[Val], ty: Ty) -> list[Val]:
    """The elements of 16 bytes at each pointer, turned: vector i holds element i of every pointer."""
    group = 16 // ty.nbytes
    lanes = len(pointers)
    quarter = ty.of(group)
    lines = [_joined(f, [f.load(quarter, pointers[j]) for j in range(i, lanes, group)]) for i in range(group)]
    if group == 2:
        x, y = lines
        return [_interleaved(f, x, y, 0), _interleaved(f, x, y, 1)]
    a, b, c, d = lines
    low = _interleaved(f, a, b, 0), _interleaved(f, c, d, 0)
    high = _interleaved(f, a, b, 2), _interleaved(f, c, d, 2)
    return [_halves(f, x, y, first) for x, y in (low, high) for first in (0, 2)]


def _joined(f: Function, parts: list[Val]) -> Val:
    """Vectors one behind another."""
    while len(parts) > 1:
        n = 2 * parts[0].ty.lanes
        parts = [f.shuffle(x, y, range(n)) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _interleaved(f: Function, x: Val, y: Val, first: int) -> Val:
    """x[first], y[first] and, of four, x[first + 1], y[first + 1], in every 16 bytes."""
    n = x.ty.lanes
    group = 16 // x.ty.nbytes
    picks = [q + first + i + side * n for q in range(0, n, group) for i in range(group // 2) for side in (0, 1)]
    return f.shuffle(x, y, picks)


def _halves(f: Function, x: Val, y: Val, first: int) -> Val:
    """x[first], x[first + 1], y[first], y[first + 1], in every 16 bytes."""
    n = x.ty.lanes
    return f.shuffle(x, y, [q + first + i + side * n for q in range(0, n, 4) for side in (0, 1) for i in (0, 1)])


def _gather(f: Function, ty: Ty) -> None:
    source, row, column, rows, columns, target, below = f.arguments
    with f.loop(0, rows) as i, f.loop(0, columns) as j:
        x = f.load(ty, f.element(source, i.index * row + j.index * column, ty))
        f.store(x, f.element(target, i.index * below + j.index, ty))
