"""Many graphs, run in a process of their own, so that one that crashes is known by its seed and the rest goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any, Final

from chainrule.testing.fuzz.crash import described_crash
from chainrule.testing.fuzz.generate import kinds
from chainrule.testing.fuzz.trial import find_backend, try_seed
from chainrule.types import DTYPES

EVERY: Final = 1000
"""A line of progress for so many graphs."""


def child(backend: str, threads: int | None, seed: int, count: int, crash: bool = False) -> int:
    """The exit code, when all graphs have run: each with a line of JSON before it, its seed, and one behind it.

    With `crash` only the first is run, which is known to end the process: its smallest part that does is written.
    """
    found = find_backend(backend)
    if crash:
        print(json.dumps({"crash": described_crash(found, seed, threads)}), flush=True)
        return 0
    for number in range(seed, seed + count):
        print(json.dumps({"seed": number}), flush=True)
        trial = try_seed(found, number, threads)
        covered = [[what, name, times] for (what, name), times in trial.covered.items()]
        print(json.dumps({"done": number, "covered": covered, "failure": trial.failure}), flush=True)
    return 0


class Campaign:
    """Runs graphs in child processes; `covered` and `failures` (the seeds) are what came of them."""

    def __init__(self, backend: str, threads: int | None = None, patience: float = 120.0, most: int = 20) -> None:
        self.backend = backend
        self.threads = threads
        self.patience = patience
        self.most = most
        self.covered: Counter[tuple[str, str]] = Counter()
        self.failures: list[int] = []
        self.done = 0

    def run(self, seed: int, count: int) -> None:
        """Runs the graphs with these seeds; where a child ends early, another goes on behind the seed at fault."""
        stop, began = seed + count, time.monotonic()
        while seed < stop and len(self.failures) < self.most:
            seed = self._run_child(seed, stop, began)

    def _run_child(self, seed: int, stop: int, began: float) -> int:
        """The seed to go on with once a child has ended."""
        with subprocess.Popen(
            self._command(seed, stop - seed, "--child"), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            current = seed - 1
            for line in _lines(process.stdout, self.patience):
                if line is None:
                    process.kill()
                    self._fail(current, f"graph {current} took more than {self.patience:g} s{self._crash(current)}")
                    return current + 1
                if "seed" in line:
                    current = line["seed"]
                else:
                    self._note(line, began)
                    if len(self.failures) >= self.most:
                        process.kill()
                        return stop
            code = process.wait()
        if code == 0:
            return stop
        current = max(current, seed)
        how = f"graph {current} ended the process, exit code {code} (negative: a signal)"
        self._fail(current, how + self._crash(current))
        return current + 1

    def _command(self, seed: int, count: int, *more: str) -> list[str]:
        command = [sys.executable, "-m", "chainrule.testing.fuzz", str(count), "--seed", str(seed), *more]
        command += ["--backend", self.backend]
        return command if self.threads is None else [*command, "--threads", str(self.threads)]

    def _crash(self, seed: int) -> str:
        """The smallest part of a graph that ends the process."""
        try:
            command = self._command(seed, 1, "--child", "--crash")
            found = subprocess.run(command, capture_output=True, text=True, timeout=10 * self.patience, check=False)
        except subprocess.TimeoutExpired:
            return ""
        lines = [line for line in found.stdout.splitlines() if line.startswith('{"crash"')]
        return "\n" + json.loads(lines[-1])["crash"] if lines else ""

    def _note(self, line: dict[str, Any], began: float) -> None:
        self.done += 1
        self.covered.update({(what, name): times for what, name, times in line["covered"]})
        if line["failure"]:
            self._fail(line["done"], line["failure"])
        if self.done % EVERY == 0:
            took = time.monotonic() - began
            print(f"{self.done} graphs in {took:.0f} s, {len(self.failures)} failed", flush=True)

    def _fail(self, seed: int, text: str) -> None:
        self.failures.append(seed)
        again = f"python -m chainrule.testing.fuzz 1 --seed {seed} --backend {self.backend}"
        print(f"--- {text}\n--- again: {again}", flush=True)


def _lines(stream: IO[str], patience: float) -> Iterator[dict[str, Any] | None]:
    """The objects that a child writes; None where it writes nothing for so long."""
    queue: Queue[str | None] = Queue()

    def read() -> None:
        for text in stream:
            queue.put(text)
        queue.put(None)

    Thread(target=read, daemon=True).start()
    while True:
        try:
            text = queue.get(timeout=patience)
        except Empty:
            yield None
            return
        if text is None:
            return
        yield json.loads(text)


def table(covered: Counter[tuple[str, str]]) -> list[str]:
    """How often each operation, dtype, kind of lowering and class of sizes occurred, and which operations never did."""
    lines: list[str] = []
    for what in ("lowering", "dtype", "size", "op", "elements"):
        rows = sorted(((name, n) for (group, name), n in covered.items() if group == what), key=lambda row: -row[1])
        lines.append(f"{what}: " + ", ".join(f"{name} {n:,}" for name, n in rows))
    every = {op.name for ops in kinds().values() for op in ops}
    missing = sorted(every - {name for group, name in covered if group == "op"})
    absent = [name for name in DTYPES if not covered["dtype", name]]
    return [*lines, f"never: {', '.join([*missing, *absent]) or 'nothing'}"]
