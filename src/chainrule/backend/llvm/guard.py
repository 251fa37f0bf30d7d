"""`guarded`: whether a program writes where it should, and only there: for tests.

A graph is run twice in memory of which every byte is known: gaps lie around each array and each buffer in between, and
everything else is poisoned, the second time with other bytes. What is written to a gap is found there; an element that
is used without having been written makes the two runs differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.backend.aligned import ALIGN, block
from chainrule.backend.base import Array, Donations
from chainrule.backend.llvm.arena import Arena
from chainrule.backend.llvm.build import Built, build
from chainrule.backend.llvm.executable import NativeBackend, NativeExecutable
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.program import State
from chainrule.backend.llvm.signature import Signature
from chainrule.errors import BackendError, message
from chainrule.ir.graph import Graph

GAP: Final = 4 * ALIGN
"""Bytes around each buffer."""

POISON: Final = (0x5A, 0xFF)
"""What all bytes are in the one run and in the other; floats of the second one are NaN."""


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What one run left behind: its status, the bytes of each result, and what it wrote to gaps."""

    status: Status
    results: list[bytes]
    trouble: str


def guarded(graph: Graph, donations: Donations, inputs: Sequence[Any], threads: int = 1) -> str:
    """What is wrong with the memory that the program of a graph writes to for these inputs; "" if nothing."""
    built = build(graph, donations, apart=GAP)
    signature = Signature(graph, donations, built)
    given = [np.array(x, type.dtype, order="C") for x, type in zip(inputs, signature.types, strict=True)]
    one, other = (_run(built, signature, given, threads, poison) for poison in POISON)
    trouble = one.trouble or other.trouble
    if trouble or one.status != other.status:
        return trouble or f"ends in one run as {one.status.name}, in another as {other.status.name}"
    unlike = [number for number, (x, y) in enumerate(zip(one.results, other.results, strict=True)) if x != y]
    return f"results {unlike} depend on what was in memory before" if unlike and one.status == Status.DONE else ""


def _run(built: Built, signature: Signature, given: Sequence[Array], threads: int, poison: int) -> _Outcome:
    constants = signature.constants
    kept = [x.nbytes for x in (*given, *constants)]
    sizes = [*kept[: len(given)], *[type.nbytes for type in signature.results], *kept[len(given) :]]
    offsets, top = _apart(sizes)
    memory, arena = block(top), block(built.arena.nbytes)
    memory[...] = poison
    arena[...] = poison
    first = len(sizes) - len(constants)
    for number, x in [*enumerate(given), *enumerate(constants, first)]:
        memory[offsets[number] : offsets[number] + x.nbytes] = np.frombuffer(x.tobytes(), np.uint8)
    state = State(built.program, threads if built.program.table.parallel else 1)
    state.scratch[...] = poison
    state.start([arena.ctypes.data, *[memory.ctypes.data + offset for offset in offsets]])
    status = state.run().status
    spans = [(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True)]
    trouble = _written(memory, spans, poison, "inputs, results and constants")
    trouble = trouble or _written(arena, _spans(built.arena), poison, "the arena")
    trouble = trouble or _private(built, state, poison)
    changed = [
        number
        for number, x in [*enumerate(given), *enumerate(constants, first)]
        if number not in signature.donated and memory[slice(*spans[number])].tobytes() != x.tobytes()
    ]
    if changed:
        trouble = trouble or f"writes to inputs or constants {changed}"
    results = [n for n in range(first) if n >= len(given) or n in signature.donated]
    return _Outcome(status, [memory[slice(*spans[number])].tobytes() for number in results], trouble)


def _apart(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where arrays of these sizes lie with gaps around them, and the size of it all."""
    offsets: list[int] = []
    top = GAP
    for size in sizes:
        offsets.append(top)
        top += -(-size // ALIGN) * ALIGN + GAP
    return offsets, top


def _spans(arena: Arena) -> list[tuple[int, int]]:
    return [(offset, offset + buffer.nbytes) for buffer, offset in arena.offsets.items()]


def _private(built: Built, state: State, poison: int) -> str:
    """What was written to the gaps in the workers' own memory."""
    step = len(state.scratch) // state.threads
    for worker in range(state.threads):
        mine = state.scratch[worker * step + state.private :][: built.private.nbytes]
        trouble = _written(mine, _spans(built.private), poison, f"worker {worker}'s own memory")
        if trouble:
            return trouble
    return ""


def _written(memory: Array, spans: Sequence[tuple[int, int]], poison: int, name: str) -> str:
    """Where something was written outside of the spans."""
    outside = memory != poison
    for begin, end in spans:
        outside[begin:end] = False
    places = np.flatnonzero(outside)
    if not places.size:
        return ""
    place = int(places[0])
    begin, end = min(spans, key=lambda span: max(span[0] - place, place - span[1] + 1))
    beside = f"{begin - place} bytes before" if place < begin else f"{place - end} bytes behind"
    return f"writes to {places.size} bytes in gaps of {name}, first {beside} a buffer of {end - begin} bytes"


class GuardedExecutable(NativeExecutable):
    """An executable that is run guarded before each call."""

    def __init__(self, graph: Graph, donations: Donations, threads: int | None) -> None:
        super().__init__(graph, donations, threads)
        self._donations = donations

    def __call__(self, inputs: tuple[Any, ...]) -> Sequence[Any]:
        """The outputs; a BackendError where something is wrong with what is written to memory."""
        fitted = self._signature.fitted(inputs)
        trouble = guarded(self._graph, self._donations, fitted, self.threads)
        if trouble:
            raise BackendError(message("a program that writes each element of its own, and no other", trouble))
        return super().__call__(inputs)


class GuardedBackend(NativeBackend):
    """The native backend, with a guarded run before each call."""

    name = "guarded"

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> GuardedExecutable:
        """The graph's program, ready to run."""
        return GuardedExecutable(graph, donations, threads)
