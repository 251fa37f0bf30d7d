"""Nodes of loops: bodies that are drawn graphs themselves, nested once, in both directions, run no times or a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Graph, Value, input_value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import add, cast, maximum, multiply
from chainrule.ops.exponential import sigmoid
from chainrule.ops.movement import broadcast_to
from chainrule.ops.reduction import sum_
from chainrule.ops.trigonometric import sin, tanh
from chainrule.testing.fuzz.builder import Builder
from chainrule.testing.fuzz.shapes import broadcasts, draw_shape
from chainrule.testing.fuzz.values import draw_dtype
from chainrule.types import Type

LENGTHS: Final = (0, 1, 2, 3, 3, 5, 8)
DEEPEST: Final = 2

Grow = Callable[[Builder, int], None]


def loop(builder: Builder, op: Op, grow: Grow) -> list[Value] | None:
    """A node of `scan` over constants, a carry and slices; `grow(builder, count)` draws the nodes of its body."""
    if builder.depth >= DEEPEST:
        return None
    pick = builder.pick
    length = pick.choice(LENGTHS)
    carries = [_carry(builder) for _ in range(pick.choice((0, 1, 1, 1, 2)))]
    scanned = [_scanned(builder, length) for _ in range(pick.choice((0, 1, 1, 2)) if carries else 1)]
    body = Builder(pick, builder.rng, min(builder.limit, 512), builder.depth + 1)
    states = [_inside(body, builder, value, None) for value in carries]
    slices = [_inside(body, builder, value, length) for value in scanned]
    body.most_inputs += len(body.inputs)
    count = pick.choice((0, 1, 2, 3, 5))
    grow(body, count)
    outputs = [_next(body, state) for state in states]
    strong = [value for value in body.pool if not value.type.weak]
    outputs += [pick.choice(strong[-4:]) for _ in range(pick.choice((0, 1, 1, 2) if carries else (1, 2)))]
    given = {*states, *slices}
    fixed = [value for value in body.inputs if value not in given]
    consts = [_outside(builder, value, body.known[value].number) for value in fixed]
    graph = Graph((*fixed, *states, *slices), tuple(outputs))
    attrs: dict[str, Any] = {"body": graph, "consts": len(fixed), "carry": len(carries), "length": length}
    return builder.apply(op, (*consts, *carries, *scanned), **attrs, reverse=pick.random() < 0.4)


def _carry(builder: Builder) -> Value:
    small = min(64, builder.limit)
    found = builder.choose(lambda v: not v.type.weak and v.type.size <= small)
    if found is not None and builder.pick.random() < 0.7:
        return found
    return builder.fresh(draw_shape(builder.pick, small, 0, 2), draw_dtype(builder.pick))


def _scanned(builder: Builder, length: int) -> Value:
    found = builder.choose(lambda v: v.type.ndim > 0 and v.shape[0] == length)
    if found is not None and builder.pick.random() < 0.7:
        return found
    shape = draw_shape(builder.pick, max(1, min(64, builder.limit // max(1, length))), 0, 2)
    return builder.fresh((length, *shape), draw_dtype(builder.pick))


def _inside(body: Builder, builder: Builder, value: Value, length: int | None) -> Value:
    """The body's input for a carry, or for slices along the first axis, with the numbers of the first iteration."""
    number = builder.known[value].number
    if length is not None:
        number = number[0] if length else np.zeros(value.shape[1:], value.dtype)
    type = Type(np.shape(number), value.dtype)
    inner = input_value(type)
    body.inputs.append(inner)
    return body.add(inner, number)


def _outside(builder: Builder, value: Value, number: Any) -> Value:
    """The operand for a constant of the body: a value of its type that is there, or a new one."""
    found = builder.choose(lambda v: v.type == value.type) if builder.pick.random() < 0.3 else None
    return builder.hold(np.asarray(number)) if found is None else found


def _next(body: Builder, state: Value) -> Value:
    """What the carry becomes: something in the body of the carry's type that stays in bounds, mostly of its value."""
    pick = body.pick
    fits = [value for value in body.pool if value.type == state.type and value is not state]
    if fits and pick.random() < 0.5:
        return pick.choice(fits[-3:])
    near = [v for v in body.pool if v is not state and not v.type.weak and v.dtype == state.dtype]
    other = next((v for v in reversed(near) if broadcasts(v.shape, state.shape)), None)
    if other is None and near:
        total = body.apply(sum_, (near[-1],), axes=tuple(range(near[-1].type.ndim)))
        other = total[0] if total and total[0].dtype == state.dtype else None
    if state.dtype.kind == "f":
        turned = body.apply(pick.choice((tanh, sin, sigmoid)), (state,))
        mixed = body.apply(pick.choice((add, multiply)), (turned[0], other)) if turned and other is not None else turned
        return mixed[0] if mixed and mixed[0].type == state.type else state
    mixed = body.apply(pick.choice((add, maximum)), (state, other)) if other is not None else None
    return _fitted(body, mixed[0], state.type) if mixed else state


def _fitted(body: Builder, value: Value, type: Type) -> Value:
    """The value cast and broadcast to the type."""
    if value.dtype != type.dtype:
        value = (body.apply(cast, (value,), dtype=type.dtype.name) or [value])[0]
    if value.shape != type.shape:
        value = (body.apply(broadcast_to, (value,), shape=type.shape) or [value])[0]
    return value
