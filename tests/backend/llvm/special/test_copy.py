"""Copies: every layout to every other one, dtype to dtype, in any split, writing what they should and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from special_kernels import Guarded, at_once, call, drawn, layouts, one_by_one

from chainrule.backend.llvm.special import copy_kernel

Array = np.ndarray[Any, Any]

SHAPES = ((), (1,), (0,), (7,), (20000,), (70, 33), (128, 200), (3, 0, 2), (4, 70, 33), (2, 3, 4, 5), (65, 1, 66))
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
TARGETS: tuple[Callable[[Array], Array], ...] = (
    lambda x: x,
    lambda x: x.copy(order="F"),
    lambda x: x[::-1] if x.ndim else x,
    lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
)


def written(x: Array, dtype: str, target: Callable[[Array], Array]) -> None:
    """Raises unless the copy has the elements of x, and what lies between them is as it was."""
    rng = np.random.default_rng(0)
    for splits, poison in ((at_once, 0xA5), (one_by_one, 0x5A), (drawn(rng), 0xFF)):
        memory = Guarded(poison)
        source, place = memory.place(x), memory.place(target(np.zeros(x.shape, dtype)))
        raw = memory.inside(place.buffer)
        raw[:] = poison
        assert call(copy_kernel(source, place, x.shape), memory, splits) == 0
        memory.check()
        expected = np.full(raw.shape, poison, np.uint8)
        if x.size:
            size = np.dtype(dtype).itemsize
            strides = [step * size for step in place.strides]
            np.ndarray(x.shape, dtype, expected.data, place.offset * size, strides)[...] = x
        assert (raw == expected).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_layout_to_any_other(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    for dtype in ("float32", "float64", "uint8"):
        for x in layouts((rng.normal(size=shape) * 50).astype(np.int8).astype(dtype)):
            for target in TARGETS:
                written(x, dtype, target)


@pytest.mark.parametrize(("old", "new"), list(product(DTYPES, repeat=2)))
def test_any_dtype_to_any_other(old: str, new: str) -> None:
    rng = np.random.default_rng(2)
    for shape in ((), (7,), (9000,), (20, 33)):
        for x in layouts((rng.random(shape) * 100).astype(old)):
            written(x, new, TARGETS[0])


def test_the_bits_of_a_nan_stay() -> None:
    x = np.array([0x7FC01234, 0xFFA00001, 0x80000000], np.uint32).view(np.float32)
    written(x, "float32", TARGETS[0])
    written(x[::-1], "float32", TARGETS[0])
