"""Nodes that move elements: maps of indices, scatters, random numbers, sorting."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import CONSTANT, INPUT, Value
from chainrule.ir.op import Op
from chainrule.ops.order import argsort, sort
from chainrule.testing.fuzz.builder import Builder
from chainrule.testing.fuzz.elementwise import within
from chainrule.testing.fuzz.shapes import LENGTHS, draw_shape
from chainrule.testing.fuzz.values import draw_array, draw_dtype
from chainrule.types import DTYPES, INT64, Shape

Made = list[Value] | None

# --- maps of indices --------------------------------------------------------------------------------------------------


def _reshape(builder: Builder, op: Op) -> Made:
    x = builder.some()
    return builder.apply(op, (x,), shape=_other_shape(builder, x.shape))


def _other_shape(builder: Builder, shape: Shape) -> Shape:
    """Axes merged, split, and axes of length 1 put in."""
    pick, out = builder.pick, list(shape)
    for _ in range(pick.randint(1, 3)):
        if len(out) > 1 and pick.random() < 0.5:
            place = pick.randrange(len(out) - 1)
            out[place : place + 2] = [out[place] * out[place + 1]]
        elif len(out) < 4:
            place = pick.randrange(len(out) + 1)
            n = out[place] if place < len(out) else 1
            divisors = [d for d in (1, 2, 3, 4, 5, 8) if n % d == 0]
            d = pick.choice(divisors)
            out[place : place + 1] = [d, n // d]
    return () if out == [1] and pick.random() < 0.5 else tuple(out)


def _transpose(builder: Builder, op: Op) -> Made:
    x = builder.some(least=builder.pick.choice((0, 2, 2, 2)))
    return builder.apply(op, (x,), axes=tuple(builder.pick.sample(range(x.type.ndim), x.type.ndim)))


def _broadcast(builder: Builder, op: Op) -> Made:
    x, pick = builder.some(), builder.pick
    shape = [pick.choice((1, 2, 3, 8, 17, 0)) if n == 1 and pick.random() < 0.7 else n for n in x.shape]
    front = [pick.choice((1, 2, 3, 7, 16)) for _ in range(pick.randrange(3))]
    return builder.apply(op, (x,), shape=(*front, *shape))


def _slices(builder: Builder, shape: Shape) -> dict[str, Any]:
    pick = builder.pick
    rows: list[tuple[int, int, int]] = []
    for n in shape:
        a, b = sorted((pick.randint(0, n), pick.randint(0, n)))
        whole = pick.random() < 0.3
        rows.append((0 if whole else a, n if whole or b == a else b, pick.choice((1, 1, 1, 2, 3))))
    starts, stops, steps = zip(*rows, strict=True) if rows else ((), (), ())
    return {"starts": starts, "stops": stops, "steps": steps}


def _slice(builder: Builder, op: Op) -> Made:
    x = builder.some(least=builder.pick.choice((0, 1, 1, 1)))
    return builder.apply(op, (x,), **_slices(builder, x.shape))


def _slice_set(builder: Builder, op: Op) -> Made:
    x = builder.some(least=builder.pick.choice((0, 1, 1, 1)))
    attrs = _slices(builder, x.shape)
    rows = zip(*attrs.values(), strict=True)
    dtype = x.dtype if builder.pick.random() < 0.6 else draw_dtype(builder.pick)
    return builder.apply(op, (x, builder.like(tuple(-((a - b) // c) for a, b, c in rows), dtype)), **attrs)


def _flip(builder: Builder, op: Op) -> Made:
    x = builder.some(least=builder.pick.choice((0, 1, 1, 1)))
    axes = [axis for axis in range(x.type.ndim) if builder.pick.random() < 0.6]
    return builder.apply(op, (x,), axes=tuple(axes))


def _concatenate(builder: Builder, op: Op) -> Made:
    pick, first = builder.pick, builder.some(least=1)
    axis = pick.randrange(first.type.ndim)
    parts = [first]

    def joins(value: Value) -> bool:
        rest, other = list(first.shape), list(value.shape)
        if len(rest) != len(other) or value.type.weak:
            return False
        rest[axis] = other[axis] = 0
        return rest == other

    for _ in range(pick.randrange(4)):
        found = builder.choose(joins) if pick.random() < 0.6 else None
        if found is None:
            shape = list(first.shape)
            shape[axis] = pick.choice((0, 1, 2, 5, 8))
            found = builder.fresh(tuple(shape), first.dtype if pick.random() < 0.7 else draw_dtype(pick))
        parts.append(found)
    pick.shuffle(parts)
    return builder.apply(op, parts, axis=axis)


def _pad(builder: Builder, op: Op) -> Made:
    pick, x = builder.pick, builder.some(least=builder.pick.choice((0, 1, 1, 1)))
    widths = tuple((pick.choice((0, 1, 2, 5)), pick.choice((0, 0, 1, 3))) for _ in x.shape)
    if pick.random() < 0.5:
        return builder.apply(op, (x, builder.like((), x.dtype)), widths=widths)
    weak = INT64 if x.dtype.kind in "iu" else DTYPES["f64"]
    return builder.apply(op, (x, builder.fresh_scalar(weak)), widths=widths)


def _full(builder: Builder, op: Op) -> Made:
    pick, dtype = builder.pick, draw_dtype(builder.pick)
    choices = {"f": (0.0, 1.0, -0.0, 0.1, 2.5, -3), "b": (False, True)}.get(dtype.kind, (0, 1, 7))
    return builder.apply(op, (), shape=draw_shape(pick, builder.limit), value=pick.choice(choices), dtype=dtype.name)


def _iota(builder: Builder, op: Op) -> Made:
    return builder.apply(op, (), length=builder.pick.choice((0, *LENGTHS)), dtype=draw_dtype(builder.pick, "fi").name)


def _input(builder: Builder, op: Op) -> Made:
    array = draw_array(builder.rng, builder.pick, draw_shape(builder.pick, builder.limit), draw_dtype(builder.pick))
    return [builder.new_input(array)]


def _constant(builder: Builder, op: Op) -> Made:
    array = draw_array(builder.rng, builder.pick, draw_shape(builder.pick, builder.limit), draw_dtype(builder.pick))
    return [builder.constant(array[()] if array.shape == () else array)]


def _same(builder: Builder, op: Op) -> Made:
    return builder.apply(op, (builder.some(),), **({"name": "here"} if op.name == "tap" else {}))


def _permute(builder: Builder, op: Op) -> Made:
    x = builder.some(least=1)
    axis = builder.pick.randrange(x.type.ndim)
    if builder.pick.random() < 0.5:
        order = builder.apply(argsort, (builder.like(x.shape, x.dtype),), axis=axis)
        return builder.apply(op, (x, order[0]), axis=axis) if order else None
    order = np.argsort(builder.rng.random(x.shape), axis)
    return builder.apply(op, (x, builder.hold(order.astype(builder.pick.choice(("int32", "int64"))))), axis=axis)


# --- computed places --------------------------------------------------------------------------------------------------


def _indices(builder: Builder, x: Value) -> tuple[list[Value], tuple[int, ...]] | None:
    """Indices in range for some axes of x, which broadcast together, and the axes."""
    pick = builder.pick
    axes = tuple(pick.sample(range(x.type.ndim), pick.choice((1, 1, 1, min(2, x.type.ndim)))))
    shape = pick.choice(((), (1,), (3,), (7,), (2, 3), (17,), (0,), draw_shape(pick, 64, 0, 2)))
    found: list[Value] = []
    for place, axis in enumerate(axes):
        own = tuple(1 if place and pick.random() < 0.3 else n for n in shape)
        dtype = draw_dtype(pick, "iu")
        raw = builder.like(own, dtype)
        index = within(builder, raw, x.shape[axis], negative=pick.random() < 0.5)
        if index is None:
            return None
        found.append(index)
    return found, axes


def _gather(builder: Builder, op: Op) -> Made:
    x = builder.some(least=1)
    chosen = _indices(builder, x)
    return builder.apply(op, (x, *chosen[0]), axes=chosen[1]) if chosen else None


def scatter(builder: Builder, op: Op) -> Made:
    """A node that writes updates at computed places."""
    pick, x = builder.pick, builder.some("fiu" if builder.pick.random() < 0.9 else "b", least=1)
    chosen = _indices(builder, x)
    if chosen is None:
        return None
    indices, axes = chosen
    shape = np.broadcast_shapes(*(index.shape for index in indices))
    shape += tuple(n for axis, n in enumerate(x.shape) if axis not in axes)
    if prod(shape) > builder.limit:
        return None
    dtype = x.dtype if pick.random() < 0.8 else draw_dtype(pick)
    return builder.apply(op, (x, builder.like(shape, dtype), *indices), axes=axes)


# --- random numbers, sorting ------------------------------------------------------------------------------------------


def generate(builder: Builder, op: Op) -> Made:
    """A node of random numbers."""
    pick = builder.pick
    key = builder.like((2,), DTYPES["i32"])
    if op.name == "random_fold":
        return builder.apply(op, (key, builder.like((), draw_dtype(pick, "iu"))))
    shape = draw_shape(pick, builder.limit)
    if op.name == "random_uniform":
        return builder.apply(op, (key,), shape=shape, dtype=draw_dtype(pick, "f").name)
    attrs = {"dtype": draw_dtype(pick, "i").name, "stream": pick.choice((0, 0, 1))}
    return builder.apply(op, (key,), shape=shape, **attrs)


def library(builder: Builder, op: Op) -> Made:
    """A node of a sorting routine."""
    pick = builder.pick
    if op.name != "searchsorted":
        x = builder.some(least=1)
        return builder.apply(op, (x,), axis=pick.randrange(x.type.ndim))
    x = builder.some(least=1, fits=lambda v: v.type.ndim == 1)
    ordered = builder.apply(sort, (x,), axis=0)
    return builder.apply(op, (ordered[0], builder.some()), side=pick.choice(("left", "right"))) if ordered else None


INDEX_MAPS: Final = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "slice": _slice,
    "slice_set": _slice_set,
    "flip": _flip,
    "concatenate": _concatenate,
    "pad": _pad,
    "full": _full,
    "iota": _iota,
    "gather": _gather,
    "permute_along": _permute,
    "stop_gradient": _same,
    "tap": _same,
    INPUT.name: _input,
    CONSTANT.name: _constant,
}
