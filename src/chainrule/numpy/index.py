"""Indexing and item assignment, as functions."""

from __future__ import annotations

from typing import Any


def is_basic(key: Any) -> bool:
    """Whether the index is made of integers, slices, None and Ellipsis alone, so that NumPy gives a view."""
    raise NotImplementedError


def getitem(x: Any, key: Any) -> Any:
    """x[key]."""
    raise NotImplementedError


def setitem(x: Any, key: Any, value: Any) -> Any:
    """A copy of x with `value` at x[key]."""
    raise NotImplementedError
