"""A worker process: one contender, on so many threads. It answers requests, each a line of JSON, with lines of JSON.

Nothing is timed before its results were compared with those expected.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import limits, whole_cores
from benchmarks.program import (
    FULL,
    QUICK,
    NotThere,
    Pace,
    Program,
    always,
    compare,
    measure,
    measure_first,
    measure_overhead,
)
from benchmarks.table import CONTENDERS, Row, rows

IDLE, PATIENCE = 0.1, 1.0
"""The part of a core below which a process is taken to rest, and how many seconds are waited for that."""


@dataclass
class Asked:
    """A row that was asked for, ready to be timed again."""

    row: Row
    program: Program
    error: float
    report: str | None


class Worker:
    """Answers for one contender; it keeps the row that was asked for last."""

    def __init__(self) -> None:
        self._rows = {row.name: row for row in rows()}
        self._asked: Asked | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What was found for a row: times, or why there are none."""
        try:
            module = importlib.import_module(CONTENDERS[request["contender"]])
        except ImportError as error:
            ours = (error.name or "").partition(".")[0] in ("benchmarks", "chainrule")
            return {"absent": f"failed: {error}" if ours else f"not installed: {error.name}"}
        row = self._rows[request["row"]]
        prepare = getattr(module, row.problem.kind, None)
        if prepare is None:
            return {"absent": "does not take part"}
        try:
            return self._times(prepare, row, QUICK if request["quick"] else FULL, np.asarray(request["expected"]))
        except NotThere as reason:
            return {"absent": str(reason)}
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            return {"absent": f"failed: {type(error).__name__}: {lines[0][:200]}"}

    def _times(self, prepare: Any, row: Row, pace: Pace, expected: np.ndarray) -> dict[str, Any]:
        """The times of a row, after its results were compared."""
        if row.way == "first":
            program = prepare(row.problem, row.way, row.threads)
            return {**measure_first(program, expected), "beside": program.beside}
        if self._asked is None or self._asked.row is not row:
            self._asked = None
            program = prepare(row.problem, row.way, row.threads)
            error = compare(program.check(), expected, row.tolerance)
            self._asked = Asked(row, program, error, program.report() if program.report else None)
        asked = self._asked
        take_times = measure if asked.program.longer is None else measure_overhead
        found = take_times(asked.program, pace, whole_cores(row.threads) if row.threads > 1 else always)
        return {**found, "error": asked.error, "beside": asked.program.beside, "report": asked.report}


def rest() -> None:
    """Waits until the process's threads sleep: OpenBLAS's look for more work for 70 ms, while others are timed."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        busy, since = time.process_time(), time.perf_counter()
        time.sleep(0.01)
        if time.process_time() - busy < IDLE * (time.perf_counter() - since):
            return


def main() -> None:
    """Answers all requests; what libraries print goes to the errors' stream."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        found = limits(request["machine"], request["quick"]) if "machine" in request else worker.answer(request)
        rest()
        channel.write(json.dumps(found) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
