"""`Frame`: the beginning of a kernel while it is written: its words, matrices, and the blocks of the parts it does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backend.llvm.builder import Function, Loop, Module
from chainrule.backend.llvm.contract.element import element
from chainrule.backend.llvm.contract.product import Matrix
from chainrule.backend.llvm.values import I64, PTR, Operand, Ty, Val
from chainrule.schedule.plan import Buffer

DType = np.dtype[Any]


def kernel_function(module: Module, name: str) -> AbstractContextManager[Function]:
    """Writes the function of a kernel (see backend/llvm/kernel.py)."""
    return module.function(name, I64, pointers=PTR, words=PTR, begin=I64, end=I64, scratch=PTR)


def address(matrix: Matrix) -> tuple[Buffer, int]:
    """A matrix's buffer, and where in it the first element is, in bytes."""
    return matrix.place.buffer, matrix.place.offset * matrix.place.dtype.itemsize


def strides(matrix: Matrix, *first: int) -> list[int]:
    """The words of a matrix: its strides along rows, columns, what is `first`, and the batch."""
    return [matrix.row, matrix.column, *first, *matrix.batch]


@dataclass(frozen=True, eq=False)
class Steps:
    """A matrix in a function that is being written: the address of its first element, and its strides."""

    f: Function
    pointer: Val
    row: Val
    column: Val
    batch: Sequence[Val]
    ty: Ty

    def at(self, places: Sequence[Val]) -> Val:
        """The address of the first element at these places of the batch."""
        offset = self.f.constant(0, I64)
        for place, step in zip(places, self.batch, strict=True):
            offset = offset + place * step
        return self.f.element(self.pointer, offset, self.ty)


class Frame:
    """A kernel's function while it is written."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self.read = 0  # words so far

    def words(self, count: int) -> list[Val]:
        """The next words."""
        words = self.f.arguments[1]
        first, self.read = self.read, self.read + count
        return [self.f.load(I64, self.f.element(words, first + i, I64)) for i in range(count)]

    def pointer(self, number: int) -> Val:
        """One of the pointers."""
        return self.f.load(PTR, self.f.element(self.f.arguments[0], number, PTR))

    def matrix(self, number: int, dtype: DType, batch: int) -> Steps:
        """The matrix of a pointer, whose strides are the next words."""
        pointer = self.pointer(number)
        row, column, *more = self.words(2 + batch)
        return Steps(self.f, pointer, row, column, more, element(dtype))

    def share(self, group: Val, units: Val) -> AbstractContextManager[Loop]:
        """A loop over the units of the parts that are to be done, `group` in each."""
        begin, end = self.f.arguments[2] * group, self.f.arguments[3] * group
        return self.f.loop(begin, self.least(end, units))

    def place(self, index: Val, lengths: Sequence[Val]) -> list[Val]:
        """The place along each of some lengths, the last one running fastest, of an index into all."""
        places: list[Val] = []
        for length in reversed(lengths):
            rest = index.udiv(length)
            places.append(index - rest * length)
            index = rest
        return places[::-1]

    def least(self, x: Val, y: Operand) -> Val:
        """The smaller one."""
        return self.f.select(x.lt(y), x, y)
