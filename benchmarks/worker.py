"""A worker process: one contender, some rows. It reads a request from its input and writes one line of JSON.

Nothing is timed before its results were compared with those expected.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from typing import Any

import numpy as np

from benchmarks.machine import limits, whole_cores
from benchmarks.program import FULL, QUICK, NotThere, Pace, always, compare, measure, measure_first, measure_overhead
from benchmarks.table import CONTENDERS, Row, rows


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What was found for each row by its name: times, or why there are none."""
    by_name = {row.name: row for row in rows()}
    pace = QUICK if request["quick"] else FULL
    try:
        module = importlib.import_module(CONTENDERS[request["contender"]])
    except ImportError as error:
        ours = (error.name or "").partition(".")[0] in ("benchmarks", "chainrule")
        text = f"failed: {error}" if ours else f"not installed: {error.name}"
        return {name: {"absent": text} for name in request["rows"]}
    return {name: attempt(module, by_name[name], pace, expected) for name, expected in request["rows"].items()}


def attempt(module: Any, row: Row, pace: Pace, expected: list[float]) -> dict[str, Any]:
    """The row's times, or the reason why there are none."""
    prepare = getattr(module, row.problem.kind, None)
    if prepare is None:
        return {"absent": "does not take part"}
    try:
        return take(prepare, row, pace, np.asarray(expected))
    except NotThere as reason:
        return {"absent": str(reason)}
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        return {"absent": f"failed: {type(error).__name__}: {lines[0][:200]}"}


def take(prepare: Any, row: Row, pace: Pace, expected: np.ndarray) -> dict[str, Any]:
    """The times of a row, after its results were compared."""
    program = prepare(row.problem, row.way, row.threads)
    if row.way == "first":
        return {**measure_first(program, expected), "beside": program.beside}
    error = compare(program.check(), expected, row.tolerance)
    take_times = measure if program.longer is None else measure_overhead
    found = take_times(program, pace, whole_cores(row.threads) if row.threads > 1 else always)
    report = program.report() if program.report else None
    return {**found, "error": error, "beside": program.beside, "report": report}


def main() -> None:
    """Answers the request; what libraries print goes to the errors' stream."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    request = json.load(sys.stdin)
    if request.get("machine"):
        found: dict[str, Any] = limits(request["machine"], request["quick"])
    else:
        found = answer(request)
    json.dump(found, channel)
    channel.flush()


if __name__ == "__main__":
    main()
