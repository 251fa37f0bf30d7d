"""`View`: an array as a base seen with other axes. Transposing, cutting, reversing and repeating moves no element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Node
from chainrule.ir.op import Op
from chainrule.ops.movement import broadcast_to, flip, reshape, slice_, transpose
from chainrule.schedule.plan import Buffer, Place
from chainrule.types import Shape

Dim = tuple[int, int] | None

OUTSIDE: Final = -(1 << 41)
"""The position of what is there before anything runs."""


@dataclass(eq=False)
class Base:
    """A value that has elements of its own: in memory (`place`), computed (`member` of a group), or one number.

    `position` is that of the item that makes it: later items can read it.
    """

    shape: Shape
    dtype: np.dtype[Any]
    weak: bool = False
    position: int = OUTSIDE
    place: Place | None = None
    member: Any = None
    number: Any = None
    counts: bool = False  # 0, 1, 2, ... along its one axis


@dataclass(frozen=True, eq=False)
class View:
    """A base's elements: along axis j of the view those of axis `dims[j][0]` of the base, every `dims[j][1]`-th.

    None for an axis along which it is the same. `starts` are the first indices along the axes of the base.
    """

    base: Base
    shape: Shape
    dims: tuple[Dim, ...]
    starts: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether it is the base as it is."""
        return self.shape == self.base.shape and all(
            dim == (axis, 1) or self.shape[axis] == 1 for axis, dim in enumerate(self.dims)
        )


def whole(base: Base) -> View:
    """The base itself."""
    return View(base, base.shape, tuple([(axis, 1) for axis in range(len(base.shape))]), (0,) * len(base.shape))


def dense(shape: Shape) -> tuple[int, ...]:
    """The strides of an array whose elements lie in row-major order, one behind the other."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(1, shape[axis + 1])
    return tuple(strides)


def is_dense(place: Place, shape: Shape) -> bool:
    """Whether the elements lie in row-major order, one behind the other; strides along axes of length 1 count not."""
    pairs = zip(place.strides, dense(shape), shape, strict=True)
    return all(stride == wanted or n == 1 for stride, wanted, n in pairs) or not math.prod(shape)


def located(view: View, place: Place) -> Place:
    """Where the view's elements are, if `place` is where the base's are."""
    strides = [0 if dim is None else dim[1] * place.strides[dim[0]] for dim in view.dims]
    offset = place.offset + sum(a * b for a, b in zip(view.starts, place.strides, strict=True))
    return Place(place.buffer, place.dtype, tuple(strides), offset)


def moved(view: View, node: Node) -> View | None:
    """The view that an operation makes of another one; None where it needs the elements in another order."""
    return _MOVES[node.op](view, **node.attrs)


def is_move(op: Op) -> bool:
    """Whether the operation may be a view of its operand."""
    return op in _MOVES


def _transpose(view: View, axes: tuple[int, ...]) -> View:
    shape, dims = tuple([view.shape[a] for a in axes]), tuple([view.dims[a] for a in axes])
    return View(view.base, shape, dims, view.starts)


def _broadcast(view: View, shape: Shape) -> View:
    missing = len(shape) - len(view.shape)
    old = zip(view.dims, view.shape, shape[missing:], strict=True)
    dims = (None,) * missing + tuple([dim if n == m else None for dim, n, m in old])
    return View(view.base, shape, dims, view.starts)


def _slice(view: View, starts: Shape, stops: Shape, steps: Shape) -> View:
    first = list(view.starts)
    dims: list[Dim] = []
    for dim, start, step in zip(view.dims, starts, steps, strict=True):
        if dim is not None:
            first[dim[0]] += start * dim[1]
        dims.append(None if dim is None else (dim[0], dim[1] * step))
    shape = tuple([-((a - b) // c) for a, b, c in zip(starts, stops, steps, strict=True)])
    return View(view.base, shape, tuple(dims), tuple(first))


def _flip(view: View, axes: tuple[int, ...]) -> View:
    first = list(view.starts)
    dims = list(view.dims)
    for axis in axes:
        dim = dims[axis]
        if dim is not None:
            first[dim[0]] += (view.shape[axis] - 1) * dim[1]
            dims[axis] = (dim[0], -dim[1])
    return View(view.base, view.shape, tuple(dims), tuple(first))


def _reshape(view: View, shape: Shape) -> View | None:
    """Axes of length 1 come and go; one that has another in its place is that one."""
    if [n for n in view.shape if n != 1] != [n for n in shape if n != 1]:
        return None
    old = list(zip(view.shape, view.dims, strict=True))
    dims: list[Dim] = []
    for n in shape:
        while n != 1 and old[0][0] == 1:
            old.pop(0)
        dims.append(old.pop(0)[1] if old and old[0][0] == n else None)
    return View(view.base, shape, tuple(dims), view.starts)


_MOVES: Final[dict[Op, Any]] = {
    transpose: _transpose,
    broadcast_to: _broadcast,
    slice_: _slice,
    flip: _flip,
    reshape: _reshape,
}


def reshaped(place: Place, old: Shape, new: Shape) -> Place | None:
    """The place of the same elements in another shape; None where no strides say that."""
    if not math.prod(old):
        return Place(place.buffer, place.dtype, dense(new), place.offset)
    one = np.zeros((), np.int8)
    seen = np.lib.stride_tricks.as_strided(one, old, place.strides)
    try:
        found = np.reshape(seen, new, copy=False)
    except ValueError:
        return None
    return Place(place.buffer, place.dtype, found.strides, place.offset)


def arena(shape: Shape, dtype: np.dtype[Any]) -> Place:
    """A dense array in a new buffer of the arena."""
    return Place(Buffer("arena", math.prod(shape) * dtype.itemsize), dtype, dense(shape))


def strides_over(domain: Sequence[int | None], place: Place) -> tuple[int, ...]:
    """The strides over a nest's axes: `domain[i]` is the axis of the place that axis i goes along."""
    return tuple([0 if axis is None else place.strides[axis] for axis in domain])
