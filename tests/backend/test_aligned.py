from __future__ import annotations

import gc

import numpy as np
import pytest

from chainrule.backend.aligned import ALIGN, block, empty


@pytest.mark.parametrize("nbytes", [1, 1000, 10**6])
def test_a_block_begins_where_a_line_does(nbytes: int) -> None:
    for _ in range(10):
        found = block(nbytes)
        assert found.nbytes == nbytes and found.ctypes.data % ALIGN == 0


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (7,), (200, 100), (5, 3000), (1, 10**6)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "bool"])
def test_an_array_is_as_numpy_makes_it(shape: tuple[int, ...], dtype: str) -> None:
    x = empty(shape, np.dtype(dtype))
    assert (type(x), x.shape, x.dtype) == (np.ndarray, shape, np.dtype(dtype))
    assert x.flags.c_contiguous and x.flags.writeable and x.flags.aligned
    x[...] = 1
    assert x.sum() == x.size
    assert x.nbytes < 1 << 15 or x.ctypes.data % ALIGN == 0


def test_a_view_keeps_the_array_it_is_of() -> None:
    x = empty((200, 100), np.dtype(np.float32))
    x[...] = 3
    y = x[1:].T
    assert y.base is x
    del x
    gc.collect()
    assert (y == 3).all()
