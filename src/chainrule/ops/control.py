"""`scan`: a loop as one operation; what it runs in each iteration is a graph among its attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Node, Value, input_value
from chainrule.ir.kinds import Body, Case, Runs
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import add, multiply
from chainrule.types import FLOAT64, Type
from chainrule.where import user_location

T = TypeVar("T")


def sections(items: Sequence[T], consts: int, carry: int) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """The operands of a loop, or the inputs of its body: constants, carry, and what is scanned over."""
    return items[:consts], items[consts : consts + carry], items[consts + carry :]


def _infer_scan(*types: Type, body: Graph, consts: int, carry: int, length: int, reverse: bool) -> tuple[Type, ...]:
    fixed, state, xs = sections(types, consts, carry)
    if any(not x.shape or x.shape[0] != length for x in xs):
        got = ", ".join(map(str, xs))
        raise ShapeError(message(f"arrays with a first axis of length {length} to scan over", got, user_location()))
    slices = [Type(x.shape[1:], x.dtype) for x in xs]
    inputs, outputs = [value.type for value in body.inputs], [value.type for value in body.outputs]
    _check_same("operands as the body of the loop takes them", inputs, [*fixed, *state, *slices])
    _check_same("a carry that keeps its types", inputs[consts : consts + carry], outputs[:carry])
    return *outputs[:carry], *(Type((length, *y.shape), y.dtype) for y in outputs[carry:])


def _check_same(what: str, expected: list[Type], got: list[Type]) -> None:
    if [(t.shape, t.dtype) for t in expected] != [(t.shape, t.dtype) for t in got]:
        wanted, found = (f"({', '.join(map(str, types))})" for types in (expected, got))
        raise ShapeError(message(f"{what}, {wanted}", found, user_location()))


class Iterations:
    """A loop on arrays that is run iteration by iteration; `done` counts them."""

    def __init__(
        self, operands: Sequence[Any], *, body: Graph, consts: int, carry: int, length: int, reverse: bool
    ) -> None:
        self.length, self.done = length, 0
        self._operands, self._body, self._reverse = operands, body, reverse
        self._fixed, self._state, self._xs = sections(operands, consts, carry)
        self._ys = [np.empty((length, *value.shape), value.dtype) for value in body.outputs[carry:]]

    def proceed(self) -> None:
        """Runs the next iteration."""
        i = self.length - 1 - self.done if self._reverse else self.done
        out = evaluate(self._body, [*self._fixed, *self._state, *[x[i] for x in self._xs]])
        carry = len(self._state)
        self._state = out[:carry]
        for place, y in enumerate(self._ys, carry):
            y[i] = out[place]
        self.done += 1

    def results(self) -> tuple[Any, ...]:
        """The loop's results, as if it had no more iterations than are done."""
        first = self.length - self.done if self._reverse else 0
        whole = self.done == self.length
        ys = self._ys if whole else [y[first : first + self.done].copy() for y in self._ys]
        return *_apart(self._state, self._operands), *ys


def _scan_numpy(*operands: Any, **attrs: Any) -> tuple[Any, ...]:
    loop = Iterations(operands, **attrs)
    for _ in range(loop.length):
        loop.proceed()
    return loop.results()


def _apart(state: Iterable[Any], operands: Sequence[Any]) -> list[Any]:
    """The carry, copied where it is an operand or may be a view of one."""
    return [
        x.copy(order="K") if isinstance(x, np.ndarray) and (x.base is not None or any(x is y for y in operands)) else x
        for x in state
    ]


def _case_body(shape: tuple[int, ...], scanned: bool) -> Graph:
    """c, x -> new c = w c + x (or w c + w), y = c (w c)."""
    w, c, x = (input_value(Type(shape, FLOAT64)) for _ in range(3))
    scaled = _apply(multiply, w, c)
    new = _apply(add, scaled, x if scanned else w)
    return Graph((w, c, x) if scanned else (w, c), (new, _apply(multiply, c, scaled)) if scanned else (new,))


def _apply(op: Op, *values: Value) -> Value:
    inferred: Any = op.infer(*[value.type for value in values])
    return Node(op, values, {}, (inferred,)).results[0]


def _case(shape: tuple[int, ...], length: int, reverse: bool = False, scanned: bool = True) -> Case:
    shapes = (shape, shape, (length, *shape)) if scanned else (shape, shape)
    body = _case_body(shape, scanned)
    return Case(shapes, {"body": body, "consts": 1, "carry": 1, "length": length, "reverse": reverse})


scan = Op(
    "scan",
    _infer_scan,
    _scan_numpy,
    Body(),
    Runs(),
    (_case((), 3), _case((2,), 4, reverse=True), _case((2,), 0), _case((3,), 2, scanned=False)),
    "the loop `carry, y = body(*constants, *carry, *x)` over the first axis of the last operands, the xs, `length` "
    "times (last first where `reverse`); the results are the last carry and the ys, stacked",
    several=True,
)
