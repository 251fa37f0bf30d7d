"""`described_crash`: a graph that ends the process, or hangs it, shrunk in processes that may end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.backend.base import Backend
from chainrule.ir.graph import Graph
from chainrule.testing.fuzz.generate import generate
from chainrule.testing.fuzz.shrink import Part, shrunk
from chainrule.testing.fuzz.trial import written

PATIENCE: Final = 10.0
"""Seconds after which a part counts as hanging."""

POLL: Final = 0.005


def described_crash(backend: Backend, seed: int, threads: int | None = None) -> str:
    """The smallest part of the graph that ends the process, written out; "" where that cannot be told here."""
    if sys.platform == "win32":  # no fork
        return ""
    sample = generate(seed)

    def dies(graph: Graph, inputs: Sequence[Any]) -> bool:
        def run() -> None:
            backend.compile(graph, (), threads)(tuple(inputs))

        return _ends_badly(run)

    whole = Part(Graph(sample.graph.inputs, sample.graph.outputs), sample.inputs)
    if not dies(*whole):
        return "by itself, without donations, it does not end the process"
    return f"smallest part that ends the process:\n{written(shrunk(whole, dies))}"


def _ends_badly(run: Callable[[], None]) -> bool:
    """Whether a process that does this is ended by a signal, or does not end."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:  # an error is no crash
            os._exit(0)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.WIFSIGNALED(status)
        time.sleep(POLL)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True
