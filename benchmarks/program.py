"""`Program`: one contender's answer to one problem, ready to be called; and how the time of a call is taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class NotThere(Exception):
    """What a contender lacks for a row; the text is printed in the place of its time."""


@dataclass
class Program:
    """`run(n)` makes n calls and returns when their results are there; `check()` gives numbers to compare.

    Nothing has been called before `check`, so that the first call can be timed.
    """

    run: Callable[[int], Any]
    check: Callable[[], Any]
    units: int = 1  # steps, or products, in one call: a time is that of one
    longer: Program | None = (
        None  # the same with `turns` turns more inside of one call: what a turn takes is known by it
    )
    turns: int = 0
    beside: dict[str, float] = field(default_factory=dict[str, float])  # seconds that belong beside the row's
    report: Callable[[], str] | None = None  # what the contender says of how it runs


@dataclass(frozen=True)
class Pace:
    """How long a time is taken: so many repetitions of about so many seconds, and no more than so many in all."""

    repetitions: int
    seconds: float
    at_most: float


FULL = Pace(5, 0.03, 1.5)
QUICK = Pace(2, 0.01, 0.3)


def always() -> bool:
    """What `measure` asks where one core is enough."""
    return True


def measure(program: Program, pace: Pace, whole: Callable[[], bool] = always) -> dict[str, Any]:
    """Seconds of one unit: the median, the least and the most; and how many cores were busy meanwhile.

    A repetition counts if the machine gave `whole` cores before and after it, unless there is none such.
    """
    begin = time.perf_counter()
    calls, taken = 1, _timed(program, 1)
    while taken < pace.seconds and time.perf_counter() - begin < pace.at_most:
        calls = max(calls + 1, min(calls * 10, int(calls * pace.seconds / max(taken, 1e-9))))
        taken = _timed(program, calls)
    times, halved, busy, wall = list[float](), [taken], 0.0, 0.0
    before = whole()
    while len(times) < pace.repetitions and time.perf_counter() - begin < pace.at_most:
        start = time.process_time()
        taken = _timed(program, calls)
        busy, wall = busy + time.process_time() - start, wall + taken
        after = whole()
        (times if before and after else halved).append(taken)
        before = after
    seconds = [t / calls / program.units for t in times or halved]
    found = {"median": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}
    return {**found, "cores": busy / wall if wall else None, "whole": bool(times)}


def measure_overhead(program: Program, pace: Pace, whole: Callable[[], bool] = always) -> dict[str, Any]:
    """Seconds of a call beyond the work in it, which is what one more turn inside of a longer call takes."""
    assert program.longer is not None
    once, longer = measure(program, pace, whole), measure(program.longer, pace, whole)
    turn = max(0.0, longer["low"] - once["low"]) / program.turns  # the least: what is subtracted must not be a pause
    return {**once, **{name: once[name] - turn for name in ("median", "low", "high")}, "work": turn}


def measure_first(program: Program, expected: np.ndarray) -> dict[str, Any]:
    """Seconds of the first call, to its result in Python."""
    begin = time.perf_counter()
    found = program.check()
    seconds = time.perf_counter() - begin
    compare(found, expected)
    return {"median": seconds, "low": seconds, "high": seconds, "cores": None, "whole": True}


def compare(found: Any, expected: np.ndarray, tolerance: float = 1e-4) -> float:
    """The largest difference, relative where the expected number is above one; raises where it is too large."""
    numbers = np.asarray(found, np.float64).ravel()
    if numbers.shape != expected.shape:
        raise AssertionError(f"expected {expected.size} numbers, got {numbers.size}")
    error = float(np.max(np.abs(numbers - expected) / np.maximum(1, np.abs(expected))))
    if not error <= tolerance:  # so that NaN does not pass
        worst = int(np.argmax(np.nan_to_num(np.abs(numbers - expected), nan=np.inf)))
        raise AssertionError(
            f"expected {expected[worst]:.8g} as number {worst} of the result, got {numbers[worst]:.8g}"
        )
    return error


def _timed(program: Program, calls: int) -> float:
    start = time.perf_counter()
    program.run(calls)
    return time.perf_counter() - start
