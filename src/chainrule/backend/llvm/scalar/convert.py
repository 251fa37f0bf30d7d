"""How numbers of each dtype are held in registers and in memory, and conversions between them, as NumPy's `astype`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar.formula import where
from chainrule.backend.llvm.values import F32, F64, I1, I8, I32, I64, Ty, Val
from chainrule.types import BOOL, supported

DType = np.dtype[Any]

_REGISTERS: Final = {"float32": F32, "float64": F64, "int32": I32, "int64": I64, "uint8": I8, "bool": I1}


def register_type(dtype: DType) -> Ty:
    """The type of a value while it is computed with: a bool is an i1, a uint8 an i8."""
    return _REGISTERS[supported(dtype).name]


def memory_type(dtype: DType) -> Ty:
    """The type of an element of an array: a bool is a byte of 0 or 1."""
    return I8 if dtype == BOOL else register_type(dtype)


def from_memory(f: Function, x: Val, dtype: DType) -> Val:
    """What was loaded, as it is computed with."""
    return x.ne(0) if dtype == BOOL and x.ty.element == I8 else x


def to_memory(f: Function, x: Val, dtype: DType) -> Val:
    """A value, as it is stored."""
    return x.cast("zext", I8) if dtype == BOOL and x.ty.element == I1 else x


def convert(f: Function, x: Val, source: DType, target: DType) -> Val:
    """x in another dtype.

    A float becomes an integer by dropping what is behind the point. What does not fit, and NaN, becomes the smallest
    int32 or int64; to uint8 it goes through int32, of which it takes the low eight bits. So do x86-64's instructions,
    which NumPy uses there.
    """
    if source == target:
        return x
    to = register_type(target)
    if target == BOOL:
        return x.ne(0)
    if source == BOOL:
        return where(x, x.code.constant(1, to.of(x.ty.lanes)), 0)
    if source.kind == "f":
        if target.kind == "f":
            return x.cast("fpext" if to == F64 else "fptrunc", to)
        return _truncated(x, I32).cast("trunc", I8) if to == I8 else _truncated(x, to)
    if target.kind == "f":
        return x.cast("uitofp" if source.kind == "u" else "sitofp", to)
    if to.bits < x.ty.bits:
        return x.cast("trunc", to)
    return x.cast("zext" if source.kind == "u" else "sext", to)


def _truncated(x: Val, ty: Ty) -> Val:
    """The integer towards zero, and the smallest one for what does not fit."""
    limit = 2.0 ** (ty.bits - 1)
    lowest = -limit - 1.0 if x.ty.element == F64 and ty == I32 else -limit
    fits = (x.gt(lowest) if lowest != -limit else x.ge(lowest)) & x.lt(limit)
    whole = where(fits, x, 0.0).cast("fptosi", ty)
    return where(fits, whole, -(1 << (ty.bits - 1)))
