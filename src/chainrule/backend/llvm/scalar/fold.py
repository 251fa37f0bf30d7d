"""Combining two values of a reduction, and what a reduction starts from."""

from __future__ import annotations

import math

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar.arithmetic import maximum, minimum
from chainrule.backend.llvm.scalar.convert import DType
from chainrule.backend.llvm.scalar.formula import where
from chainrule.backend.llvm.values import I1, I8, Val


def combine(f: Function, name: str, x: Val, y: Val) -> Val:
    """x and y of one type by add, multiply, maximum, minimum, logical_or or logical_and; a NaN wins.

    An i8 is unsigned. add of booleans is `or`, multiply `and`, as NumPy's.
    """
    boolean = x.ty.element == I1
    if name == "logical_or" or (boolean and name in ("add", "maximum")):
        return x | y
    if name == "logical_and" or (boolean and name in ("multiply", "minimum")):
        return x & y
    if name == "add":
        return x + y
    if name == "multiply":
        return x * y
    if x.ty.is_float:
        return maximum(x, y) if name == "maximum" else minimum(x, y)
    above = x.code.compare("ugt", x, y) if x.ty.element == I8 else x.gt(y)
    return where(above, x, y) if name == "maximum" else where(above, y, x)


def identity(name: str, dtype: DType) -> float | int | bool:
    """The number that changes nothing: what a reduction of no elements gives, and a partial one starts from."""
    if name in ("logical_or", "logical_and"):
        return name == "logical_and"
    if name in ("add", "multiply"):
        return dtype.type(name == "multiply").item()
    lowest = name == "maximum"
    if dtype.kind == "f":
        return -math.inf if lowest else math.inf
    if dtype.kind == "b":
        return not lowest
    info = np.iinfo(dtype)
    return int(info.min if lowest else info.max)
