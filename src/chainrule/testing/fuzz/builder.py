"""`Builder`: a graph that grows, node by node, beside the numbers that it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from random import Random
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.ir.graph import CONSTANT, ArrayRef, Node, Value, input_value
from chainrule.ir.kinds import REALS, Domain
from chainrule.ir.op import Op
from chainrule.testing.fuzz.layouts import laid_out
from chainrule.testing.fuzz.shapes import draw_shape
from chainrule.testing.fuzz.values import Array, DType, bounds, draw_array, draw_dtype
from chainrule.types import FLOAT64, INT64, Shape, Type, type_of

REFUSALS: Final = (ChainruleError, ValueError, TypeError, IndexError, OverflowError)
"""What NumPy and type rules say of arguments that make no sense: such a node is left out."""

WORK: Final = 2_000_000
"""The most multiply-adds of one contraction."""


@dataclass(frozen=True, slots=True)
class Known:
    """The numbers that a value has, and what range they are in."""

    number: Any
    low: float
    high: float
    wild: float  # the share that is not finite, or out of all proportion


def know(number: Any) -> Known:
    """What there is to know of an array or a Python scalar."""
    x = np.asarray(number)
    if not x.size or x.dtype.kind == "b":
        return Known(number, 0.0, 1.0, 0.0)
    if x.dtype.kind != "f":
        return Known(number, float(x.min()), float(x.max()), 0.0)
    low, high = float(x.min()), float(x.max())
    if low > -1e6 and high < 1e6:  # false for NaN
        return Known(number, low, high, 0.0)
    tame = np.abs(x) < 1e6
    return Known(number, low, high, 1 - float(np.count_nonzero(tame)) / x.size)


class Builder:
    """The nodes so far, with what each value is; makers (see generate.py) add to it.

    `fresh` values are new inputs of the graph (in the body of a loop new constants of the loop), or constants.
    """

    def __init__(self, pick: Random, rng: np.random.Generator, limit: int, depth: int = 0) -> None:
        self.pick = pick
        self.rng = rng
        self.limit = limit
        self.depth = depth
        self.most_inputs = pick.choice((1, 2, 3, 5, 8, 12))
        self.known: dict[Value, Known] = {}
        self.pool: list[Value] = []
        self.inputs: list[Value] = []
        self.arrays: list[Array] = []  # the inputs' own

    # --- values -------------------------------------------------------------------------------------------------------

    def add(self, value: Value, number: Any) -> Value:
        """The value, in the pool from now on."""
        self.known[value] = know(number)
        self.pool.append(value)
        return value

    def choose(self, fits: Callable[[Value], Any]) -> Value | None:
        """One of the values that fit, more likely a late one."""
        found = [value for value in self.pool if fits(value)]
        return self.pick.choice(found[-3:] if self.pick.random() < 0.5 else found) if found else None

    def new_input(self, array: Any) -> Value:
        """A new input with the elements of the array, somewhere in memory."""
        if self.depth == 0:
            array = laid_out(array, self.pick, self.arrays)
            self.arrays.append(array)
            if array.shape == () and self.pick.random() < 0.3:
                array = array[()]
        value = input_value(type_of(array))
        self.inputs.append(value)
        return self.add(value, array)

    def new_scalar(self, number: float | int) -> Value:
        """A Python scalar: a weak input, or a constant."""
        if self.depth or self.pick.random() < 0.5:
            return self.constant(number)
        value = input_value(type_of(number))
        self.inputs.append(value)
        return self.add(value, number)

    def constant(self, number: Any) -> Value:
        """A constant node: a number of Python's or NumPy's, or an array."""
        held = ArrayRef(number) if isinstance(number, np.ndarray) else number
        node = Node(CONSTANT, (), {"value": held}, (type_of(number),))
        return self.add(node.results[0], number)

    def fresh(self, shape: Shape, dtype: DType, domain: Domain = REALS) -> Value:
        """A new value of the type: an input, or once there are many inputs, mostly a constant."""
        return self.hold(draw_array(self.rng, self.pick, shape, dtype, domain))

    def hold(self, array: Array) -> Value:
        """A new value with these elements."""
        if self.pick.random() < (0.9 if len(self.inputs) < self.most_inputs else 0.4):
            return self.new_input(array)
        return self.constant(array[()] if array.shape == () and self.pick.random() < 0.5 else array)

    def fresh_scalar(self, dtype: DType, domain: Domain = REALS) -> Value:
        """A new Python scalar, mostly one that is written in programs."""
        low, high = bounds(domain)
        if dtype == INT64:
            return self.new_scalar(self.pick.choice((0, 1, 2, 3, -1, self.pick.randint(-9, 9))))
        choices = [number for number in (0.0, 1.0, 0.5, 2.0, -1.0, 0.1, 1e-3) if low <= number <= high]
        return self.new_scalar(self.pick.choice([*choices, self.pick.uniform(low, high)]))

    def some(self, among: str = "fiub", least: int = 0, fits: Callable[[Value], Any] | None = None) -> Value:
        """A value of some dtype of the kinds in `among` with at least so many axes, no Python scalar; or a new one."""

        def right(value: Value) -> bool:
            type = value.type
            ok = type.dtype.kind in among and type.ndim >= least and not type.weak
            return ok and (fits is None or fits(value))

        found = self.choose(right) if self.pick.random() < 0.85 else None
        if found is not None:
            return found
        while True:
            shape = draw_shape(self.pick, self.limit, least)
            value = self.fresh(shape, draw_dtype(self.pick, among))
            if fits is None or fits(value):
                return value

    def like(self, shape: Shape, dtype: DType) -> Value:
        """A value of exactly this type, or a new one."""
        found = self.choose(lambda v: v.type == Type(shape, dtype)) if self.pick.random() < 0.8 else None
        return self.fresh(shape, dtype) if found is None else found

    # --- nodes --------------------------------------------------------------------------------------------------------

    def apply(self, op: Op, operands: Sequence[Value], **attrs: Any) -> list[Value] | None:
        """The results of a new node; None, and no node, where the operation refuses, or goes wild."""
        try:
            found = op.infer(*[value.type for value in operands], **attrs)
        except REFUSALS:
            return None
        types = found if isinstance(found, tuple) else (found,)
        if any(prod(t.shape) > self.limit for t in types):
            return None
        given = [self.known[value] for value in operands]
        numbers = self._run(op, [known.number for known in given], attrs, types)
        if numbers is None:
            return None
        learned = [know(number) for number in numbers]
        worst = max([known.wild for known in given], default=0.0)
        if any(known.wild > max(0.3, worst) for known in learned) and self.pick.random() < 0.9:
            return None
        node = Node(op, tuple(operands), attrs, types)
        self.known.update(zip(node.results, learned, strict=True))
        self.pool.extend(node.results)
        return list(node.results)

    def _run(self, op: Op, given: Sequence[Any], attrs: dict[str, Any], types: tuple[Type, ...]) -> list[Any] | None:
        try:
            with np.errstate(all="ignore"):
                out = op.numpy(*given, **attrs)
        except REFUSALS:
            return None
        numbers = list(out) if op.several else [out]
        if types[0].weak and isinstance(numbers[0], np.generic):
            numbers = [numbers[0].item()]
        for number, type in zip(numbers, types, strict=True):
            if type_of(number) != type:
                text = ", ".join(map(repr, given))
                raise AssertionError(f"{op}({text}, {attrs}) is of type {type_of(number)}, its type rule says {type}")
        return numbers


def weak_dtype(kind: str) -> DType:
    """The dtype of a kind of Python scalar."""
    return FLOAT64 if kind == "~f64" else INT64
