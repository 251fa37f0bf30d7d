"""Elements in memory and in registers: loads and stores of runs, and conversions between dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar.convert import convert, from_memory, to_memory
from chainrule.backend.llvm.values import I1, I8, I32, I64, PTR, Val
from chainrule.schedule.plan import LANES, DType

RAW: Final = {1: I8, 4: I32, 8: I64}
"""Elements that are moved and not looked at, by their width."""

_VECTOR: Final = 32  # bytes that are copied at a time
_LONG: Final = 512  # bytes from which on a call of memcpy pays


def lanes(*dtypes: DType) -> int:
    """The lanes of a vector of elements of several dtypes."""
    return LANES[max(4, *(dtype.itemsize for dtype in dtypes))]


def changed(f: Function, x: Val, old: DType, new: DType) -> Val:
    """An element, or a vector of them, as it is in memory, in another dtype: as NumPy's astype."""
    if old == new:
        return x
    return to_memory(f, convert(f, from_memory(f, x, old), old, new), new)


def wide(f: Function, x: Val, dtype: DType) -> Val:
    """An integer as an i64."""
    return changed(f, x, dtype, np.dtype(np.int64))


def order_key(f: Function, bits: Val, dtype: DType, reverse: bool = False) -> Val:
    """A signed integer of an element's width that is ordered as NumPy orders the elements, NaN behind all others.

    `bits` are the element's, read as an integer. Zeros of both signs have one key, and so have all NaNs. `reverse`
    orders from the largest to the smallest; NaN stays behind. Integers can be compared without a branch.
    """
    largest = (1 << 8 * dtype.itemsize - 1) - 1
    if dtype.kind != "f":
        signed = bits ^ (largest + 1) if dtype.kind == "u" else bits
        return ~signed if reverse else signed
    infinity = {4: 0x7F800000, 8: 0x7FF0000000000000}[dtype.itemsize]
    magnitude, sign = bits & largest, bits >> (8 * dtype.itemsize - 1)
    folded = magnitude ^ sign
    key = sign - folded if reverse else folded - sign
    return f.select(magnitude.gt(infinity), f.constant(largest, key.ty), key)


def copy_run(f: Function, target: Val, source: Val, length: Val, width: int) -> None:
    """Copies `length` elements of `width` bytes that lie side by side."""
    ty = RAW[width]
    count = _VECTOR // width
    nbytes = length * width
    much = nbytes.ge(_LONG)
    with f.when(much):
        f.intrinsic("memcpy", None, target, source, nbytes, f.constant(0, I1), over=[PTR, PTR, I64])
    few = f.select(much, f.constant(0, I64), length)
    vectors = few - few.urem(count)
    with f.loop(0, vectors, count) as loop:
        f.store(f.load(ty.of(count), f.element(source, loop.index, ty)), f.element(target, loop.index, ty))
    with f.loop(vectors, few) as loop:
        f.store(f.load(ty, f.element(source, loop.index, ty)), f.element(target, loop.index, ty))


def each(f: Function, length: Val, count: int, body: Callable[[Val, int], None]) -> None:
    """`body(index, lanes)` for vectors of `count` elements, and for what is left one by one (`lanes` 0)."""
    vectors = length - length.urem(count)
    with f.loop(0, vectors, count) as loop:
        body(loop.index, count)
    with f.loop(vectors, length) as loop:
        body(loop.index, 0)
