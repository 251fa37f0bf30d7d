"""`Process`: a worker process, which is asked and answers, and what it is started with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LONGEST: Final = 900
"""Seconds after which a worker is given up."""


class Process:
    """A process that is started when it is first asked, on so many threads, with its caches in a folder."""

    def __init__(self, threads: int, cache: str, blas_threads: int = 1) -> None:
        self._threads, self._cache, self._blas_threads = threads, cache, blas_threads
        self._stack = ExitStack()
        self._running: subprocess.Popen[str] | None = None
        self._late = False

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; `absent` in it tells why there is none."""
        process = self._running or self._start()
        timer = threading.Timer(LONGEST, self._give_up)
        timer.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        if self._late:
            return {"absent": f"failed: no answer in {LONGEST} s"}
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or [""])[-1]
        return {"absent": f"failed: exit status {process.wait()}: {last[:200]}"}

    def _start(self) -> subprocess.Popen[str]:
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._errors = self._stack.enter_context(errors)
        environment = worker_environment(self._threads, self._cache)
        environment["OPENBLAS_NUM_THREADS"] = str(self._blas_threads)
        self._running = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            preexec_fn=lambda: stay_on(self._threads),
        )
        return self._running

    def _give_up(self) -> None:
        self._late = True
        if self._running is not None:
            self._running.kill()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.communicate()
        self._stack.close()


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
