"""Where the elements of an input lie in memory: any strides, any alignment, and shared with other inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]


def _plain(x: Array, pick: Random) -> Array:
    return np.array(x)


def _fortran(x: Array, pick: Random) -> Array:
    return np.array(x, order="F")


def _permuted(x: Array, pick: Random) -> Array:
    order = pick.sample(range(x.ndim), x.ndim)
    return np.array(x.transpose(order), order="C").transpose([order.index(axis) for axis in range(x.ndim)])


def _reversed(x: Array, pick: Random) -> Array:
    turn = tuple(slice(None, None, pick.choice((1, -1, -1))) for _ in range(x.ndim))
    return np.array(x[(*turn, ...)])[(*turn, ...)]


def _strided(x: Array, pick: Random) -> Array:
    steps = [pick.choice((1, 2, 3)) for _ in range(x.ndim)]
    spacious = np.ones([n * step + step for n, step in zip(x.shape, steps, strict=True)], x.dtype)
    places = [slice(step - 1, step - 1 + n * step, step) for n, step in zip(x.shape, steps, strict=True)]
    out = spacious[(*places, ...)]
    out[...] = x
    return out


def _unaligned(x: Array, pick: Random) -> Array:
    memory = np.zeros(x.nbytes + x.itemsize, np.uint8)
    start = pick.randrange(1, max(2, x.itemsize))
    out = memory[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def _repeated(x: Array, pick: Random) -> Array:
    """One slice again and again, with a stride of zero: the elements are others."""
    if not x.ndim or not x.size:
        return np.array(x)
    axis = pick.randrange(x.ndim)
    return np.broadcast_to(np.take(x, [0], axis), x.shape)


def _swapped(x: Array, pick: Random) -> Array:
    """The bytes of each element in the order of other machines."""
    return x.astype(x.dtype.newbyteorder("S"))


_LAYOUTS: Final[tuple[tuple[Callable[[Array, Random], Array], int], ...]] = (
    (_plain, 10),
    (_fortran, 2),
    (_permuted, 2),
    (_reversed, 2),
    (_strided, 2),
    (_unaligned, 2),
    (_repeated, 1),
    (_swapped, 1),
)


def laid_out(x: Array, pick: Random, others: list[Array]) -> Array:
    """The elements of x somewhere in memory, or others of its type in the memory of one of the other inputs."""
    out = _shared(x, pick, others) if pick.random() < 0.1 else None
    if out is None:
        layout = pick.choices([layout for layout, _ in _LAYOUTS], [weight for _, weight in _LAYOUTS])[0]
        out = layout(x, pick)
    if pick.random() < 0.15:
        out = out.view()
        out.flags.writeable = False
    return out


def _shared(x: Array, pick: Random, others: list[Array]) -> Array | None:
    """A view of another input's memory with x's type: its elements in part, backwards, or transposed."""
    fits = [y for y in others if y.dtype is x.dtype and y.size >= x.size > 0 and y.flags.c_contiguous]
    if not fits:
        return None
    flat = pick.choice(fits).reshape(-1)
    start = pick.randrange(flat.size - x.size + 1)
    part = flat[start : start + x.size]
    if pick.random() < 0.3:
        part = part[::-1]
    if pick.random() < 0.3:
        return part.reshape(x.shape[::-1]).T
    return part.reshape(x.shape)


def plain(x: Any) -> Any:
    """The input contiguous, aligned and in this machine's byte order, in memory of its own; numbers as they are."""
    return np.array(x, x.dtype.newbyteorder("="), order="C") if isinstance(x, np.ndarray) else x


def shares_memory(x: Any, others: Sequence[Any]) -> bool:
    """Whether the array may share memory with one of the others."""
    return any(isinstance(y, np.ndarray) and np.may_share_memory(x, y) for y in others)
