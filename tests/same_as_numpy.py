"""A function of chainrule.numpy compared with NumPy's: called with plain arrays, and staged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.api.jit import jit

ROUNDING = {"float32": 1e-5, "float64": 1e-12}


def check_same(ours: Callable[..., Any], theirs: Callable[..., Any], *operands: Any, dtype: Any = None) -> None:
    """Asserts that both give the same shape, dtype and, to rounding, value for these arrays, and that they stay as is.

    `dtype` is ours where it is not NumPy's (uint64 is none of ours).
    """
    before = [np.array(x) for x in operands]
    want = np.asarray(theirs(*operands))
    for way, found in (("plain", ours(*operands)), ("staged", jit(ours)(*operands))):
        assert type(found) is np.ndarray or isinstance(found, np.generic), (way, type(found))
        assert found.shape == want.shape, (way, found.shape, want.shape)
        assert found.dtype == (want.dtype if dtype is None else dtype), (way, found.dtype, want.dtype)
        rtol = ROUNDING.get(want.dtype.name, 0.0)
        np.testing.assert_allclose(found, want, rtol=rtol, atol=rtol, err_msg=way)
        for x in operands:
            assert not (want.size and isinstance(found, np.ndarray) and found is x), way
    for x, copy in zip(operands, before, strict=True):
        np.testing.assert_array_equal(x, copy)
