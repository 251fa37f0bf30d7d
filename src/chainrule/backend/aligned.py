"""`block` and `empty`: memory that begins where a line of the cache does."""

from __future__ import annotations

import ctypes
import math
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Array

ALIGN: Final = 64

_LARGE: Final = 1 << 15
"""Bytes of an array from which on it matters where it begins."""


def block(nbytes: int) -> Array:
    """Bytes in no particular state, the first one at an address that ALIGN divides."""
    memory: Array = np.empty(nbytes + ALIGN, np.uint8)
    skip = -memory.ctypes.data % ALIGN
    return memory[skip : skip + nbytes]


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array in no particular state; a large one begins at an address that ALIGN divides.

    NumPy's begin 16 bytes behind such an address: every other vector that is written lies in two lines of the cache,
    and a line may be written to memory twice.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < _LARGE:
        return np.empty(shape, dtype)
    memory: Any = np.empty(nbytes + ALIGN, np.uint8)
    held: Any = (ctypes.c_char * memory.nbytes).from_buffer(memory)  # no array: a view of the result keeps the result
    return np.ndarray(shape, dtype, held, -ctypes.addressof(held) % ALIGN)
