"""Short words for nests that are written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.op import OPS
from chainrule.schedule.plan import Buffer, Compute, Place

F32, F64, BOOL = np.dtype("f4"), np.dtype("f8"), np.dtype("?")


class Arrays:
    """Memory that arrays are added to."""

    def __init__(self) -> None:
        self.memory: dict[Buffer, np.ndarray] = {}
        self.rng = np.random.default_rng(7)

    def new(self, *shape: int, dtype: np.dtype[Any] = F32) -> Place:
        """The place of a dense array of random elements."""
        size = int(np.prod(shape))
        elements = self.rng.standard_normal(size) * 3
        buffer = Buffer("arena", size * dtype.itemsize)
        self.memory[buffer] = (elements > 0 if dtype == BOOL else elements.astype(dtype)).view(np.uint8)
        steps = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
        return Place(buffer, dtype, tuple(steps))

    def read(self, place: Place, *shape: int) -> np.ndarray:
        """The elements of a dense array."""
        return self.memory[place.buffer].view(place.dtype).reshape(shape)


def stepped(place: Place, *strides: int, offset: int = 0) -> Place:
    """The same buffer with other strides."""
    return Place(place.buffer, place.dtype, strides, offset)


def apply(name: str, *operands: int, dtype: np.dtype[Any] = F32, **attrs: Any) -> Compute:
    return Compute(OPS[name], operands, attrs, dtype)
