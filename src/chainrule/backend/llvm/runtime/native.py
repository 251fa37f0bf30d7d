"""`runtime_text` and `runtime`: the native runtime as LLVM's text, and as addresses in this process."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.code import object_code
from chainrule.backend.llvm.engine import load
from chainrule.backend.llvm.runtime.driver import write_driver
from chainrule.backend.llvm.runtime.processor import processor
from chainrule.backend.llvm.runtime.waiting import write_barrier, write_poll, write_wait, write_wake
from chainrule.backend.llvm.runtime.workers import write_repeat, write_run, write_worker
from chainrule.backend.llvm.target import target
from chainrule.backend.llvm.values import I64

NAMES: Final = ("chainrule_run", "chainrule_repeat", "chainrule_worker", "chainrule_clock")
"""The functions that are called from outside."""


def runtime_text(triple: str) -> str:
    """The text of the runtime's module for a family of processors."""
    module, found = Module(), processor(triple)
    write_wait(module, found)
    write_wake(module, found)
    write_poll(module, found)
    write_barrier(module)
    write_driver(module, found)
    with module.function("chainrule_clock", I64) as f:
        f.ret(found.clock(f))
    write_run(module, found)
    write_repeat(module)
    write_worker(module)
    return str(module)


@dataclass(frozen=True, eq=False)
class Runtime:
    """The runtime in this process: `run(state address)` gives a status, `worker` is the address of a start routine.

    `repeat` is `run` from the program's beginning.
    """

    run: Callable[[int], int]
    repeat: Callable[[int], int]
    address: int  # of run
    worker: int
    clock: Callable[[], int]
    began: tuple[float, int]  # the same moment by Python's clock and by this one

    def cycles_per_second(self) -> float:
        """The speed of the clock, of which half a millisecond is looked at at least."""
        began, first = self.began
        while (moment := _moment(self.clock))[0] - began < _LONG_ENOUGH:
            pass
        return (moment[1] - first) / (moment[0] - began)


_LONG_ENOUGH: Final = 0.0005


def _moment(clock: Callable[[], int]) -> tuple[float, int]:
    """One moment by Python's clock and by another one: of several, the one that took least time to look at."""
    looks = [(clock(), time.perf_counter(), clock()) for _ in range(4)]
    before, now, after = min(looks, key=lambda look: look[2] - look[0])
    return now, (before + after) // 2


@cache
def runtime() -> Runtime:
    """The runtime, which is compiled and loaded when it is first asked for."""
    made_for = target()
    code, _ = object_code("runtime", lambda: runtime_text(made_for.triple), made_for)
    run, repeat, worker, clock = load(code, NAMES)
    read: Any = ctypes.CFUNCTYPE(ctypes.c_int64)(clock)
    of_state: Any = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    return Runtime(of_state(run), of_state(repeat), run, worker, read, _moment(read))
