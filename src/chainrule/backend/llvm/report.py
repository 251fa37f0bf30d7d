"""`Report`: a program kernel by kernel: which nodes it computes, how long it takes, how near it comes to the least."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.backend.base import Memory
from chainrule.backend.llvm.build import Built
from chainrule.backend.llvm.roofline import Roofline, roofline
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.program import State, Timing
from chainrule.ir.graph import CONSTANT
from chainrule.ir.node import Node
from chainrule.ops.control import scan
from chainrule.ops.movement import full, iota
from chainrule.schedule.plan import Special
from chainrule.schedule.views import is_move

SECONDS: Final = 0.3
"""For how long a program is run to be measured; a long loop is broken off."""

REPEATS: Final = 20


@dataclass(frozen=True)
class Row:
    """A kernel. `calls` counts how often it ran, `seconds` is the mean of one time, None where it did not run."""

    title: str
    nodes: tuple[Node, ...]
    operations: int
    nbytes: int
    parts: int
    threads: int = 0
    calls: int = 0
    seconds: float | None = None
    floor: float = 0.0

    @property
    def share(self) -> float | None:
        """The least time by the time it took."""
        return self.floor / self.seconds if self.seconds else None


@dataclass(frozen=True)
class Report:
    """The kernels of a program in order, measured in runs on zeros, and the machine's limits on one thread.

    `nodes` are those of the graph and its loops, softmax and the like spelled out; `unplaced` are those among them that
    compute something and are in no kernel: there are none. `native_calls` counts how often calls have entered native
    code so far; `seconds` is what one call took in the measured runs, None where it was broken off.
    """

    rows: tuple[Row, ...]
    threads: int
    memory: Memory
    limits: Roofline
    native_calls: int
    nodes: tuple[Node, ...]
    unplaced: tuple[Node, ...]
    seconds: float | None = None

    def __str__(self) -> str:
        head = ("kernel", "MFLOP", "MB", "parts", "threads", "calls", "us", "of the floor")
        table = [head, *[_cells(row) for row in self.rows]]
        widths = [max(len(cells[column]) for cells in table) for column in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in table
        ]
        took = "" if self.seconds is None else f"; one call takes {self.seconds * 1e6:,.1f} us"
        missing = ", ".join(node.op.name for node in self.unplaced)
        lines += [
            f"native backend: {len(self.rows)} kernels on {self.threads} threads{took}; {self.native_calls} so far",
            f"nodes: {len(self.nodes)}, in no kernel: {missing or 'none but those that move no element'}",
            f"memory: {self.memory}",
            f"one thread of this machine: {self.limits}",
        ]
        return "\n".join(lines)

    __repr__ = __str__


def measured(built: Built, state: State, slots: Sequence[int], memory: Memory, native_calls: int) -> Report:
    """The report of a program, after short runs of it with these addresses."""
    limits = roofline()
    _run(state, slots, time.perf_counter() + SECONDS)  # memory is given out when it is first written to
    begin = time.perf_counter()
    seconds = _run(state, slots, begin + SECONDS)
    timings = state.timings()
    if seconds is not None and time.perf_counter() - begin + seconds < SECONDS:
        best = seconds
        state.profile()
        for _ in range(REPEATS):
            if time.perf_counter() - begin > SECONDS:
                break
            best = min(best, _run(state, slots, begin + SECONDS, anew=False) or best)
        seconds, timings = best, state.timings()
    nodes = built.plan.nodes
    rows = _rows(built, timings, limits)
    placed = {node for row in rows for node in row.nodes}
    unplaced = tuple([node for node in nodes if node not in placed and not _moves_nothing(node)])
    return Report(rows, state.workers, memory, limits, native_calls, nodes, unplaced, seconds)


def _run(state: State, slots: Sequence[int], until: float, anew: bool = True) -> float | None:
    """The seconds of one run that is measured, None where it was broken off."""
    if anew:
        state.profile()
    begin = time.perf_counter()
    state.start(slots)
    status = Status.YIELD
    while status == Status.YIELD and time.perf_counter() < until:
        status = state.proceed(seconds=max(1e-6, until - time.perf_counter()))
    return time.perf_counter() - begin if status == Status.DONE else None


def _rows(built: Built, timings: Sequence[Timing], limits: Roofline) -> tuple[Row, ...]:
    rows: list[Row] = []
    for work, timing in zip(built.works, timings, strict=True):
        kernel, step = work.kernel, work.step
        nodes = (step.node,) if isinstance(step, Special) else step.nodes
        took_part = sum(count > 0 for count in timing.runs)
        calls = max(timing.runs, default=0)
        seconds = max(timing.seconds, default=0.0) / calls if calls else None
        floor = limits.floor(kernel.operations, kernel.nbytes) / max(1, took_part)
        rows.append(
            Row(kernel.title, nodes, kernel.operations, kernel.nbytes, kernel.parts, took_part, calls, seconds, floor)
        )
    return tuple(rows)


def _moves_nothing(node: Node) -> bool:
    """Whether a node only says where others find elements, or which numbers they are; a loop is its body's nodes."""
    return is_move(node.op) or node.op in (CONSTANT, full, iota, scan)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.title if len(row.title) <= 60 else f"{row.title[:57]}...",
        f"{row.operations / 1e6:.3f}",
        f"{row.nbytes / 1e6:.3f}",
        str(row.parts),
        str(row.threads),
        str(row.calls),
        "-" if row.seconds is None else f"{row.seconds * 1e6:.2f}",
        "-" if row.share is None else f"{row.share * 100:.0f} %",
    )
