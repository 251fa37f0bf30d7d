"""Axes as NumPy's functions take them, made canonical: different and not negative."""

from __future__ import annotations

from functools import lru_cache
from operator import index

from chainrule.errors import ShapeError, message
from chainrule.where import user_location

Axis = int | tuple[int, ...] | None


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes that `axis` names: all of them (None), one, or several."""
    return _axes_of(ndim, axis if axis is None or isinstance(axis, int) else tuple(axis))


def axis_of(ndim: int, axis: int) -> int:
    """The one axis that `axis` names."""
    return _axes_of(ndim, index(axis))[0]


@lru_cache(maxsize=1024)
def _axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    given = [index(i) for i in (axis if isinstance(axis, tuple) else (axis,))]
    if not all(-ndim <= i < ndim for i in given):
        expected = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis of a number"
        raise ShapeError(message(expected, axis, user_location(), "axis=-1 for the last axis" if ndim else "axis=None"))
    found = tuple([i % ndim for i in given])
    if len(set(found)) != len(found):
        raise ShapeError(message("every axis once", axis, user_location(), "naming each once"))
    return found
