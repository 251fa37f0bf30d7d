"""Runs the kernels of contractions between guards, on arrays of any layout."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from special_kernels import Guarded, Splits, at_once, call

from chainrule.backend.llvm.contract import kernels
from chainrule.backend.llvm.machine import Machine
from chainrule.schedule.plan import Contraction, Place, Stage

MACHINES = (
    Machine(),
    Machine(cores=4),
    Machine(vector_bits=128, cores=2),
    Machine(vector_bits=512, registers=32, cores=3, l2=2 << 20),
)
Axes = tuple[int, ...]


class Problem(NamedTuple):
    """Operands with axes (batch, rows, inner) and (batch, inner, columns), and how many of each there are."""

    left: Any
    right: Any
    counts: tuple[int, int, int, int]  # axes of the batch, the rows, the columns, the inner ones

    @property
    def lengths(self) -> tuple[Axes, Axes, Axes, Axes]:
        b, m, n, _ = self.counts
        x, y = self.left.shape, self.right.shape
        return x[:b], x[b : b + m], y[len(y) - n :], x[b + m :]

    @property
    def dtype(self) -> Any:
        return np.result_type(self.left, self.right)

    def matrices(self, dtype: Any) -> tuple[Any, Any]:
        """The operands as a batch of matrices."""
        b, m, n, k = map(prod, self.lengths)
        return self.left.reshape(b, m, k).astype(dtype), self.right.reshape(b, k, n).astype(dtype)


def matrices(left: Any, right: Any) -> Problem:
    """The product of two matrices, or of two stacks of them."""
    return Problem(left, right, (left.ndim - 2, 1, 1, 1))


def place_in(memory: Guarded, shape: Axes, dtype: Any, layout: Any = None) -> tuple[Place, Any]:
    """A place in guarded memory of a layout like an array's, and the array there."""
    place = memory.place(np.zeros(shape, dtype) if layout is None else layout)
    size = np.dtype(dtype).itemsize
    inside = memory.inside(place.buffer).data
    array = np.ndarray(shape, dtype, inside, place.offset * size, tuple(step * size for step in place.strides))
    return place, array


def run(
    problem: Problem,
    machine: Machine = MACHINES[0],
    splits: Splits = at_once,
    layout: Any = None,
    epilogue: Stage | None = None,
    memory: Guarded | None = None,
) -> Any:
    """The result, nothing else having been written to; `layout` is an array that lies as the result shall."""
    memory = memory or Guarded(0xA5)
    batch, rows, columns, inner = problem.lengths
    left, right = memory.place(problem.left), memory.place(problem.right)
    shape = (*batch, *rows, *columns)
    place, out = place_in(memory, shape, problem.dtype, layout)
    memory.inside(place.buffer)[...] = 0xA5
    step = Contraction(batch, rows, columns, inner, left, right, place, epilogue)
    before = [memory.inside(x.buffer).copy() for x in (left, right)]
    for kernel in kernels(step, machine, memory.allocate):
        assert call(kernel, memory, splits) == 0
    memory.check()
    for x, old in zip((left, right), before, strict=True):
        assert (memory.inside(x.buffer) == old).all(), "an operand was written to"
    result = out.copy()
    _check_gaps(memory.inside(place.buffer), place, out)
    return result


def structures(problem: Problem, epilogue: Stage | None = None, layout: Any = None) -> tuple[str, ...]:
    """What tells the code of the kernels apart."""
    memory = Guarded(0xA5)
    batch, rows, columns, inner = problem.lengths
    place, _ = place_in(memory, (*batch, *rows, *columns), problem.dtype, layout)
    left, right = memory.place(problem.left), memory.place(problem.right)
    step = Contraction(batch, rows, columns, inner, left, right, place, epilogue)
    return tuple([kernel.structure for kernel in kernels(step, MACHINES[0], memory.allocate)])


def _check_gaps(inside: Any, place: Place, out: Any) -> None:
    """Raises where bytes between the elements of a result were written."""
    written = np.zeros(inside.shape, np.bool_)
    element = np.dtype((np.void, out.itemsize))
    marks = np.ndarray(out.shape, element, written.data, place.offset * out.itemsize, out.strides)
    marks[...] = np.full(out.itemsize, 1, np.uint8).view(element)[0]
    assert (inside[~written] == 0xA5).all(), "a write between the elements of the result"


def check(problem: Problem, result: Any) -> None:
    """Raises where a result is further from the exact one than NumPy's in the same dtype may be."""
    left, right = problem.matrices(problem.dtype)
    result = result.reshape(left.shape[0], left.shape[1], right.shape[2])
    if problem.dtype.kind != "f":
        np.testing.assert_array_equal(result, np.matmul(left, right))
        return
    x, y = problem.matrices(np.float64)
    exact, plain = np.matmul(x, y), np.matmul(left, right)
    bound = 4 * np.abs(plain - exact) + 16 * np.finfo(problem.dtype).eps * np.matmul(np.abs(x), np.abs(y))
    assert (np.abs(result - exact) <= bound).all(), float(np.nanmax(np.abs(result - exact) - bound))
