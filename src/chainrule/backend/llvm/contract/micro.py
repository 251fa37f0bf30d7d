"""The innermost loop: a tile of sums held in registers, rows of the left operand by vectors of the right one."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.contract.element import add, element, lanes, multiply_add
from chainrule.backend.llvm.values import I64, PTR

DType = np.dtype[Any]

PARAMETERS = {"a": PTR, "row": I64, "step": I64, "b": PTR, "next": I64, "length": I64, "c": PTR, "below": I64}


def write_micro(module: Module, name: str, dtype: DType, rows: int, width: int) -> None:
    """Writes a function that adds up `length` products for each of rows x width elements, in the order of k.

    Element (i, k) of the left operand is at a + i row + k step, vector k of the right one at b + k next; sums go to
    c + i below. Where `more` is not 0 they are added to what is there. Strides count elements and take any value: the
    same code reads packed and unpacked operands.
    """
    ty, n = element(dtype), lanes(dtype)
    with module.function(name, None, internal=True, **PARAMETERS, more=I64) as f:
        a, row, step, b, following, length, c, below, more = f.arguments
        starts = [f.element(a, row * i, ty) for i in range(rows)]
        zeros = [f.constant(0, ty.of(n))] * (rows * width // n)
        origin = f.constant(0, I64)
        with f.loop(0, length, 1, [origin, b, *zeros]) as loop:
            at, vectors, *sums = loop.carried
            right = [f.load(ty.of(n), f.element(vectors, j * n, ty)) for j in range(width // n)]
            for i, start in enumerate(starts):
                left = f.splat(f.load(ty, f.element(start, at, ty)), n)
                for j, vector in enumerate(right):
                    place = i * len(right) + j
                    sums[place] = multiply_add(f, dtype, left, vector, sums[place])
            loop.next = [at + step, f.element(vectors, following, ty), *sums]
        sums = loop.results[2:]
        places = [f.element(c, below * i + j, ty) for i in range(rows) for j in range(0, width, n)]
        with f.when(more.ne(0)):
            for x, place in zip(sums, places, strict=True):
                f.store(add(dtype, f.load(x.ty, place), x), place)
            f.ret()
        for x, place in zip(sums, places, strict=True):
            f.store(x, place)
        f.ret()
