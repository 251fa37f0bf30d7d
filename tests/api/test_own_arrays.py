"""An array of its own that a function writes to between its uses is at each use what it was then, staged or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([0.5, -1.0, 2.0])


def scratch(x: Any) -> Any:
    """Three times the sum of x, by an array that is written to between its uses and after them."""
    pad = np.zeros(3)
    total = 0.0
    for i in range(3):
        pad[:] = i
        total = total + (x * pad).sum()
    pad[:] = 100.0
    return total


RUNS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "staged": (lambda f: cr.jit(f)(X), 4.5),
    "gradient staged": (lambda f: cr.jit(cr.grad(f))(X), [3.0] * 3),
    "gradient of staged": (lambda f: cr.grad(cr.jit(f))(X), [3.0] * 3),
    "gradient": (lambda f: cr.grad(f)(X), [3.0] * 3),
    "linearized": (lambda f: cr.linearize(f, X)[1](X), 4.5),
    "tangent": (lambda f: cr.jvp(f, (X,), (X,))[1], 4.5),
    "loop": (lambda f: cr.scan(lambda c, x: (c + f(x), None), 0.0, X[None])[0], 4.5),
    "loop staged": (lambda f: cr.jit(lambda y: cr.scan(lambda c, x: (c + f(x), None), 0.0, y)[0])(X[None]), 4.5),
}


@pytest.mark.parametrize(("run", "want"), RUNS.values(), ids=RUNS)
def test_an_array_that_a_function_writes_to_between_its_uses(run: Any, want: Any) -> None:
    np.testing.assert_array_equal(run(scratch), want)
