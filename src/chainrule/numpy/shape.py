"""NumPy's functions that move elements."""

from __future__ import annotations

from typing import Any

from chainrule.ops import movement as ops


def permutation(ndim: int, axes: Any) -> tuple[int, ...]:
    """The axes of a transpose as NumPy writes them: nothing (reverse), one sequence, or numbers."""
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], int)) else axes
    return tuple(axis % ndim for axis in axes) if axes else tuple(range(ndim))[::-1]


def transpose(x: Any, axes: Any = None) -> Any:
    """x with its axes permuted (reversed where no order is given)."""
    return ops.transpose(x, axes=permutation(len(x.shape), (axes,)))


def reshape(x: Any, shape: Any, order: str = "C") -> Any:
    """x in another shape."""
    return ops.reshape(x, shape=tuple(shape))
