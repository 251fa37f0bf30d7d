"""Times of chainrule beside other libraries', on this machine, in one run: `scripts/bench [options]`.

Each turn every contender has a process of its own, and for each row they are timed one after the other, A B C A B C
A B C. Results are compared with those expected before anything is timed. A time is the median of the medians found so,
given with the least and the most of them; a ratio is the median of the ratios of the same moment.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.process import Process
from benchmarks.report import print_group, print_head, summarise
from benchmarks.table import CONTENDERS, Row, chosen

ROUNDS = 3
"""How often a process is asked for the times of a row."""

Start = Callable[[str, int, str], Process]
"""A worker process for a contender, on so many threads, with caches in a folder of this name."""


def run(
    rows: list[Row],
    contenders: list[str],
    processes: int,
    quick: bool,
    start: Start,
    save: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Everything that was measured; prints and saves each group when it is done."""
    began = time.time()
    found: dict[str, Any] = {"machine": describe(), "quick": quick, "processes": processes, "limits": {}, "rows": []}
    print_head(found)
    found["limits"] = machine_limits(sorted({row.threads for row in rows}), 1 if quick else 3, quick, start)
    for _, members in itertools.groupby(rows, key=lambda row: row.group):
        group = list(members)
        answers = take_turns(group, contenders, processes, quick, start)
        for threads in {row.threads for row in group}:  # once more, nearer to the group's own time
            merge(found["limits"], machine_limits([threads], 1, quick, start))
        summaries = [summarise(row, answers[row.name], found["limits"][str(row.threads)]) for row in group]
        print_group(group, summaries)
        found["rows"] += summaries
        found["seconds"] = time.time() - began
        save(found)
    return found


def machine_limits(threads: list[int], times: int, quick: bool, start: Start) -> dict[str, dict[str, float]]:
    """The best of each limit of the machine, by the number of threads as text."""
    found: dict[str, dict[str, float]] = {}
    for count in threads:
        for _ in range(times):
            with start("machine", count, "shared") as worker:
                figures = worker.ask({"machine": count, "quick": quick})
            if "absent" in figures:
                raise RuntimeError(f"the machine could not be measured: {figures['absent']}")
            merge(found, {str(count): figures})
    return found


def merge(limits: dict[str, dict[str, float]], more: dict[str, dict[str, float]]) -> None:
    """Keeps the larger of each figure."""
    for count, figures in more.items():
        known = limits.setdefault(count, {})
        for name, figure in figures.items():
            known[name] = max(figure, known.get(name, 0.0))


def take_turns(
    group: list[Row], contenders: list[str], processes: int, quick: bool, start: Start
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What every process of every contender answered, by row and contender."""
    expected = {row.name: row.problem.expected().tolist() for row in group}
    taking = [c for c in contenders if c in group[0].contenders]
    answers: dict[str, dict[str, list[dict[str, Any]]]] = {row.name: {c: [] for c in taking} for row in group}
    for turn in range(processes):
        begin = time.time()
        with ExitStack() as stack:
            workers = {c: stack.enter_context(start(c, group[0].threads, cache(group[0], c, turn))) for c in taking}
            for row in group:
                for _ in range(1 if row.way == "first" else ROUNDS):
                    for contender, worker in workers.items():
                        about = {"row": row.name, "expected": expected[row.name], "quick": quick}
                        request = {"contender": contender, **about}
                        if row.name == "first-warm" and turn == 0:
                            with start(contender, row.threads, cache(row, contender, turn)) as filling:
                                filling.ask(request)
                        answers[row.name][contender].append(worker.ask(request))
        print(f"  {group[0].group}: turn {turn + 1}, {time.time() - begin:.0f} s", file=sys.stderr)
    return answers


def cache(row: Row, contender: str, turn: int) -> str:
    """The name of the folder for a contender's caches on disk."""
    cold, warm = f"cold-{contender}-{turn}", f"warm-{contender}"
    return {"first-cold": cold, "first-warm": warm}.get(row.name, "shared")


def numbers(text: str) -> list[int]:
    """The numbers in a text with commas."""
    return [int(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """The contenders in a text with commas."""
    found = text.split(",")
    if not set(found) <= set(CONTENDERS):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(CONTENDERS)}, got {text}")
    return found


def options() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser("scripts/bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("rows", nargs="*", help="beginnings of rows' names, or patterns with *; without any, all rows")
    parser.add_argument("--list", action="store_true", help="print the rows' names and what they are")
    parser.add_argument("--processes", type=int, help="turns of each contender (5; with --quick 1)")
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="N,N", help="rows on so many threads (1,2)")
    parser.add_argument("--contenders", type=names, default=list(CONTENDERS), metavar="A,B", help=", ".join(CONTENDERS))
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it works, not to be quoted")
    parser.add_argument("--out", default="runs/bench.json", help="where the figures are saved (runs/bench.json)")
    return parser


def main() -> int:
    """0; 1 where a contender's results were wrong or it failed, 2 where no row fits."""
    arguments = options().parse_args()
    rows = chosen(arguments.rows, arguments.threads)
    if not rows:
        print(f"no row fits {' '.join(arguments.rows)}; scripts/bench --list names them", file=sys.stderr)
        return 2
    if arguments.list:
        print("\n".join(f"{row.name:32} {row.title}, {row.threads} thread{'s' * (row.threads > 1)}" for row in rows))
        return 0
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    processes = arguments.processes or (1 if arguments.quick else 5)
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as folder:
        found = run(
            rows,
            arguments.contenders,
            processes,
            arguments.quick,
            # NumPy's OpenBLAS alone has threads: having checked a result, they look for more to do
            lambda who, n, cache: Process(n, os.path.join(folder, cache), n if who == "numpy" else 1),
            lambda found: out.write_text(json.dumps(found, indent=1), encoding="utf-8"),
        )
    print(f"\n{found['seconds'] / 60:.0f} minutes; saved as {out}")
    return int(any("failed" in str(c.get("absent")) for row in found["rows"] for c in row["contenders"].values()))


if __name__ == "__main__":
    sys.exit(main())
