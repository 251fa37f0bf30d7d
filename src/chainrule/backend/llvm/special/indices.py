"""Arrays of indices in kernels: how they lie beside each other, and how an element's place is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import wide
from chainrule.backend.llvm.special.layout import Record, without
from chainrule.backend.llvm.special.walk import Frame
from chainrule.backend.llvm.values import I64, Val
from chainrule.ir.node import Node
from chainrule.schedule.plan import Axes, Place
from chainrule.types import Shape


@dataclass(frozen=True, eq=False)
class Indexed:
    """An array that is indexed along `axes`: `shape` is that of the indices together, `rest` of its other axes.

    `steps` are the strides of each array of indices along the axes of `shape`.
    """

    places: tuple[Place, ...]
    axes: Axes
    lengths: Axes
    shape: Shape
    rest: Shape
    steps: list[Axes]

    def record(self, record: Record, strides: Axes) -> None:
        """Adds what `place` reads: addresses of the indices, lengths and strides of the axes that are indexed."""
        record.point(*self.places)
        record.count(self.lengths, tuple(strides[axis] for axis in self.axes))

    @property
    def names(self) -> tuple[str, ...]:
        """The dtypes of the indices."""
        return tuple(str(place.dtype.name) for place in self.places)


def indexed(node: Node, places: Sequence[Place], first: int) -> Indexed:
    """What a node indexes; its inputs from number `first` on are the indices."""
    shapes = [value.shape for value in node.inputs[first:]]
    shape = np.broadcast_shapes(*shapes)
    axes: Axes = node.attrs["axes"]
    x = node.inputs[0].shape
    steps = [broadcast_strides(place.strides, own, shape) for place, own in zip(places[first:], shapes, strict=True)]
    lengths = tuple(x[axis] for axis in axes)
    return Indexed(tuple(places[first:]), axes, lengths, shape, without(x, axes), steps)


def broadcast_strides(strides: Axes, own: Shape, shape: Shape) -> Axes:
    """Strides along the axes of a shape that an array is broadcast to."""
    given = [0 if n == 1 else step for n, step in zip(own, strides, strict=True)]
    return (*[0] * (len(shape) - len(own)), *given)


@dataclass(frozen=True, eq=False)
class Indices:
    """The arrays of indices while a kernel is written."""

    pointers: list[Val]
    lengths: list[Val]
    strides: list[Val]
    dtypes: list[np.dtype[np.generic]]

    @staticmethod
    def read(frame: Frame, names: Sequence[str]) -> Indices:
        """What `Indexed.record` has written."""
        count = len(names)
        pointers = [frame.pointer() for _ in names]
        return Indices(pointers, frame.words(count), frame.words(count), [np.dtype(name) for name in names])

    def place(self, f: Function, offsets: Sequence[Val], position: Val) -> Val:
        """The place along the indexed axes; leaves the kernel with 1 + `position` where an index is out of range."""
        parts: list[Val] = []
        wrong: list[Val] = []
        for pointer, length, stride, dtype, offset in zip(
            self.pointers, self.lengths, self.strides, self.dtypes, offsets, strict=True
        ):
            ty = memory_type(dtype)
            index = wide(f, f.load(ty, f.element(pointer, offset, ty)), dtype)
            if dtype.kind == "i":
                index = f.select(index.lt(0), index + length, index)
            wrong.append(index.uge(length))
            parts.append(index * stride)
        if wrong:
            with f.when(reduce(Val.__or__, wrong)):
                f.ret(position + 1)
        return reduce(Val.__add__, parts, f.constant(0, I64))
