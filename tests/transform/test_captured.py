"""A staged derivative follows the arrays that its function found outside, wherever its rules read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

W = np.array([1.0, 2.0])
POINT = np.array([0.2, 0.9])
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "quotient": lambda x: (np.sin(x) / W).sum(),
    "matrix product": lambda x: np.tanh(x @ W),
    "loop": lambda x: cr.scan(lambda h, _: (np.sin(h) * x / W, None), x, length=3)[0].sum(),
    "loop over the array": lambda x: cr.scan(lambda h, w: (np.sin(h) * w, h / w), x, W)[1].sum(),
    "gradient by a plain array": lambda x: np.sin(
        cr.grad(lambda y: cr.scan(lambda h, _: (np.sin(h * x) * y / W, None), y, length=2)[0].sum())(POINT) * x
    ).sum(),
    "staged function inside": lambda x: (x * cr.jit(cr.grad(lambda y: (y**2 / W).sum()))(x)).sum(),
}
DERIVATIVES: dict[str, Callable[..., Any]] = {
    "reverse": cr.grad,
    "forward": lambda f: lambda x: cr.jvp(f, (x,), (x + 1.0,))[1],
    "reverse over reverse": lambda f: cr.grad(lambda x: (cr.grad(f)(x) * x).sum()),
    "forward over reverse": lambda f: lambda x: cr.jvp(cr.grad(f), (x,), (x + 1.0,))[1],
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES)
def test_an_array_written_to_after_staging_is_seen(f: Any, derivative: Any) -> None:
    staged, eager = cr.jit(derivative(f)), derivative(f)
    x = np.array([0.3, 0.7])
    before = staged(x)
    assert np.allclose(before, eager(x), rtol=1e-12)
    W[...] = W * 2.0 + 1.0
    try:
        assert np.allclose(staged(x), eager(x), rtol=1e-12) and not np.allclose(staged(x), before)
    finally:
        W[...] = [1.0, 2.0]
