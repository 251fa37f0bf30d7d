"""Nodes that combine elements: reductions, running ones, and contractions."""

from __future__ import annotations

from math import prod
from typing import Final

from chainrule.ir.graph import Value
from chainrule.ir.op import Op
from chainrule.testing.fuzz.builder import WORK, Builder
from chainrule.testing.fuzz.values import draw_dtype
from chainrule.types import Shape

Made = list[Value] | None

_FLOATING: Final = ("norm", "softmax", "logsumexp")
_FREE: Final = (1, 2, 3, 5, 8, 16, 17, 33)


def reduction(builder: Builder, op: Op) -> Made:
    """A node that reduces, or runs along, axes of a value."""
    pick = builder.pick
    one = "axis" in op.cases[0].attrs
    x = builder.some("f" if op.name in _FLOATING else "fiub", least=1 if one else pick.choice((0, 1, 1, 1)))
    if one:
        return builder.apply(op, (x,), axis=pick.randrange(x.type.ndim))
    axes = [axis for axis in range(x.type.ndim) if pick.random() < 0.6]
    pick.shuffle(axes)
    return builder.apply(op, (x,), axes=tuple(axes))


def contraction(builder: Builder, op: Op) -> Made:
    """A node of sums of products over any pairs of axes."""
    pick = builder.pick
    x = builder.some("fiub" if pick.random() < 0.35 else "f")
    axes = pick.sample(range(x.type.ndim), x.type.ndim)
    shared = pick.choice((0, 1, 1, 1, 1, 2)) if x.type.ndim else 0
    contract, batch = axes[:shared], axes[shared : shared + pick.choice((0, 0, 0, 1, 2))]
    if pick.random() < 0.1 and x.type.size * prod(x.shape[a] for a in axes[shared + len(batch) :]) < WORK:
        pairs = (tuple(contract), tuple(contract)), (tuple(batch), tuple(batch))
        return builder.apply(op, (x, x), contract=pairs[0], batch=pairs[1])
    other = _other(builder, x, contract, batch)
    if other is None:
        return None
    y, places = other
    pairs = (tuple(contract), tuple(places[: len(contract)])), (tuple(batch), tuple(places[len(contract) :]))
    given = x, y
    if pick.random() < 0.5:
        given, pairs = (y, x), tuple((b, a) for a, b in pairs)
    return builder.apply(op, given, contract=pairs[0], batch=pairs[1])


def _other(builder: Builder, x: Value, contract: list[int], batch: list[int]) -> tuple[Value, list[int]] | None:
    """The other operand, and for each contracted, then each batch axis of x the axis that it goes with."""
    pick = builder.pick
    paired = [x.shape[axis] for axis in (*contract, *batch)]
    found = builder.choose(lambda v: not v.type.weak and _places(v.shape, paired) is not None)
    if found is None or pick.random() < 0.5:
        room = builder.limit
        free: list[int] = []
        for _ in range(pick.choice((0, 1, 1, 1, 2))):
            free.append(pick.choice([n for n in _FREE if n * prod(free) * max(1, prod(paired)) <= room] or [1]))
        shape = [*paired, *free]
        pick.shuffle(shape)
        dtype = x.dtype if pick.random() < 0.8 else draw_dtype(pick)
        found = builder.like(tuple(shape), dtype)
    places = _places(found.shape, paired)
    if places is None:
        return None
    work = x.type.size * prod(n for axis, n in enumerate(found.shape) if axis not in places)
    return (found, places) if work <= WORK else None


def _places(shape: Shape, lengths: list[int]) -> list[int] | None:
    """A different axis of each of the lengths, in order."""
    left = list(range(len(shape)))
    found: list[int] = []
    for n in lengths:
        axis = next((axis for axis in left if shape[axis] == n), None)
        if axis is None:
            return None
        left.remove(axis)
        found.append(axis)
    return found
