"""The kernel that packs the right operand once for all workers, panel by panel, for products of many rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.frame import Frame, address, kernel_function, strides
from chainrule.backend.llvm.contract.layout import Layout
from chainrule.backend.llvm.contract.move import move
from chainrule.backend.llvm.contract.product import Matrix, Product
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.values import I64
from chainrule.schedule.plan import Buffer, Place

DType = np.dtype[Any]

LARGE: Final = 1 << 19
"""Bytes of a right operand that does not stay in the cache while it is read again for every block of rows."""


def worth_packing(product: Product, layout: Layout) -> bool:
    """Whether panels are packed once, and not by every block of rows: of large matrices of whole panels."""
    large = product.inner * product.columns * product.dtype.itemsize >= LARGE
    alone = not product.batch and layout.strips == 1 and layout.row_blocks > 1
    wide = layout.reading in ("rows", "columns") and product.columns % layout.width == 0
    return large and alone and wide and not layout.in_place


def pack_right(product: Product, layout: Layout, allocate: Callable[[int], Buffer]) -> tuple[Kernel, Product]:
    """The kernel that packs the right operand, and the product that reads it so.

    In packed memory the panels of `depth` rows, from row k on, are at k columns, one after another, and their rows too.
    """
    k, n, width, dtype, depth = product.inner, product.columns, layout.width, product.dtype, layout.depth
    assert layout.reading is not None, "what is read in place is not packed"
    chunks = -(-k // depth)
    place = Place(allocate(chunks * depth * n * dtype.itemsize), dtype, (n, depth))
    packed = Matrix(place, (), n, depth)
    routine = move(dtype, layout.reading, width, layout.shuffle)

    def write(module: Module, name: str) -> None:
        routine.declare(module)
        with kernel_function(module, name) as f:
            _write(f, routine.names[0], dtype, width, depth)
            f.ret(0)

    kernel = Kernel(
        structure=f"pack {width} {depth} {routine.structure}",
        write=write,
        pointers=(address(product.right), address(packed)),
        words=(n // width * chunks, chunks, k, n, *strides(product.right)),
        parts=n // width * chunks,
        nbytes=2 * k * n * dtype.itemsize,
        title="pack right",
        routines=(routine,),
    )
    return kernel, replace(product, right=packed)


def _write(f: Function, move: str, dtype: DType, width: int, depth: int) -> None:
    frame = Frame(f)
    units, chunks, length, columns = frame.words(4)
    source = frame.matrix(0, dtype, 0)
    target = frame.pointer(1)
    one, across = f.constant(1, I64), f.constant(width, I64)
    with frame.share(one, units) as loop:
        panel, chunk = frame.place(loop.index, [units, chunks])
        column, row = panel * width, chunk * depth
        rows = frame.least(length - row, depth)
        here = f.element(source.pointer, row * source.row + column * source.column, source.ty)
        there = f.element(target, row * columns + column * depth, source.ty)
        given = [here, source.row, source.column, rows, across, there, across, rows]
        f.run(move, *given)
