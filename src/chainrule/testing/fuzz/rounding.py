"""`Otherwise`: the same graph with other roundings, sums in another order, other bits where none are laid down.

How far rounding may carry a result cannot be read off the result: a difference of equal sums, a comparison of numbers
that are nearly equal, a cast of a number that is nearly whole may end anywhere. It is tried out, as in J. Vignes, A
stochastic arithmetic for reliable scientific computation (1993): each rounded result is moved by up to `AMPLITUDE`
units of its rounding, at random, and what becomes of the outputs shows how far they can move. What is

- an exact operation (a move, a sign, a choice, a rounding to whole numbers) is not moved;
- a sum is taken in another order, or in more digits, and moved by units of the sum of the magnitudes;
- laid down by nobody is drawn: the sign of NaN, that of a zero which is a sum of zeros or the larger of two zeros,
  an integer cast from what no integer holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.ir.evaluate import Step, lay_out
from chainrule.ir.graph import CONSTANT, Graph, Node
from chainrule.ir.kinds import Contract, Generate, IndexMap, Library, Reduce, Runs, Scatter
from chainrule.ir.op import Op

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

AMPLITUDE: Final = 8.0
"""By how many units of rounding a result is moved at most: the functions of a good library are within 1 to 4."""

CANCELS: Final = 0.125
"""How often a sum that roundings can bring to zero is brought to zero."""

WIDE: Final = {"float32": np.dtype(np.float64), "float64": np.dtype(np.longdouble)}
WORK: Final = 100_000
"""The most multiply-adds of a contraction in more digits than float64: NumPy is slow at them."""

EXACT: Final = frozenset(
    {"negative", "abs", "sign", "copysign", "floor", "ceil", "trunc", "rint", "fmod", "select", "in_range"}
)
UNDERFLOWS: Final = frozenset({"exp", "exp2", "sigmoid", "softplus", "erfc"})


class Otherwise:
    """A graph and inputs; called, it gives the outputs as another implementation of its operations could give them.

    What no rounding leads to is computed once.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Any]) -> None:
        laid = lay_out(graph)
        self._values: list[Any] = [*inputs, *[None] * (laid.size - len(inputs))]
        self._outputs = laid.outputs
        self._moving: list[Step] = []
        settled = set(range(len(inputs)))
        with np.errstate(all="ignore"):
            for step in laid.steps:
                if _is_settled(step.node) and settled.issuperset(step.operands):
                    settled.update(step.results)
                    out = step.numpy(*[self._values[place] for place in step.operands], **step.attrs)
                    _keep(self._values, step, out)
                else:
                    self._moving.append(step)

    def __call__(self, rng: Rng) -> list[Any]:
        values = list(self._values)
        with np.errstate(all="ignore"):
            _run(self._moving, values, rng)
        return [values[place] for place in self._outputs]


def _is_settled(node: Node) -> bool:
    """Whether the operation gives the same bits wherever it is done right."""
    op = node.op
    if op is CONSTANT or op.name in EXACT or isinstance(op.lowering, IndexMap | Generate | Library):
        return True
    whole = node.types[0].dtype.kind != "f" and op.name not in ("cast", "reciprocal")
    return whole and not isinstance(op.lowering, Runs)


def _run(steps: Sequence[Step], values: list[Any], rng: Rng) -> None:
    for step in steps:
        _keep(values, step, _result(step, [values[place] for place in step.operands], rng))


def _keep(values: list[Any], step: Step, out: Any) -> None:
    if step.node.op.several:
        for place, result in zip(step.results, out, strict=True):
            values[place] = result
    else:
        weak = step.yields and isinstance(out, np.ndarray | np.generic)
        values[step.results[0]] = out.item() if weak else out


def _result(step: Step, operands: list[Any], rng: Rng) -> Any:
    op, attrs, types = step.node.op, step.attrs, step.node.types
    if isinstance(op.lowering, Runs):
        return _loop(operands, rng, **attrs)
    if op is CONSTANT or isinstance(op.lowering, IndexMap | Generate | Library):
        return op.numpy(*operands, **attrs)
    if types[0].dtype.kind != "f":
        return _whole(op, operands, attrs, rng)
    dtype = types[0].dtype
    match op.lowering:
        case Reduce():
            out = _reduced(op, operands[0], attrs, rng)
        case Contract():
            out = _contracted(op, operands[0], operands[1], attrs, dtype, rng)
        case Scatter():
            out = _scattered(op, operands, attrs, rng)
        case _:
            out = _elementwise(op, operands, attrs, rng)
    return np.asarray(out, dtype)


def _loop(
    operands: list[Any], rng: Rng, *, body: Graph, consts: int, carry: int, length: int, reverse: bool
) -> tuple[Any, ...]:
    fixed, state, xs = operands[:consts], operands[consts : consts + carry], operands[consts + carry :]
    laid = lay_out(body)
    ys = [np.empty((length, *value.shape), value.dtype) for value in body.outputs[carry:]]
    for i in range(length - 1, -1, -1) if reverse else range(length):
        values = [*fixed, *state, *[x[i] for x in xs]]
        values += [None] * (laid.size - len(values))
        _run(laid.steps, values, rng)
        state = [values[place] for place in laid.outputs[:carry]]
        for y, place in zip(ys, laid.outputs[carry:], strict=True):
            y[i] = values[place]
    return *state, *ys


# --- moving -----------------------------------------------------------------------------------------------------------


def _uniform(rng: Any, like: Array) -> Array:
    return np.asarray(rng.random(like.shape))


def _moved(given: Any, unit: Any, rng: Rng) -> Array:
    """The result moved by up to AMPLITUDE roundings of numbers of the size `unit`; NaN with a sign that is drawn.

    Where they reach zero it may be zero: what is left of terms that cancel is a multiple of their last digit, and that
    multiple can be none, which numbers drawn between them would never be.
    """
    out: Array = np.asarray(given)
    info: Any = np.finfo(out.dtype)
    by: Array = _uniform(rng, out) * (2 * AMPLITUDE) - AMPLITUDE
    step = np.minimum(np.abs(unit), info.max) * float(info.eps)  # of magnitudes whose sum is more than the largest
    # below the smallest normal number roundings are all of the same size; a zero stays a zero
    step: Array = np.where(
        step < info.smallest_subnormal, np.where(np.equal(unit, 0), 0, info.smallest_subnormal), step
    )
    change: Array = by * step
    if not np.isfinite(change).all():
        change = np.where(np.isfinite(change), change, 0)
    found: Array = np.asarray(out + change.astype(out.dtype))
    cancels = (np.abs(found) < AMPLITUDE * step) & np.isfinite(step) & np.not_equal(found, 0)
    if cancels.any():
        found = np.where(cancels & (_uniform(rng, out) < CANCELS), np.copysign(found.dtype.type(0), found), found)
    lost = np.isnan(found)
    if lost.any():
        np.copysign(found, _uniform(rng, out) - 0.5, out=found, where=lost)
    return found


def _sign_drawn(out: Array, where: Any, rng: Rng) -> Array:
    """The result with zeros of either sign at the places `where`."""
    where = np.logical_and(where, np.equal(out, 0))
    if where.any():
        out = np.array(out)
        np.copyto(out, np.copysign(np.zeros(out.shape, out.dtype), _uniform(rng, out) - 0.5), where=where)
    return out


# --- elementwise ------------------------------------------------------------------------------------------------------


def _whole(op: Op, operands: list[Any], attrs: dict[str, Any], rng: Rng) -> Any:
    """Integers and booleans: exact, but for casts of what no integer holds, and reciprocals of zero."""
    out = op.numpy(*operands, **attrs)
    if op.name == "reciprocal":
        return _drawn(out, np.equal(operands[0], 0), rng)
    if op.name == "cast":
        x = np.asarray(operands[0])
        kept = np.asarray(out)
        if x.dtype.kind == "f" and kept.dtype.kind != "b":
            info = np.iinfo(kept.dtype)
            return _drawn(out, ~((x > float(info.min) - 1) & (x < float(info.max) + 1)), rng)
    return out


def _drawn(out: Any, where: Any, rng: Rng) -> Any:
    if not np.any(where):
        return out
    kept = np.array(out)
    info = np.iinfo(kept.dtype)
    np.copyto(kept, rng.integers(info.min, info.max, kept.shape, kept.dtype, endpoint=True), where=where)
    return kept


def _elementwise(op: Op, operands: list[Any], attrs: dict[str, Any], rng: Rng) -> Array:
    out = np.asarray(op.numpy(*operands, **attrs))
    name = op.name
    if name == "cast" or name in EXACT:
        return out
    if name in ("maximum", "minimum"):
        x, y = operands
        return _sign_drawn(out, np.signbit(x) != np.signbit(y), rng)
    if name == "floor_divide":
        return np.where(np.equal(out, 0), out, np.rint(_moved(out, out, rng)))
    if name == "sinc":
        return _moved(out, np.maximum(np.abs(out), math.pi ** attrs["order"]), rng)
    if name in ("logaddexp", "logaddexp2"):
        return _moved(out, np.maximum(np.abs(out), np.maximum(np.abs(operands[0]), np.abs(operands[1]))), rng)
    if name in UNDERFLOWS or name == "power":
        finite = np.logical_and.reduce([np.isfinite(x) & np.not_equal(x, 0) for x in np.broadcast_arrays(*operands)])
        lost = np.equal(out, 0) & finite
        if np.any(lost):
            small: Any = np.finfo(out.dtype).smallest_subnormal
            return np.where(lost & (_uniform(rng, out) < 0.5), np.copysign(small, out), _moved(out, out, rng))
    return _moved(out, out, rng)


# --- sums -------------------------------------------------------------------------------------------------------------


def _reduced(op: Op, x: Any, attrs: dict[str, Any], rng: Rng) -> Array:
    if "axis" in attrs:
        return _running(op, x, attrs["axis"], rng)
    axes: tuple[int, ...] = attrs["axes"]
    x = np.asarray(x)
    given = x if op.name == "softmax" else _shuffled(x, axes, rng)
    if op.name in ("max", "min"):
        out = np.asarray(op.numpy(given, axes=axes))
        zeros = np.equal(x, 0)
        mixed = np.any(zeros & np.signbit(x), axis=axes) & np.any(zeros & ~np.signbit(x), axis=axes)
        return _sign_drawn(out, mixed, rng)
    way = rng.random()
    if way < 0.5:
        given = given.astype(WIDE[x.dtype.name])
    one_by_one = op.name == "sum" and way > 0.75  # which may overflow on the way, where NumPy's pairs do not
    out = np.asarray(_one_by_one(given, axes) if one_by_one else op.numpy(given, axes=axes), x.dtype)
    count = math.prod(x.shape[axis] for axis in axes)
    match op.name:
        case "sum":
            out = _sign_drawn(out, True, rng)
            unit = np.add.reduce(np.abs(x), axis=axes)
        case "prod":
            unit = np.abs(out) * max(1.0, math.sqrt(count) / 2)
        case "logsumexp":
            finite = np.where(np.isfinite(x), np.abs(x), 0)
            unit = np.abs(out) + np.maximum.reduce(finite, axis=axes, initial=1.0)
        case "softmax":
            top = np.maximum.reduce(x, axis=axes, keepdims=True, initial=-np.inf)
            unit = np.abs(out) * (1 + np.where(np.isfinite(top - x), top - x, 0))
        case _:
            unit = out
    return _moved(out, unit, rng)


def _one_by_one(x: Array, axes: Sequence[int]) -> Array:
    """The sums over axes, one element after the other."""
    x = np.moveaxis(x, axes, range(len(axes)))
    x = x.reshape(-1, *x.shape[len(axes) :])
    return np.add.accumulate(np.concatenate([np.zeros_like(x[:1], shape=(1, *x.shape[1:])), x]), axis=0)[-1]


def _shuffled(x: Array, axes: Sequence[int], rng: Rng) -> Array:
    for axis in axes:
        if x.shape[axis] > 1:
            x = np.take(x, rng.permutation(x.shape[axis]), axis)
    return x


def _running(op: Op, given: Any, axis: int, rng: Rng) -> Array:
    """Running sums or products, begun anew in the middle and put together."""
    x: Array = np.asarray(given)
    length = x.shape[axis]
    out: Array = np.array(op.numpy(x, axis=axis))
    ufunc: Any = np.add if op.name == "cumsum" else np.multiply
    if length > 1:
        cut = 1 + int(rng.random() * (length - 1))
        head = np.take(out, [cut - 1], axis)
        late = (*[slice(None)] * axis, slice(cut, None))
        out[late] = ufunc(head, op.numpy(x[late], axis=axis))
    if op.name == "cumsum":
        return _moved(_sign_drawn(out, True, rng), np.add.accumulate(np.abs(x), axis=axis), rng)
    return _moved(out, np.abs(out) * max(1.0, math.sqrt(length) / 2), rng)


def _contracted(op: Op, x: Any, y: Any, attrs: dict[str, Any], dtype: Any, rng: Rng) -> Array:
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    unit = op.numpy(np.abs(x), np.abs(y), **attrs)
    for i, j in zip(*attrs["contract"], strict=True):
        order = rng.permutation(x.shape[i])
        x, y = np.take(x, order, i), np.take(y, order, j)
    free = math.prod(n for axis, n in enumerate(y.shape) if axis not in (*attrs["contract"][1], *attrs["batch"][1]))
    if rng.random() < 0.5 and (dtype == np.float32 or x.size * free < WORK):
        x, y = x.astype(WIDE[dtype.name]), y.astype(WIDE[dtype.name])
    out = np.asarray(op.numpy(x, y, **attrs), dtype)
    return _moved(_sign_drawn(out, True, rng), unit, rng)


def _scattered(op: Op, operands: list[Any], attrs: dict[str, Any], rng: Rng) -> Array:
    out = np.asarray(op.numpy(*operands, **attrs))
    if op.name != "scatter_add":
        return out
    x, updates, *indices = operands
    return _moved(out, op.numpy(np.abs(x), np.abs(updates), *indices, **attrs), rng)
