"""Graphs made from lists of numbers, for tests that draw them, and what they are given and compared by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.ir.graph import Graph, Node, Value
from chainrule.ir.op import OPS
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import dot_general
from chainrule.ops.control import scan
from chainrule.ops.identity import stop_gradient, tap
from chainrule.ops.movement import broadcast_to, flip, full, reshape, slice_, transpose
from chainrule.ops.reduction import sum_
from chainrule.trace import stage
from chainrule.types import Type

F32, F64, I32 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32)
INPUTS = (
    Type((3, 17), F64),
    Type((17, 3), F64),
    Type((17,), F32),
    Type((2, 3, 17), F32),
    Type((3, 17), I32),
    Type((), F64, weak=True),
)
NUMBERS = (0.0, -0.0, 1.0, 1, 0, -1, 2.5, float("nan"), float("inf"), np.float32(1), np.float64(-0.0), True)
UNARY = (ops.negative, ops.absolute, ops.square, ops.sqrt, ops.sign, ops.isnan, ops.logical_not, stop_gradient)
BINARY = (ops.add, ops.subtract, ops.multiply, ops.strong_mul, ops.divide, ops.maximum, ops.less)
ARRAYS = (np.linspace(-1, 1, 51).reshape(3, 17), np.ones(17, np.float32))


class Choices:
    """Decisions read off a list of numbers, over and over."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers: Iterator[int] = cycle(numbers or [0])

    def of(self, options: Sequence[Any]) -> Any:
        return options[next(self._numbers) % len(options)]

    def below(self, count: int) -> int:
        return next(self._numbers) % count

    def value(self, pool: Sequence[Any]) -> Any:
        """One of the pool, half of the time one of the latest: so chains arise."""
        return self.of(pool[-2:] if self.below(2) else pool)

    def order(self, count: int) -> tuple[int, ...]:
        left = list(range(count))
        return tuple(left.pop(self.below(len(left))) for _ in range(count))


def random_graph(numbers: Sequence[int], length: int) -> Graph:
    """A graph of up to `length` operations that the numbers choose, some of them twice, all of them read."""
    choices = Choices(numbers)

    def function(*inputs: Any) -> list[Any]:
        pool = list(inputs)
        grow(pool, choices, length, loops=True)
        return pool[len(inputs) :][::-1] or pool

    return stage(function, INPUTS).graph


def grow(pool: list[Any], choices: Choices, length: int, loops: bool) -> None:
    """Appends the results of operations on values of the pool; what their type rules refuse is left out."""
    steps = (_unary, _binary, _number, _move, _move, _sum, _dot, _dot, _same, _array, *[_loop] * loops)
    for _ in range(length):
        try:
            pool.append(choices.of(steps)(pool, choices))
        except ChainruleError:
            continue


def _unary(pool: list[Any], choices: Choices) -> Any:
    x = choices.value(pool)
    if choices.below(3) == 0:
        return ops.cast(x, dtype=choices.of(("float32", "float64", "int64", "bool")))
    return choices.of(UNARY)(x) if choices.below(9) else tap(x, name="here")


def _binary(pool: list[Any], choices: Choices) -> Any:
    x, y = choices.value(pool), choices.value(pool)
    return choices.of(BINARY)(x, y) if choices.below(5) else ops.select(ops.less(x, y), x, y)


def _number(pool: list[Any], choices: Choices) -> Any:
    x, number = choices.value(pool), choices.of(NUMBERS)
    if choices.below(2) and type(number) is float and (x.dtype.kind == "f" or np.isfinite(number)):
        number = full.beside(x, shape=x.shape, value=number, dtype=x.dtype.name)
        if choices.below(2):
            return number
    pair = (x, number) if choices.below(2) else (number, x)
    return choices.of(BINARY)(*pair)


def _array(pool: list[Any], choices: Choices) -> Any:
    return ops.multiply(choices.value(pool), choices.of(ARRAYS))


def _same(pool: list[Any], choices: Choices) -> Any:
    """The same as the last one, computed once more."""
    node: Node = pool[-1].value.node
    x = pool[-1]
    if node.op.several or not node.inputs or any(not isinstance(value, Value) for value in node.inputs):
        return ops.negative(x)
    made = [type(x)(x.owner, value) for value in node.inputs]
    return node.op(*made, **node.attrs)


def _move(pool: list[Any], choices: Choices) -> Any:
    x = choices.value([value for value in pool if value.shape] or pool)
    shape = x.shape
    match choices.below(6):
        case 0 | 1:
            return transpose(x, axes=choices.order(len(shape)))
        case 2:
            return reshape(x, shape=choices.of(_shapes(shape)))
        case 3:
            return broadcast_to(x, shape=(2, *shape) if choices.below(2) and len(shape) < 3 else shape)
        case 4:
            return flip(x, axes=tuple(range(choices.below(len(shape) + 1))))
        case _:
            starts = tuple(choices.below(2) for _ in shape) if choices.below(2) else (0,) * len(shape)
            return slice_(x, starts=starts, stops=shape, steps=tuple(1 + choices.below(2) for _ in shape))


def _shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    size = int(np.prod(shape))
    rows = (shape[0], size // max(shape[0], 1))
    return [shape, (size,), (1, *shape), tuple(n for n in shape if n != 1), shape[::-1], rows]


def _sum(pool: list[Any], choices: Choices) -> Any:
    x = choices.value(pool)
    return sum_(x, axes=choices.order(len(x.shape))[: choices.below(len(x.shape) + 1)])


def _dot(pool: list[Any], choices: Choices) -> Any:
    """A contraction of two values over up to two axes of equal length, along a batch axis now and then."""
    x, y = choices.value(pool), choices.value(pool)
    pairs: list[tuple[int, int]] = []
    for i in choices.order(len(x.shape)):
        fits = [j for j, n in enumerate(y.shape) if n == x.shape[i] and all(j != taken for _, taken in pairs)]
        if fits and len(pairs) < 3:
            pairs.append((i, choices.of(fits)))
    split = choices.below(2) if len(pairs) > 1 else 0
    if x.dtype.kind != "f" or y.dtype.kind != "f" or np.prod([*x.shape, *y.shape]) > 5000:
        return ops.negative(x)
    batch, contract = (tuple(zip(*part, strict=True)) or ((), ()) for part in (pairs[:split], pairs[split:]))
    return dot_general(x, y, contract=contract, batch=batch)


def _loop(pool: list[Any], choices: Choices) -> Any:
    """A loop over some of the pool's values, one of them given twice, a carry that stays as it is among them."""
    arrays = [value for value in pool if value.shape]
    consts = [choices.of(arrays) for _ in range(2)]
    carries = [choices.of(arrays) for _ in range(2)]
    xs = [x for x in (choices.of(arrays), choices.of(arrays)) if x.shape[0] == 3]
    operands = [*consts, consts[0], *carries, *xs]
    types = [x.type for x in operands[:5]] + [Type(x.shape[1:], x.dtype) for x in xs]

    def body(*inputs: Any) -> list[Any]:
        inner = list(inputs)
        grow(inner, choices, 4, loops=False)
        new = [next(value for value in reversed(inner) if value.type == carry.type) for carry in inputs[3:5]]
        return [new[0], inputs[4] if choices.below(2) else new[1], *inner[-2:]]

    staged = stage(body, types)
    attrs = {"body": staged.graph, "consts": 3, "carry": 2, "length": 3, "reverse": bool(choices.below(2))}
    results = scan(*operands, **attrs)
    pool.extend(results[1:])
    return results[0]


def arguments(graph: Graph, seed: int, special: bool, order: str = "C") -> list[Any]:
    """Values for a graph's inputs; special ones are infinities, NaN and both zeros here and there."""
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    for value in graph.inputs:
        array = rng.normal(size=value.shape) * 3
        if special:
            picks = rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0], value.shape)
            array = np.where(rng.random(value.shape) < 0.3, picks, array)
        if value.dtype.kind in "iu":
            array = np.abs(np.nan_to_num(array, posinf=7, neginf=-7))
        cast: Any = np.asarray(array, value.dtype, order="F" if order == "F" else "C")
        found.append(cast.item() if value.type.weak else cast)
    return found


def same_bits(x: Any, y: Any) -> bool:
    """Whether two values have the same type and the same bits, but that NaN is NaN."""
    if isinstance(x, float) != isinstance(y, float) or np.shape(x) != np.shape(y):
        return False
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype or not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
        return False
    return x.dtype.kind != "f" or bool(np.all((np.signbit(x) == np.signbit(y)) | np.isnan(x)))


def op_named(name: str, graph: Graph) -> list[Node]:
    """The nodes of a graph with the operation of this name."""
    assert name in OPS
    return [node for node in graph.nodes if node.op.name == name]
