"""`NativeBackend`: graphs as native programs, and their calls with NumPy's arrays."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.backend.aligned import block
from chainrule.backend.base import Array, Backend, Donations, Memory, Misfit
from chainrule.backend.llvm.build import ARENA, Built, build
from chainrule.backend.llvm.course import NativeCourse
from chainrule.backend.llvm.failure import failure
from chainrule.backend.llvm.memory import check_memory, too_large
from chainrule.backend.llvm.report import Report, measured
from chainrule.backend.llvm.runtime.arrays import Wrong
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.ownership import Results
from chainrule.backend.llvm.runtime.program import State
from chainrule.backend.llvm.runtime.threads import thread_count
from chainrule.backend.llvm.signature import Leaves, Signature
from chainrule.errors import OwnershipError, message
from chainrule.ir.graph import Graph

PAYS: Final = 1.5e-4
"""Seconds of work below which it is not divided among threads, if nobody says among how many."""

_SPEED: Final = 5e10  # operations a second, and bytes: guesses that decide about threads alone
_BANDWIDTH: Final = 1e10


class Repeated:
    """A call with fixed buffers, which it keeps alive."""

    __slots__ = ("_again", "_built", "_held", "_lock", "_state")

    def __init__(self, built: Built, state: State, held: object) -> None:
        self._built, self._state, self._held, self._again = built, state, held, state.repeater()
        self._lock = threading.RLock()

    def __call__(self) -> None:
        if not self._lock.acquire(False):
            raise OwnershipError(message("one thread at a time in a bound call", "two", hint="to bind once in each"))
        try:
            code = self._again()
            if code and (outcome := self._state.finish(code)).status:
                raise failure(self._built, self._state, outcome)
        finally:
            self._lock.release()


class NativeExecutable:
    """A graph as a native program. Concurrent calls each have memory of their own."""

    def __init__(self, graph: Graph, donations: Donations, threads: int | None) -> None:
        self._graph = graph
        self._built = build(graph, donations)
        self.compiled = self._built.compiled
        most = thread_count()
        self.threads = threads or (most if _seconds(self._built) > PAYS else 1)
        self._signature = Signature(graph, donations, self._built)
        self._results = Results([(type.shape, type.dtype) for type in self._signature.results])
        self._states: list[State] = []
        self._free: list[State] = []

    @property
    def native_calls(self) -> int:
        """How often native code was entered: once a call, and once more for each further slice of a long loop."""
        return sum(state.entries for state in self._states)

    def __call__(self, inputs: tuple[Any, ...]) -> Sequence[Any]:
        """The outputs; see backend/base.py."""
        signature = self._signature
        given = signature.given(inputs)
        state, results = self._take()
        try:
            leaves = (*given, *signature.constants, *results)
            outcome = state.call(signature.form, leaves)
            if isinstance(outcome, Wrong):
                return self._call_fitted(inputs, state, results)
            if outcome.status:
                raise failure(self._built, state, outcome)
        finally:
            self._free.append(state)
        self._results.give(results)
        return signature.outputs(leaves)

    def _call_fitted(self, inputs: Leaves, state: State, results: tuple[Array, ...]) -> Sequence[Any]:
        """The outputs for inputs that lie in another way than the program reads them."""
        signature = self._signature
        fitted = signature.fitted(inputs)
        leaves = (*fitted, *signature.constants, *results)
        outcome = state.call(signature.form, leaves)
        if isinstance(outcome, Wrong):
            raise Misfit
        if outcome.status != Status.DONE:
            raise failure(self._built, state, outcome)
        for i in signature.donated:
            if fitted[i] is not inputs[i]:
                np.copyto(inputs[i], fitted[i])
        self._results.give(results)
        return signature.outputs((*inputs, *leaves[len(inputs) :]))

    def begin(self, inputs: tuple[Any, ...]) -> NativeCourse:
        """The call in pieces; see backend/base.py."""
        state, results = self._free.pop() if self._free else self._new_state(), self._fresh()
        course = NativeCourse(self._graph, self._built, self._signature, state, results, inputs)
        weakref.finalize(course, self._free.append, state)
        return course

    def bind(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Callable[[], None]:
        """The call with these buffers; see backend/base.py."""
        built, state = self._built, self._new_state()
        results = [outputs[i] for i in built.outputs]
        held = [*inputs, *results, *self._signature.constants]
        state.start([state.slot(ARENA), *[x.ctypes.data for x in held]])
        return Repeated(built, state, (held, outputs))

    def report(self) -> Report:
        """The kernels, as measured in a run on zeros."""
        given = [np.zeros(type.shape, type.dtype) for type in self._signature.types]
        results = self._fresh()
        state = self._make_state()
        held = [*given, *results, *self._signature.constants]
        slots = [state.slot(ARENA), *[x.ctypes.data for x in held]]
        return measured(self._built, state, slots, self.memory(), self.native_calls)

    def memory(self) -> Memory:
        """The bytes that a call uses; `arena` has what is computed in between, and the memory of the threads."""
        signature, built = self._signature, self._built
        return Memory(
            sum(type.nbytes for type in signature.types),
            sum(type.nbytes for type in signature.results),
            sum(x.nbytes for x in signature.constants),
            built.arena.nbytes + built.program.nbytes(self.threads),
        )

    def _take(self) -> tuple[State, tuple[Array, ...]]:
        """Memory for one call: a state that no other call has, and arrays for the results."""
        try:
            state = self._free.pop()
        except IndexError:
            state = self._new_state()
        try:
            return state, self._results.take()
        except MemoryError:
            self._free.append(state)
            raise too_large(self.memory()) from None

    def _fresh(self) -> tuple[Array, ...]:
        try:
            return tuple([np.zeros(type.shape, type.dtype) for type in self._signature.results])
        except MemoryError:
            raise too_large(self.memory()) from None

    def _new_state(self) -> State:
        state = self._make_state()
        self._states.append(state)
        return state

    def _make_state(self) -> State:
        """A state whose arena is memory of its own."""
        check_memory(self.memory().total, self.memory())
        try:
            state = State(self._built.program, self.threads if self._built.program.table.parallel else 1)
            state.arena = block(self._built.arena.nbytes)
        except MemoryError:
            raise too_large(self.memory()) from None
        state.set(ARENA, state.arena.ctypes.data)
        return state


def _seconds(built: Built) -> float:
    """What the kernels that can be divided take at least."""
    kernels = [work.kernel for work in built.works if work.kernel.parts > 1]
    return sum(max(kernel.operations / _SPEED, kernel.nbytes / _BANDWIDTH) for kernel in kernels)


class NativeBackend(Backend):
    """Compiles graphs to machine code through LLVM."""

    name = "llvm"

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> NativeExecutable:
        """The graph's program, ready to run."""
        return NativeExecutable(graph, donations, threads)
