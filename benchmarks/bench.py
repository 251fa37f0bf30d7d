"""Times of chainrule beside other libraries', on this machine, in one run: `scripts/bench [options]`.

For each group of rows the contenders take turns, A B C A B C ..., each turn a process of its own. Results are compared
with those expected before anything is timed. A time is the median of the processes' medians, given with the least and
the most of them; a ratio is the median of the ratios of the same turn.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.report import print_group, print_head, summarise
from benchmarks.table import CONTENDERS, Row, chosen

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 900
"""Seconds after which a worker is given up."""

Ask = Callable[[dict[str, Any], int, str], dict[str, Any]]


def run(
    rows: list[Row],
    contenders: list[str],
    processes: int,
    quick: bool,
    ask: Ask,
    save: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Everything that was measured; prints and saves each group when it is done."""
    start = time.time()
    found: dict[str, Any] = {"machine": describe(), "quick": quick, "processes": processes, "limits": {}, "rows": []}
    print_head(found)
    found["limits"] = machine_limits(sorted({row.threads for row in rows}), 1 if quick else 3, quick, ask)
    for _, members in itertools.groupby(rows, key=lambda row: row.group):
        group = list(members)
        answers = take_turns(group, contenders, processes, quick, ask)
        for threads in {row.threads for row in group}:  # once more, nearer to the group's own time
            merge(found["limits"], machine_limits([threads], 1, quick, ask))
        summaries = [summarise(row, answers[row.name], found["limits"][str(row.threads)]) for row in group]
        print_group(group, summaries)
        found["rows"] += summaries
        found["seconds"] = time.time() - start
        save(found)
    return found


def machine_limits(threads: list[int], times: int, quick: bool, ask: Ask) -> dict[str, dict[str, float]]:
    """The best of each limit of the machine, by the number of threads as text."""
    found: dict[str, dict[str, float]] = {}
    for count in threads:
        for _ in range(times):
            merge(found, {str(count): ask({"machine": count, "quick": quick}, count, "shared")})
    return found


def merge(limits: dict[str, dict[str, float]], more: dict[str, dict[str, float]]) -> None:
    """Keeps the larger of each figure."""
    for count, figures in more.items():
        known = limits.setdefault(count, {})
        for name, figure in figures.items():
            known[name] = max(figure, known.get(name, 0.0))


def take_turns(
    group: list[Row], contenders: list[str], processes: int, quick: bool, ask: Ask
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What every process of every contender answered, by row and contender."""
    expected = {row.name: row.problem.expected().tolist() for row in group}
    threads, taking = group[0].threads, [c for c in contenders if c in group[0].contenders]
    answers: dict[str, dict[str, list[dict[str, Any]]]] = {row.name: {c: [] for c in taking} for row in group}
    for turn in range(processes):
        for contender in taking:
            request = {"contender": contender, "rows": expected, "quick": quick}
            cache = "shared"
            if group[0].name == "first-cold":
                cache = f"cold-{contender}-{turn}"
            elif group[0].name == "first-warm":
                cache = f"warm-{contender}"
                if turn == 0:
                    ask(request, threads, cache)  # fills it
            begin = time.time()
            answer = ask(request, threads, cache)
            print(f"  {group[0].group}: turn {turn + 1}, {contender}, {time.time() - begin:.0f} s", file=sys.stderr)
            for name in expected:
                answers[name][contender].append(answer.get(name, {"absent": answer.get("absent", "no answer")}))
    return answers


def ask_worker(folder: str, request: dict[str, Any], threads: int, cache: str) -> dict[str, Any]:
    """The answer of a fresh process on so many threads, whose caches on disk are in a folder of this name."""
    environment = worker_environment(threads, os.path.join(folder, cache))
    if request.get("contender") != "numpy":  # whose threads, having checked a result, look for more for 70 ms
        environment["OPENBLAS_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "benchmarks.worker"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            preexec_fn=lambda: stay_on(threads),
        )
    except subprocess.TimeoutExpired:
        return {"absent": f"failed: no answer in {LONGEST} s"}
    if done.returncode == 0 and done.stdout.strip():
        return json.loads(done.stdout.splitlines()[-1])
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if request.get("machine"):
        raise RuntimeError(f"the machine could not be measured: {last}")
    return {"absent": f"failed: exit status {done.returncode}: {last[:200]}"}


def stay_on(threads: int) -> None:
    """Keeps this process on as many cores as it may have threads: jax dispatches on a thread of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def worker_environment(threads: int, cache: str) -> dict[str, str]:
    """The environment of a worker: the number of threads in every library's words, and folders for their caches.

    jax has no documented number: with one thread its products are told not to use the pool.
    """
    # NumPy's BLAS is to take the kernels that it finds best for the processor.
    named = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "XLA_FLAGS", "PYTHONPATH", "CHAINRULE_CACHE")
    named += ("PYTHONDONTWRITEBYTECODE",)  # modules are imported from compiled files, as installed ones are
    environment = {name: value for name, value in os.environ.items() if name not in named}
    for name in ("OMP", "MKL", "OPENBLAS", "CHAINRULE"):
        environment[f"{name}_NUM_THREADS"] = str(threads)
    environment["PYTHONPYCACHEPREFIX"] = os.path.join(os.path.dirname(cache), "modules")
    environment["JAX_PLATFORMS"] = "cpu"
    environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'false' if threads == 1 else 'true'}"
    if os.path.basename(cache).startswith("warm-"):  # jax keeps nothing unless it is told to
        environment["JAX_COMPILATION_CACHE_DIR"] = os.path.join(cache, "jax")
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    environment["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(cache, "inductor")
    environment["XDG_CACHE_HOME"] = os.path.join(cache, "home")
    for name in (cache, environment["XDG_CACHE_HOME"]):
        os.makedirs(name, mode=0o700, exist_ok=True)
    return environment


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
            lambda request, threads, cache: ask_worker(folder, request, threads, cache),
            lambda found: out.write_text(json.dumps(found, indent=1), encoding="utf-8"),
        )
    print(f"\n{found['seconds'] / 60:.0f} minutes; saved as {out}")
    return int(any("failed" in str(c.get("absent")) for row in found["rows"] for c in row["contenders"].values()))


if __name__ == "__main__":
    sys.exit(main())
