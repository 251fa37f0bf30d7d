"""`NativeBackend`: graphs as native programs, and their calls with NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Array, Backend, Donations, Memory, Misfit
from chainrule.backend.llvm.build import Built, build
from chainrule.backend.llvm.failure import failure
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.program import State
from chainrule.backend.llvm.runtime.threads import available_processors
from chainrule.backend.overlap import unusable
from chainrule.errors import ChainruleError
from chainrule.ir.graph import Graph
from chainrule.ir.op import Traced
from chainrule.types import Type, type_of

PAYS: Final = 2e-5
"""Seconds of work below which it is not divided among threads."""

_SPEED: Final = 5e10  # operations a second, and bytes: guesses that decide about threads alone
_BANDWIDTH: Final = 1e10


class Run:
    """Memory of one call at a time."""

    def __init__(self, built: Built, threads: int, numbers: int) -> None:
        self.state: State = built.program.state(threads)
        self.arena = np.empty(built.arena.nbytes + 64, np.uint8)
        self.base: int = self.arena.ctypes.data + -self.arena.ctypes.data % 64
        self.numbers = np.empty(max(1, numbers), np.float64)
        self.first: int = self.numbers.ctypes.data


class NativeExecutable:
    """A graph as a native program. Concurrent calls each have memory of their own."""

    def __init__(self, graph: Graph, donations: Donations, threads: int | None) -> None:
        self._graph, self._donations = graph, donations
        self._built = build(graph, donations)
        self.compiled = self._built.compiled
        self.threads = (threads or available_processors()) if self._work() > PAYS else 1
        self._types = tuple([value.type for value in graph.inputs])
        self._weak = [i for i, type in enumerate(self._types) if type.weak]
        self._donated = {place for place, _ in donations}
        self._over = {out: place for place, out in donations}
        self._results = [graph.outputs[i].type for i in self._built.outputs]
        self._runs: list[Run] = []

    def __call__(self, inputs: tuple[Any, ...]) -> Sequence[Any]:
        """The outputs; see backend/base.py."""
        run = self._run()
        arrays = [_as_array(x, type, run, i) for i, (x, type) in enumerate(zip(inputs, self._types, strict=True))]
        if self._donated:
            self._check_donated(inputs, arrays)
        outputs = [np.empty(type.shape, type.dtype) for type in self._results]
        constants = [_dense(buffer.array) for buffer in self._built.constants]
        self._execute(run, [_address(x) for x in (*arrays, *outputs, *constants)])
        self._runs.append(run)
        for i in self._donated:
            if arrays[i] is not inputs[i]:
                np.copyto(inputs[i], arrays[i])
        fresh = iter(outputs)
        return [
            inputs[self._over[i]] if i in self._over else _as_given(next(fresh), value.type)
            for i, value in enumerate(self._graph.outputs)
        ]

    def bind(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Callable[[], None]:
        """The call with these buffers; see backend/base.py."""
        run = self._run()
        fresh = [outputs[i] for i in self._built.outputs]
        held = [buffer.array for buffer in self._built.constants]
        slots = [_address(x) for x in (*inputs, *fresh)]

        def call() -> None:
            constants = [_dense(array) for array in held]
            self._execute(run, slots + [_address(x) for x in constants])

        del inputs, outputs  # `fresh` and the caller's Bound keep them alive
        return call

    def report(self) -> object:
        """The kernels, one after the other."""
        lines = [f"{work.kernel.title:<60} {work.kernel.parts:>6} parts" for work in self._built.works]
        return "\n".join(lines)

    def memory(self) -> Memory:
        """The bytes that a call uses."""
        return Memory(
            sum(type.nbytes for type in self._types),
            sum(type.nbytes for type in self._results),
            sum(buffer.nbytes for buffer in self._built.constants),
            self._built.arena.nbytes,
        )

    def _work(self) -> float:
        """Seconds that the kernels which can be divided take at least."""
        kernels = [work.kernel for work in self._built.works if work.kernel.parts > 1]
        return sum(max(kernel.operations / _SPEED, kernel.nbytes / _BANDWIDTH) for kernel in kernels)

    def _run(self) -> Run:
        try:
            return self._runs.pop()
        except IndexError:
            return Run(self._built, self.threads, len(self._types))

    def _execute(self, run: Run, addresses: list[int]) -> None:
        run.state.start([run.base, *addresses])
        outcome = run.state.run()
        if outcome.status == Status.ERROR:
            raise failure(self._built, outcome.call, outcome.index)

    def _check_donated(self, inputs: Sequence[Any], arrays: Sequence[Array]) -> None:
        if unusable(inputs, self._donated) is not None:
            raise Misfit


def _as_array(x: Any, type: Type, run: Run, number: int) -> Array:
    """An input as a dense array: itself where it is one, a copy where it lies otherwise; else a Misfit."""
    if x.__class__ is np.ndarray and x.shape == type.shape and x.dtype is type.dtype:
        return x if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C")
    if isinstance(x, Traced):
        raise Misfit
    try:
        fits = type_of(x) == type
    except ChainruleError:
        fits = False
    if not fits:
        raise Misfit
    if type.weak and type.dtype == np.float64:
        run.numbers[number] = x
        return run.numbers[number : number + 1]
    return np.array(x, type.dtype, order="C")


def _dense(x: Any) -> Array:
    """A constant's array in row-major order and in this machine's byte order."""
    return (
        x
        if x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative
        else np.array(x, x.dtype.newbyteorder("="), order="C")
    )


def _address(x: Array) -> int:
    address: int = x.__array_interface__["data"][0]
    return address


def _as_given(x: Array, type: Type) -> Any:
    """A result as the caller has it: numbers as NumPy's or Python's."""
    if type.shape:
        return x
    return x.item() if type.weak else x[()]


class NativeBackend(Backend):
    """Compiles graphs to machine code through LLVM."""

    name = "llvm"

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> NativeExecutable:
        """The graph's program, ready to run."""
        return NativeExecutable(graph, donations, threads)
