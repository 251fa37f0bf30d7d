"""Moving blocks of matrices into a worker's own memory, where the innermost loop reads vector after vector."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.backend.llvm.builder import Function, Loop, Module
from chainrule.backend.llvm.contract.element import element
from chainrule.backend.llvm.kernel import Routine
from chainrule.backend.llvm.values import I64, PTR, Operand, Ty, Val

DType = np.dtype[Any]

Reading: TypeAlias = Literal["rows", "columns", "any"]
"""How a block lies in memory: its rows one after another, its columns so, or neither."""

PARAMETERS: Final[dict[str, Ty]] = {
    "source": PTR,
    "row": I64,
    "column": I64,
    "rows": I64,
    "columns": I64,
    "target": PTR,
    "below": I64,
    "whole": I64,
}


def move(dtype: DType, reading: Reading, width: int, lanes: int) -> Routine:
    """The routine that copies a block to rows at target + i below.

    Element (i, j) is at source + i row + j column. `reading` "rows": column is 1, and there are at most `width`
    columns; of the first `whole` rows a whole vector may be read and written. "columns": row is 1; elements behind a
    row's end are written up to the next multiple of `lanes`.
    """
    shape = {"rows": f"rows {width}", "columns": f"columns {lanes}", "any": "any"}[reading]

    def write(module: Module, name: str) -> None:
        ty = element(dtype)
        with module.function(name, None, internal=False, **PARAMETERS) as f:
            if reading == "rows":
                _copy(f, ty, width)
            elif reading == "columns":
                _transpose(f, ty, lanes)
            else:
                _gather(f, ty)
            f.ret()

    return Routine(f"move {dtype} {shape}", write, tuple(PARAMETERS.values()))


def _copy(f: Function, ty: Ty, width: int) -> None:
    source, row, _, rows, columns, target, below, whole = f.arguments

    def line(loop: Loop, pieces: list[tuple[Val | None, Operand, int]]) -> None:
        line, into = loop.carried
        for there, start, size in pieces:
            with nullcontext() if there is None else f.when(there):
                x = f.load(ty.of(size) if size > 1 else ty, f.element(line, start, ty))
                f.store(x, f.element(into, start, ty))
        loop.next = [f.element(line, row, ty), f.element(into, below, ty)]

    with f.loop(0, whole, 1, [source, target]) as full:
        line(full, [(None, start, n) for start, n in split(width, 16)])
    pieces: list[tuple[Val | None, Operand, int]] = []
    done, size = f.constant(0, I64), 1 << (width.bit_length() - 1)
    while size:  # the binary digits of the number of columns: no element is read that is not asked for
        there = (columns & size).ne(0)
        pieces += [(there, done + start, min(size, 16)) for start in range(0, size, 16)]
        done = done + f.select(there, f.constant(size, I64), 0)
        size //= 2
    with f.loop(whole, rows, 1, full.results) as rest:
        line(rest, pieces)


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


def _transpose(f: Function, ty: Ty, lanes: int) -> None:
    """Blocks of `lanes` columns by the elements of 16 bytes, by shuffles that stay inside of 16 bytes."""
    source, _, column, rows, columns, target, below, _ = f.arguments
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
    source, row, column, rows, columns, target, below, _ = f.arguments
    with f.loop(0, rows) as i, f.loop(0, columns) as j:
        x = f.load(ty, f.element(source, i.index * row + j.index * column, ty))
        f.store(x, f.element(target, i.index * below + j.index, ty))
