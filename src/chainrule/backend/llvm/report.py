"""`Report`: a program kernel by kernel: which nodes it computes, how long it takes, how near it comes to the least."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.backend.llvm.build import Built
from chainrule.backend.llvm.roofline import Roofline
from chainrule.backend.llvm.runtime.program import Timing
from chainrule.ir.node import Node
from chainrule.schedule.plan import Special


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

    Every node of the graph is in a kernel, or moves no element: it only says where others find them.
    """

    rows: tuple[Row, ...]
    threads: int
    arena: int
    limits: Roofline
    native_calls: int

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
        total = sum((row.seconds or 0) * row.calls for row in self.rows)
        once = max((row.calls for row in self.rows), default=1)
        lines.append(
            f"native backend: {len(self.rows)} kernels, {self.threads} threads, arena {self.arena:,} bytes; "
            f"{self.native_calls} native calls of {total / max(1, min(self.native_calls, once)) * 1e6:,.1f} us; "
            f"one thread of this machine: {self.limits}"
        )
        return "\n".join(lines)

    __repr__ = __str__


def report(built: Built, timings: tuple[Timing, ...], threads: int, limits: Roofline, native_calls: int) -> Report:
    """The report of a program that was profiled."""
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
    return Report(tuple(rows), threads, built.arena.nbytes, limits, native_calls)


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
