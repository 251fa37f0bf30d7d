"""Arrays for tests of kernels: numbers of any dtype, with those that are ordered in a way of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
INDEX_DTYPES = ("int64", "int32", "uint8")


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Plain numbers."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0 if dtype == "uint8" else -100, 100, shape).astype(dtype)


def few(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Numbers of which many are equal; of floats zeros of both signs, infinities and NaNs, whose bits differ."""
    if not dtype.startswith("float"):
        return rng.integers(0, 4, shape).astype(dtype)
    chosen = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, -np.nan], dtype)
    return rng.choice(chosen, shape) if rng.random() < 0.5 else rng.choice(chosen[:6], shape)


def index(rng: np.random.Generator, shape: tuple[int, ...], n: int, dtype: str) -> np.ndarray[Any, Any]:
    """Indices of an axis of length n, negative ones too."""
    return rng.integers(0 if dtype == "uint8" else -n, n, shape).astype(dtype)
