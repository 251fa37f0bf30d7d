"""What reductions combine by, and start from."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import pytest

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.scalar import combine, from_memory, identity, memory_type, to_memory
from chainrule.backend.llvm.target import target
from chainrule.backend.llvm.values import I64, PTR

NUMBERS = itertools.count()
DTYPES = tuple(np.dtype(t) for t in ("f4", "f8", "i4", "i8", "u1", "?"))
FOLDS = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}
LOGICAL = {"logical_or": np.logical_or, "logical_and": np.logical_and}
VALUES: dict[str, list[Any]] = {
    "f": [0.0, 1.5, -2.0, np.inf, -np.inf, np.nan],
    "i": [0, 1, -1, 2**31 - 1, -(2**31)],
    "u": [0, 1, 200, 255],
    "b": [False, True],
}


def native(name: str, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    module, label, dtype, ty = Module(), f"fold{next(NUMBERS)}", x.dtype, memory_type(x.dtype)
    with module.function(label, I64, x=PTR, y=PTR, out=PTR, count=I64) as f:
        *places, out, count = f.arguments
        with f.loop(0, count) as loop:
            first, second = (from_memory(f, f.load(ty, f.element(p, loop.index, ty)), dtype) for p in places)
            f.store(to_memory(f, combine(f, name, first, second), dtype), f.element(out, loop.index, ty))
        f.ret(0)
    (address,) = load(compile_text(str(module), target()), [label])
    found = np.empty_like(x)
    pointers = (v.ctypes.data for v in (x, y, found))
    ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, ctypes.c_int64)(address)(*pointers, x.size)
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FOLDS)
def test_folds_are_numpys(name: str, dtype: np.dtype[Any]) -> None:
    x, y = (v.ravel() for v in np.meshgrid(*[np.array(VALUES[dtype.kind], dtype)] * 2))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(native(name, x, y), FOLDS[name](x, y))


@pytest.mark.parametrize("name", LOGICAL)
def test_logical_folds(name: str) -> None:
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    np.testing.assert_array_equal(native(name, x, y), LOGICAL[name](x, y))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [*FOLDS, *LOGICAL])
def test_the_identity_changes_nothing(name: str, dtype: np.dtype[Any]) -> None:
    if name in LOGICAL and dtype.kind != "b":
        return
    x = np.array(VALUES[dtype.kind], dtype)
    start = np.full_like(x, identity(name, dtype))
    np.testing.assert_array_equal(native(name, start, x), x)
    np.testing.assert_array_equal(native(name, x, start), x)
