"""What an element of a sum is: its type in registers and in memory, and the product, the sum and the zero of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.values import F32, F64, I8, I32, I64, Ty, Val

DType = np.dtype[Any]

_TYPES: Final = {"f4": F32, "f8": F64, "i4": I32, "i8": I64, "u1": I8, "b1": I8}


def element(dtype: DType) -> Ty:
    """The type of an element while it is summed, which is that in memory: a bool is a byte that is 0 or 1."""
    return _TYPES[dtype.kind + str(dtype.itemsize)]


def lanes(dtype: DType) -> int:
    """Elements of a vector of 64 bytes; 16 of narrower ones."""
    return 8 if dtype.itemsize == 8 else 16


def same_sums(x: DType, y: DType) -> DType:
    """The dtype of the sums of products of two dtypes, as NumPy has it."""
    return np.result_type(x, y)


def multiply_add(f: Function, dtype: DType, x: Val, y: Val, total: Val) -> Val:
    """x y + total: rounded once; of integers modulo their range; of bools whether any pair is true."""
    if dtype.kind == "f":
        return f.fma(x, y, total)
    return (x & y) | total if dtype.kind == "b" else x * y + total


def add(dtype: DType, x: Val, y: Val) -> Val:
    """x + y; of bools x or y."""
    return x | y if dtype.kind == "b" else x + y
