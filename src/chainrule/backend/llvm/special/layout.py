"""How a kernel sees arrays: few axes with merged extents, and a record that collects what the code reads in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.schedule.plan import Axes, Buffer, DType, Place
from chainrule.types import Shape

PART: Final = 8192
"""Elements that a part of a kernel has at least, where its work can be cut: a few microseconds."""


class Code(Protocol):
    """What writes a kernel: a frozen dataclass, whose fields say all that the code depends on."""

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""


@dataclass
class Record:
    """A kernel's pointers and words, in the order in which its code reads them."""

    pointers: list[tuple[Buffer, int]] = field(default_factory=list[tuple[Buffer, int]])
    words: list[int] = field(default_factory=list[int])

    def point(self, *places: Place) -> None:
        """Adds the addresses of the first elements."""
        self.pointers += [(place.buffer, place.offset * place.dtype.itemsize) for place in places]

    def count(self, *words: int | Axes) -> None:
        """Adds numbers, or all numbers of tuples."""
        for word in words:
            self.words += word if isinstance(word, tuple) else (word,)

    def kernel(self, code: Code, parts: int, title: str, nbytes: int, scratch: int = 0) -> Kernel:
        """The call of a kernel with this code."""
        structure = f"special {code}"  # the name of the class and all fields
        pointers, words = tuple(self.pointers), tuple(self.words)
        return Kernel(structure, code.write, pointers, words, parts, scratch, 0, nbytes, title=title)


def merged(shape: Shape, *strides: Axes) -> tuple[Axes, list[Axes]]:
    """The shape and strides of the same elements in the same order, with as few axes as do; at least one.

    Axes of length 1 go, and an axis joins the one before it where all strides step over the two as over one. Of no
    elements it is one axis of length 0.
    """
    if 0 in shape:
        return (0,), [(1,) for _ in strides]
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        if lengths and all(own[-1] == given[axis] * n for own, given in zip(steps, strides, strict=True)):
            lengths[-1] *= n
            for own, given in zip(steps, strides, strict=True):
                own[-1] = given[axis]
        else:
            lengths.append(n)
            for own, given in zip(steps, strides, strict=True):
                own.append(given[axis])
    if not lengths:
        return (1,), [(1,) for _ in strides]
    return tuple(lengths), [tuple(own) for own in steps]


def dense(shape: Shape) -> Axes:
    """The strides of an array in C order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def is_dense(place: Place, shape: Shape) -> bool:
    """Whether the elements lie in C order without gaps."""
    return 0 in shape or all(
        n == 1 or own == step for n, own, step in zip(shape, place.strides, dense(shape), strict=True)
    )


def whole(buffer: Buffer, dtype: DType, shape: Shape) -> Place:
    """A buffer as a dense array."""
    return Place(buffer, dtype, dense(shape))


def split(total: int, chunk: int) -> int:
    """The number of chunks."""
    return -(-total // chunk)


def without(axes: Sequence[int], dropped: Sequence[int]) -> Axes:
    """What is left of a shape or of strides."""
    return tuple(n for axis, n in enumerate(axes) if axis not in dropped)
