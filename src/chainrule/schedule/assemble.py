"""What is written part by part, and what is not written at all: joined and padded arrays; constants and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.ir.graph import ArrayRef, Node
from chainrule.ir.op import Op
from chainrule.ops.movement import concatenate, iota, pad, slice_set
from chainrule.schedule.plan import Buffer, Place
from chainrule.schedule.views import Base, View, dense, whole
from chainrule.types import Shape

Parts = list[tuple[View, Place]]


def known_numbers(node: Node) -> View:
    """A constant, `full` or `iota`: nothing in memory so far."""
    type = node.types[0]
    if node.op is iota and type.shape != (1,):
        return whole(Base(type.shape, type.dtype, counts=True))
    value: Any = node.attrs["value"] if node.op is not iota else 0
    if isinstance(value, ArrayRef):
        buffer = Buffer("constant", type.nbytes, array=value.array)
        return whole(Base(type.shape, type.dtype, place=Place(buffer, type.dtype, dense(type.shape))))
    number: Any = type.dtype.type(value) if not type.weak else value
    base = Base((), type.dtype, type.weak, number=number)
    return View(base, type.shape, (None,) * len(type.shape), ())


def _concatenated(operands: Sequence[View], target: Place, shape: Shape, axis: int) -> Parts:
    start = 0
    parts: Parts = []
    for view in operands:
        parts.append((view, _part(target, axis, start)))
        start += view.shape[axis]
    return parts


def _part(target: Place, axis: int, start: int) -> Place:
    return Place(target.buffer, target.dtype, target.strides, target.offset + start * target.strides[axis])


def _padded(operands: Sequence[View], target: Place, shape: Shape, widths: Sequence[tuple[int, int]]) -> Parts:
    x, y = operands
    around = View(y.base, shape, (None,) * len(shape), y.starts)
    offset = target.offset + sum(before * stride for (before, _), stride in zip(widths, target.strides, strict=True))
    return [(around, target), (x, Place(target.buffer, target.dtype, target.strides, offset))]


def _overwritten(
    operands: Sequence[View], target: Place, shape: Shape, starts: Shape, stops: Shape, steps: Shape
) -> Parts:
    x, y = operands
    offset = target.offset + sum(a * b for a, b in zip(starts, target.strides, strict=True))
    strides = tuple([a * b for a, b in zip(steps, target.strides, strict=True)])
    return [(x, target), (y, Place(target.buffer, target.dtype, strides, offset))]


ASSEMBLED: Final[dict[Op, Callable[..., Parts]]] = {
    concatenate: _concatenated,
    pad: _padded,
    slice_set: _overwritten,
}
"""Which views are written where, in order, for the result to be whole."""
