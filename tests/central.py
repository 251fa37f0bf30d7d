"""Gradients by central differences, for tests that ask whether a derivative is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 1e-6


def central_gradient(f: Callable[[Any], Any], x: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Returns (f(x + h e_i) - f(x - h e_i)) / 2h for every element i of x, in float64."""
    x = np.array(x, np.float64)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        ends = []
        for step in (STEP, -STEP):
            moved = x.copy()
            moved[i] += step
            ends.append(float(f(moved)))
        gradient[i] = (ends[0] - ends[1]) / (2 * STEP)
    return gradient


def relative_error(found: Any, true: Any) -> float:
    """Returns |found - true| / |true| in the Euclidean norm; NaN where there is one."""
    found, true = np.asarray(found, np.float64), np.asarray(true, np.float64)
    assert found.shape == true.shape
    return float(np.linalg.norm(found - true) / max(np.linalg.norm(true), 1e-12))
