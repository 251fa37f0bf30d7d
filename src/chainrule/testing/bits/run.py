"""`hashed`: what a workload gives on so many threads, as a hash, and how many of the threads took part in it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.build import ARENA, Built, build
from chainrule.backend.llvm.machine import Machine, this_machine
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.errors import BackendError, message
from chainrule.ir.graph import Graph
from chainrule.testing.bits.workloads import Workload

Array = np.ndarray[Any, Any]

MACHINES: Final = {
    "small": Machine(l1=8 << 10, l2=64 << 10, l3=1 << 20, vector_bits=128, registers=16, cores=1),
    "large": Machine(l1=64 << 10, l2=4 << 20, l3=256 << 20, vector_bits=512, registers=32, cores=64),
}
"""Records of machines that are not this one: other tiles, other blocks, other parts."""


@dataclass(frozen=True)
class Hashed:
    """SHA-256 of all results of a workload, their types among them, and how it was run."""

    name: str
    digest: str
    threads: int  # that took part in a kernel
    kernels: int
    compiled: int
    seconds: float


def hashed(workload: Workload, threads: int, machine: str = "") -> Hashed:
    """What a workload gives on so many threads, its kernels made for a machine of that name, or this one."""
    graph, inputs = workload.staged()
    begin = time.perf_counter()
    built = build(graph, (), MACHINES[machine] if machine else this_machine())
    results, took_part = _run(graph, built, inputs, threads)
    seconds = time.perf_counter() - begin
    return Hashed(workload.name, digest(results), took_part, len(built.works), built.compiled, seconds)


def digest(arrays: Sequence[Array]) -> str:
    """SHA-256 of dtypes, shapes and elements. One NaN is as another: LLVM may choose its sign and its lower bits."""
    found = hashlib.sha256()
    for x in arrays:
        found.update(f"{x.dtype.str}{x.shape}".encode())
        found.update((np.where(np.isnan(x), x.dtype.type(np.nan), x) if x.dtype.kind == "f" else x).tobytes())
    return found.hexdigest()


def _run(graph: Graph, built: Built, inputs: Sequence[Array], threads: int) -> tuple[list[Array], int]:
    """The results, and how many threads had parts of a kernel to do."""
    results = [np.empty(value.shape, value.dtype) for value in graph.outputs]
    constants = [np.require(buffer.array, requirements=["C", "A"]) for buffer in built.constants]
    held = [np.require(x, value.dtype, ["C", "A"]) for x, value in zip(inputs, graph.inputs, strict=True)]
    arena = np.empty(built.arena.nbytes + 64, np.uint8)
    slots = [arena.ctypes.data + -arena.ctypes.data % 64]
    slots += [x.ctypes.data for x in (*held, *[results[i] for i in built.outputs], *constants)]
    assert ARENA == 0
    state = built.program.state(threads)
    state.profile()
    state.start(slots)
    outcome = state.run()
    if outcome.status != Status.DONE:
        raise BackendError(message("a workload that ends", f"{outcome} of {graph}"))
    timings = state.timings()
    return results, max(sum(count > 0 for count in timing.runs) for timing in timings)
