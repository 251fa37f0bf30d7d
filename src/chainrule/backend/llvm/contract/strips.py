"""The kernel that adds up the sums of strips, in their order, and finishes the result."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import add, element, lanes
from chainrule.backend.llvm.contract.finish import Ending, Spot, ending_of, write_ending
from chainrule.backend.llvm.contract.frame import Frame, address, kernel_function, strides
from chainrule.backend.llvm.contract.product import Matrix, Product
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.values import I64, Val

DType = np.dtype[Any]

LINES: Final = 4096
"""Elements of one part."""


def add_strips(product: Product, partial: Matrix, strips: int, apart: int) -> Kernel:
    """The kernel for sums at `partial`, those of each strip `apart` elements behind those of the one before."""
    ending = ending_of(product, across=True)
    batch = len(product.batch)
    lines = prod(product.batch) * product.rows
    group = min(lines, max(1, LINES // product.columns))
    words = [lines, group, strips, apart, product.columns, *product.batch, product.rows]
    for matrix in (partial, *product.others):
        words += strides(matrix)
    words += ending.words

    def write(module: Module, name: str) -> None:
        with kernel_function(module, name) as f:
            _write(f, ending, batch)
            f.ret(0)

    return Kernel(
        structure=f"add strips {product.dtype} {batch} {ending.structure}",
        write=write,
        pointers=tuple([address(matrix) for matrix in (partial, *product.others)]),
        words=tuple(words),
        parts=-(-lines // group),
        operations=lines * product.columns * (strips - 1),
        nbytes=lines * product.columns * strips * product.dtype.itemsize,
        title="add strips",
    )


def _write(f: Function, ending: Ending, batch: int) -> None:
    frame = Frame(f)
    dtype, vector = ending.dtype, element(ending.dtype).of(lanes(ending.dtype))
    count, group, strips, apart, columns, *lengths = frame.words(6 + batch)
    partial = frame.matrix(0, dtype, batch)
    others = [frame.matrix(i, kind, batch) for i, kind in enumerate(ending.dtypes, 1)]
    numbers = frame.read
    with frame.share(group, count) as loop:
        *places, row = frame.place(loop.index, lengths)
        source = f.element(partial.at(places), row * partial.row, partial.ty)
        spots = [Spot(f.element(x.at(places), row * x.row, x.ty), f.constant(0, I64), x.column) for x in others]

        def sums(_: Val, at: Val) -> Val:
            first = f.element(source, at, partial.ty)
            with f.loop(1, strips, 1, [f.load(vector, first)]) as strip:
                further = f.load(vector, f.element(first, strip.index * apart, partial.ty))
                strip.next = [add(dtype, strip.carried[0], further)]
            return strip.results[0]

        write_ending(f, ending, spots, sums, (f.constant(1, I64), columns), numbers)
