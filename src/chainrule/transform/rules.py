"""The equations by which `rewrite` makes a graph smaller: a table, the equation beside its code.

Each holds bit for bit, for infinities, NaN (NaN is NaN, whatever its bits) and both zeros, in every dtype for which the
types of the two sides agree. So x + 0 stays, for it turns -0 into 0, and x + (-0) is x; 0 x stays, for it may be NaN.

NumPy's sums round in an order that depends on how an array lies in memory (its strides). So a rule that only sees
through views leaves the strides as they are, and one that brings an operand in place of a computed array asks that it
is *dense*: a computed array, or a view of all of one, whose strides NumPy would give its copy too (see rewrite.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from operator import mul
from typing import Any, Final, NamedTuple

import numpy as np

from chainrule.ir.graph import CONSTANT, ArrayRef, Value
from chainrule.ir.op import Op
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import Pairs, dot_general
from chainrule.ops.movement import broadcast_to, flip, full, reshape, slice_, transpose
from chainrule.ops.reduction import sum_
from chainrule.types import Shape


class Apply(NamedTuple):
    """An operation that a rule puts in place of another."""

    op: Op
    inputs: tuple[Value, ...]
    attrs: dict[str, Any]


Outcome = Value | Apply | None


class Rule(NamedTuple):
    """An equation for a result of `op`, left to right; `rewrite(*inputs, **attrs)` is None where it does not apply."""

    op: Op
    equation: str
    rewrite: Callable[..., Outcome]
    views: bool = False  # it only sees through views: the strides stay, whatever the operands are


# --- what the rules ask -----------------------------------------------------------------------------------------------


def number_everywhere(value: Value) -> Any:
    """The number that each element of a value is, None where that is not known."""
    node = value.node
    if node.op is broadcast_to:
        node = node.inputs[0].node
    if node.op is full:
        return np.dtype(node.attrs["dtype"]).type(node.attrs["value"])
    if node.op is CONSTANT and not isinstance(node.attrs["value"], ArrayRef):
        return node.attrs["value"]
    return None


def _is(value: Value, wanted: float) -> bool:
    """Whether each element is this number, the zeros told apart by their sign."""
    found = number_everywhere(value)
    return found is not None and bool(found == wanted) and math.copysign(1, found) == math.copysign(1, wanted)


def _of(op: Op, value: Value) -> bool:
    return value.node.op is op


def _below(value: Value) -> Value:
    return value.node.inputs[0]


def _axes(value: Value) -> tuple[int, ...]:
    return value.node.attrs["axes"]


# --- views ------------------------------------------------------------------------------------------------------------


def _same_shape(x: Value, *, shape: Shape) -> Outcome:
    return x if shape == x.shape else None


def _same_order(x: Value, *, axes: tuple[int, ...]) -> Outcome:
    return x if axes == tuple(range(len(axes))) else None


def _flip_nothing(x: Value, *, axes: tuple[int, ...]) -> Outcome:
    return None if axes else x


def _transpose_twice(x: Value, *, axes: tuple[int, ...]) -> Outcome:
    if not _of(transpose, x):
        return None
    return Apply(transpose, (_below(x),), {"axes": tuple([_axes(x)[axis] for axis in axes])})


def _reshape_twice(x: Value, *, shape: Shape) -> Outcome:
    if not _of(reshape, x) or not _cuts(_below(x).shape, shape) <= _cuts(_below(x).shape, x.shape):
        return None
    return Apply(reshape, (_below(x),), {"shape": shape})


def _cuts(shape: Shape, other: Shape) -> set[int]:
    """Where both shapes are cut, in elements. Axes between two cuts must lie one after another, or NumPy copies.

    With all the cuts of the direct way on the way round too, the way round copies only where the direct way does.
    """
    return {*accumulate(shape, mul, initial=1)} & {*accumulate(other, mul, initial=1)}


def _broadcast_twice(x: Value, *, shape: Shape) -> Outcome:
    return Apply(broadcast_to, (_below(x),), {"shape": shape}) if _of(broadcast_to, x) else None


def _broadcast_anyway(x: Value, *, shape: Shape) -> Outcome:
    if not _of(reshape, x) or x.shape != (1,) * (len(x.shape) - len(_below(x).shape)) + _below(x).shape:
        return None
    return Apply(broadcast_to, (_below(x),), {"shape": shape})


def _number(*, shape: Shape, value: Any, dtype: str) -> Outcome:
    return Apply(CONSTANT, (), {"value": np.dtype(dtype).type(value)}) if shape == () else None


def _move_full(x: Value, *, shape: Shape) -> Outcome:
    return Apply(full, (), {**x.node.attrs, "shape": shape}) if _of(full, x) else None


def _transpose_full(x: Value, *, axes: tuple[int, ...]) -> Outcome:
    return _move_full(x, shape=tuple([x.shape[axis] for axis in axes]))


def _flip_twice(x: Value, *, axes: tuple[int, ...]) -> Outcome:
    return _below(x) if _of(flip, x) and set(_axes(x)) == set(axes) else None


def _slice_all(x: Value, *, starts: Shape, stops: Shape, steps: Shape) -> Outcome:
    return x if set(starts) <= {0} and stops == x.shape and set(steps) <= {1} else None


def _absorb(side: int) -> Callable[..., Outcome]:
    """The rule for one operand: a matrix in the other order is a contraction over the other axis.

    With several contracted or several free axes the transpose says in which order they are summed: it stays.
    """

    def rewrite(x: Value, y: Value, *, contract: Pairs, batch: Pairs) -> Outcome:
        moved = (x, y)[side]
        single = len(contract[side]) <= 1 and len(moved.shape) - len(contract[side]) - len(batch[side]) <= 1
        if not _of(transpose, moved) or not single:
            return None
        axes = _axes(moved)
        below = _below(moved)
        contracted, paired = (tuple([axes[axis] for axis in pairs[side]]) for pairs in (contract, batch))
        if side == 0:
            pairs = {"contract": (contracted, contract[1]), "batch": (paired, batch[1])}
            return Apply(dot_general, (below, y), pairs)
        return Apply(dot_general, (x, below), {"contract": (contract[0], contracted), "batch": (batch[0], paired)})

    return rewrite


# --- casts ------------------------------------------------------------------------------------------------------------

_HELD: Final = {
    "bool": {"uint8", "int32", "int64", "float32", "float64"},
    "uint8": {"int32", "int64", "float32", "float64"},
    "int32": {"int64", "float64"},
    "int64": set[str](),
    "float32": {"float64"},
    "float64": set[str](),
}
"""The dtypes that hold every value of a dtype."""


def _cast_to_same(x: Value, *, dtype: str) -> Outcome:
    return x if x.dtype == np.dtype(dtype) else None


def _cast_through(x: Value, *, dtype: str) -> Outcome:
    if not _of(ops.cast, x) or x.dtype.name not in _HELD[_below(x).dtype.name]:
        return None
    if _below(x).dtype.kind == "f" and np.dtype(dtype).kind != "f":
        return None  # what a float too large for an integer becomes is the machine's own choice
    return Apply(ops.cast, (_below(x),), {"dtype": dtype})


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _times_one(x: Value, y: Value) -> Outcome:
    return x if _is(y, 1) else None


def _one_times(x: Value, y: Value) -> Outcome:
    return y if _is(x, 1) else None


def _one_strongly_times(x: Value, y: Value) -> Outcome:
    """Not of a single element: 1 may be the mean's share of it, and a batch of one has the operations of any other."""
    return None if y.type.size == 1 and y.shape else _one_times(x, y)


def _over_one(x: Value, y: Value) -> Outcome:
    """Not of a sum, which may be a mean over a batch of one."""
    return None if _of(sum_, x) else _times_one(x, y)


def _plus_zero(x: Value, y: Value) -> Outcome:
    return x if _is(y, 0 if x.dtype.kind in "iu" else -0.0) else None


def _zero_plus(x: Value, y: Value) -> Outcome:
    return _plus_zero(y, x)


def _minus_zero(x: Value, y: Value) -> Outcome:
    return x if _is(y, 0) else None


def _negated(x: Value, beside: Value) -> bool:
    """Whether x is some -y which may be y with the other sign: an integer turned into a float has lost its -0."""
    return _of(ops.negative, x) and (x.dtype.kind == "f" or x.dtype == beside.dtype)


def _plus_negative(x: Value, y: Value) -> Outcome:
    return Apply(ops.subtract, (x, _below(y)), {}) if _negated(y, x) else None


def _negative_plus(x: Value, y: Value) -> Outcome:
    return Apply(ops.subtract, (y, _below(x)), {}) if _negated(x, y) else None


def _minus_negative(x: Value, y: Value) -> Outcome:
    return Apply(ops.add, (x, _below(y)), {}) if _negated(y, x) else None


def _both_negative(x: Value, y: Value) -> Outcome:
    return Apply(ops.multiply, (_below(x), _below(y)), {}) if _negated(x, y) and _negated(y, x) else None


def _undone_by(op: Op) -> Callable[[Value], Outcome]:
    """The rule of an operation that `op` undoes."""
    return lambda x: _below(x) if _of(op, x) else None


def _size_of_negative(x: Value) -> Outcome:
    if not _of(ops.negative, x) or x.dtype.kind == "u":
        return None  # an unsigned -x is a large number
    return Apply(ops.absolute, (_below(x),), {})


def _without(inner: Op, op: Op) -> Callable[[Value], Outcome]:
    """The rule of an operation `op` whose result is the same without `inner` before it."""
    return lambda x: Apply(op, (_below(x),), {}) if _of(inner, x) else None


RULES: Final[tuple[Rule, ...]] = (
    # views
    Rule(transpose, "transpose(x, (0, 1, ...)) = x", _same_order, True),
    Rule(transpose, "transpose(transpose(x, a), b) = transpose(x, a[b])", _transpose_twice, True),
    Rule(transpose, "transpose(full(v, s), a) = full(v, s[a])", _transpose_full, True),
    Rule(reshape, "reshape(x, shape of x) = x", _same_shape, True),
    Rule(reshape, "reshape(reshape(x, s), t) = reshape(x, t)", _reshape_twice, True),
    Rule(reshape, "reshape(full(v, s), t) = full(v, t)", _move_full, True),
    Rule(broadcast_to, "broadcast_to(x, shape of x) = x", _same_shape, True),
    Rule(broadcast_to, "broadcast_to(broadcast_to(x, s), t) = broadcast_to(x, t)", _broadcast_twice, True),
    Rule(
        broadcast_to,
        "broadcast_to(reshape(x, (1, ...) and shape of x), t) = broadcast_to(x, t)",
        _broadcast_anyway,
        True,
    ),
    Rule(broadcast_to, "broadcast_to(full(v, s), t) = full(v, t)", _move_full, True),
    Rule(full, "full(v, ()) = constant(v)", _number, True),
    Rule(flip, "flip(x, ()) = x", _flip_nothing, True),
    Rule(flip, "flip(flip(x, a), a) = x", _flip_twice, True),
    Rule(slice_, "x[0:length:1] = x", _slice_all, True),
    Rule(dot_general, "dot_general(transpose(x, a), y, i) = dot_general(x, y, a[i])", _absorb(0), True),
    Rule(dot_general, "dot_general(x, transpose(y, a), i) = dot_general(x, y, a[i])", _absorb(1), True),
    # casts
    Rule(ops.cast, "cast(x, dtype of x) = x", _cast_to_same),
    Rule(ops.cast, "cast(cast(x, d), e) = cast(x, e) where d holds every value of x's dtype", _cast_through),
    # arithmetic
    Rule(ops.multiply, "x 1 = x", _times_one),
    Rule(ops.multiply, "1 x = x", _one_times),
    Rule(ops.multiply, "(-x) (-y) = x y", _both_negative),
    Rule(ops.strong_mul, "x 1 = x", _times_one),
    Rule(ops.strong_mul, "1 y = y, of more elements than one", _one_strongly_times),
    Rule(ops.divide, "x / 1 = x, where x is no sum", _over_one),
    Rule(ops.add, "x + (-0) = x, of integers x + 0 = x", _plus_zero),
    Rule(ops.add, "(-0) + y = y, of integers 0 + y = y", _zero_plus),
    Rule(ops.add, "x + (-y) = x - y", _plus_negative),
    Rule(ops.add, "(-x) + y = y - x", _negative_plus),
    Rule(ops.subtract, "x - 0 = x", _minus_zero),
    Rule(ops.subtract, "x - (-y) = x + y", _minus_negative),
    Rule(ops.negative, "-(-x) = x", _undone_by(ops.negative)),
    Rule(ops.absolute, "|-x| = |x|", _size_of_negative),
    Rule(ops.absolute, "| |x| | = |x|", _without(ops.absolute, ops.absolute)),
    Rule(ops.square, "(-x)^2 = x^2", _without(ops.negative, ops.square)),
    Rule(ops.logical_not, "not not x = x, of booleans", _undone_by(ops.logical_not)),
)
"""Every rule takes something away: a node, or what stands between an operation and what it reads."""
