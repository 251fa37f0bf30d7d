"""`roofline`: what one thread of this machine can do at most, measured by our own kernels: operations, bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.build import Built, build
from chainrule.ir.graph import Graph, Node, Value, input_value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import add
from chainrule.ops.contraction import dot_general
from chainrule.types import FLOAT32, Type

SIDE: Final = 192
"""Rows and columns of the matrices that are multiplied: they stay in the second cache."""

LONG: Final = 1 << 23
"""Elements of the arrays that are added: they do not stay in any cache."""

ROUNDS: Final = 5


@dataclass(frozen=True)
class Roofline:
    """The most of one thread: floating-point operations and bytes, a second."""

    operations: float
    bandwidth: float

    def floor(self, operations: int, nbytes: int) -> float:
        """The least seconds for so many operations and bytes."""
        return max(operations / self.operations, nbytes / self.bandwidth)

    def __str__(self) -> str:
        return f"{self.operations / 1e9:.0f} GFLOP/s, {self.bandwidth / 1e9:.1f} GB/s"


@cache
def roofline() -> Roofline:
    """The best of a few measurements, once for a process."""
    square, long = Type((SIDE, SIDE), FLOAT32), Type((LONG,), FLOAT32)
    x, y = input_value(square), input_value(square)
    product = Graph((x, y), (_apply(dot_general, x, y, contract=((1,), (0,)), batch=((), ())),))
    a, b = input_value(long), input_value(long)
    total = Graph((a, b), (_apply(add, a, b),))
    return Roofline(2 * SIDE**3 / _seconds(product, 20), 3 * 4 * LONG / _seconds(total, 1))


def _apply(op: Op, *values: Value, **attrs: Any) -> Value:
    inferred: Any = op.infer(*[value.type for value in values], **attrs)
    return Node(op, values, attrs, (inferred,)).results[0]


def _seconds(graph: Graph, repeats: int) -> float:
    """The least seconds of one call."""
    built: Built = build(graph)
    values = [*graph.inputs, *graph.outputs]
    arrays = [np.ones(value.shape, value.dtype) for value in values]
    arena = np.empty(built.arena.nbytes + 64, np.uint8)
    state = built.program.state(1)
    slots = [arena.ctypes.data + -arena.ctypes.data % 64, *[x.ctypes.data for x in arrays]]
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(repeats):
            state.start(slots)
            state.run()
        best = min(best, (time.perf_counter() - begin) / repeats)
    return best
