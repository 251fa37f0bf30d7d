"""Conversions between dtypes, and how numbers are held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_loops import loop

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.scalar import convert, from_memory, memory_type, register_type, to_memory
from chainrule.backend.llvm.values import F32, F64, I1, I8, I32, I64, PTR

DTYPES = tuple(np.dtype(t) for t in ("f4", "f8", "i4", "i8", "u1", "?"))
EDGES = (0.0, -0.0, 0.5, -0.5, 1.99, -1.99, 127.5, 255.9, 256.0, 300.7, -1.0, -200.0, 3e9, -3e9, 1e19, -1e19, 1e-40)
LIMITS = tuple(
    sign * (2.0**n + d) for n in (7, 8, 31, 32, 62, 63) for d in (-1.0, -0.5, 0.0, 0.5, 1.0) for sign in (1, -1)
)


def numbers(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if dtype.kind == "f":
        return np.array([*EDGES, *LIMITS, np.inf, -np.inf, np.nan], dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    info = np.iinfo(dtype)
    return np.concatenate([np.arange(max(info.min, -300), min(info.max, 300)), [info.min, info.max]]).astype(dtype)


def test_types_in_registers_and_in_memory() -> None:
    assert [register_type(d) for d in DTYPES] == [F32, F64, I32, I64, I8, I1]
    assert [memory_type(d) for d in DTYPES] == [F32, F64, I32, I64, I8, I8]


@pytest.mark.parametrize("source", DTYPES, ids=str)
@pytest.mark.parametrize("target", DTYPES, ids=str)
def test_conversions_are_numpys(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    """NumPy's on x86-64, where a float that does not fit becomes the smallest integer."""
    given = numbers(source)
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = (
            given.astype(np.int32).astype(np.uint8)
            if (source.kind, target.kind) == ("f", "u")
            else given.astype(target)
        )
    for lanes in (0, 8, 16):
        np.testing.assert_array_equal(loop("cast", [source], lanes, dtype=target.name)(given), wanted)


def test_what_is_converted_to_itself_stays() -> None:
    module = Module()
    with module.function("f", None, x=F32.of(8), flag=I1, byte=I8, place=PTR) as f:
        x, flag, byte, _ = f.arguments
        assert convert(f, x, DTYPES[0], DTYPES[0]) is x
        assert from_memory(f, x, DTYPES[0]) is x
        assert to_memory(f, byte, DTYPES[4]) is byte
        assert from_memory(f, byte, DTYPES[5]).ty == I1
        assert to_memory(f, flag, DTYPES[5]).ty == I8
        f.ret()
