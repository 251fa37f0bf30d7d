"""`object_layout`: where in array objects what is, as far as a self-test finds it to be so in this process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.runtime.reading import ALIGNED, C_CONTIGUOUS, WRITEABLE, ObjectLayout

_FIELDS: Final = 56
"""Bytes of the fields behind an array's head, up to its flags."""


@cache
def object_layout() -> ObjectLayout | None:
    """The layout that native code may read arrays by; None where they are not laid out as is known."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    layout = ObjectLayout(object.__basicsize__, tuple.__basicsize__)
    known = np.ndarray.__basicsize__ >= layout.head + _FIELDS and float.__basicsize__ == layout.head + 8
    return layout if known and _tuples(layout) and all(_as_laid_out(a, layout) for a in _samples()) else None


def _samples() -> Iterator[np.ndarray[Any, Any]]:
    """Arrays of several dtypes, numbers of axes, strides and flags."""
    for dtype in (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_):
        yield np.zeros((2, 3), dtype)
    whole = np.zeros((3, 4, 5), np.float32)
    yield from (whole, whole.T, whole[::-1, 1:, ::2], whole[0, 0, 0, ...], whole[:, :0], np.zeros((1,) * 20))
    yield np.broadcast_to(np.float64(1.0), (2, 7))
    yield np.zeros(9, np.uint8)[1:].view(np.float64)
    yield np.asfortranarray(whole)


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def _integer(address: int) -> int:
    return ctypes.c_int32.from_address(address).value


def _as_laid_out(array: np.ndarray[Any, Any], layout: ObjectLayout) -> bool:
    """Whether the fields of an array are where they should be. A pointer is followed only if all else is right."""
    place = id(array)
    flags = _integer(place + layout.flags)
    shape = _word(place + layout.shape)
    bits = (C_CONTIGUOUS, array.flags.c_contiguous), (ALIGNED, array.flags.aligned), (WRITEABLE, array.flags.writeable)
    plain = (
        _word(place + layout.kind) == id(type(array))
        and _word(place + layout.data) == array.ctypes.data
        and _integer(place + layout.ndim) == array.ndim
        and _word(place + layout.dtype) == id(array.dtype)
        and all(bool(flags & bit) == is_set for bit, is_set in bits)
    )
    if not plain or array.ndim == 0:
        return plain
    numbers = (ctypes.c_int64 * (2 * array.ndim)).from_address(shape)
    beside = _word(place + layout.strides) == shape + 8 * array.ndim  # NumPy keeps both in one block
    return beside and tuple(numbers) == (*array.shape, *array.strides)


def _tuples(layout: ObjectLayout) -> bool:
    """Whether tuples, floats and counts of references are as they should be."""
    number = 1.5
    items: tuple[Any, ...] = (object(), number, np.zeros(1))
    place = id(items)
    first = place + layout.items
    plain = _word(place + layout.kind) == id(tuple) and _word(place + layout.head) == len(items)
    if not plain or [_word(first + 8 * n) for n in range(3)] != [id(item) for item in items]:
        return False
    counts = [_integer(id(items[2]))]
    other = [items[2]] * 3
    counts.append(_integer(id(items[2])))
    other.clear()
    counts.append(_integer(id(items[2])))
    return counts == [1, 4, 1] and ctypes.c_double.from_address(id(number) + layout.head).value == number
