"""Shapes to compute with: lengths around the widths of vectors, none, one, and now and then many elements."""

from __future__ import annotations

from math import prod
from random import Random
from typing import Final

from chainrule.types import Shape

LENGTHS: Final = (1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100)
"""What the lengths of axes are drawn from: small ones, and those around multiples of a vector's width."""

SCALES: Final = ((512, 0.86), (4096, 0.11), (100_000, 0.03))
"""How many elements an array of a graph may have at most, and for which share of the graphs."""

SIZE_CLASSES: Final = ((0, "0"), (1, "1"), (16, "2-16"), (256, "17-256"), (4096, "257-4096"))
LARGEST_CLASS: Final = "4097-"


def size_class(size: int) -> str:
    """The name of the class that a number of elements is counted in."""
    return next((name for most, name in SIZE_CLASSES if size <= most), LARGEST_CLASS)


def draw_scale(pick: Random) -> int:
    """How many elements the arrays of one graph may have."""
    return pick.choices([limit for limit, _ in SCALES], [share for _, share in SCALES])[0]


def draw_shape(pick: Random, limit: int, least: int = 0, most: int = 4) -> Shape:
    """A shape with `least` to `most` axes, of at most `limit` elements."""
    ndim = max(least, min(most, pick.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4))))
    if ndim and pick.random() < 0.04:
        return tuple(0 if axis == 0 else pick.choice(LENGTHS[:6]) for axis in pick.sample(range(ndim), ndim))
    if ndim and limit > SCALES[0][0] and pick.random() < 0.5:
        return _long_shape(pick, limit, ndim)
    lengths: list[int] = []
    for _ in range(ndim):
        room = limit // prod(lengths)
        lengths.append(pick.choice([n for n in LENGTHS if n <= room] or [1]))
    pick.shuffle(lengths)
    return tuple(lengths)


def _long_shape(pick: Random, limit: int, ndim: int) -> Shape:
    """A shape with about as many elements as there may be; no length is a round number."""
    lengths = [pick.choice(LENGTHS[1:]) for _ in range(ndim - 1)]
    while prod(lengths) > limit // 4:
        lengths[lengths.index(max(lengths))] = 2
    lengths.append(max(1, limit // prod(lengths) - pick.randrange(9)))
    pick.shuffle(lengths)
    return tuple(lengths)


def narrowed(pick: Random, shape: Shape) -> Shape:
    """A shape that broadcasts to `shape`: some axes of length 1, some in front left out."""
    kept = shape[pick.randrange(len(shape) + 1) :]
    return tuple(1 if pick.random() < 0.4 else n for n in kept)


def broadcasts(shape: Shape, target: Shape) -> bool:
    """Whether an array of `shape` broadcasts to `target`, which keeps its shape."""
    return len(shape) <= len(target) and all(a in (1, b) for a, b in zip(shape[::-1], target[::-1], strict=False))
