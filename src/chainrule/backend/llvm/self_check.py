"""`distrust`: why native code is not used on a processor or a system on which it was not tested.

There a few graphs are run in a process of their own, which may crash, and compared with the reference backend. What
comes of it is kept with the compiled code.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.disk import disk
from chainrule.backend.llvm.executable import NativeBackend
from chainrule.backend.llvm.key import key
from chainrule.backend.llvm.target import Target, target
from chainrule.backend.reference import ReferenceBackend
from chainrule.ir.graph import Graph
from chainrule.ir.text import parse_graph

PATIENCE: Final = 120.0
"""Seconds that the check may take."""

RIGHT: Final = "right"

GRAPHS: Final = (
    """graph(%0: f32[37,20], %1: f32[20,9], %2: f32[9]) {
    %3: f32[37,9] = dot_general(%0, %1, contract=((1,), (0,)), batch=((), ()))
    %4: f32[37,9] = add(%3, %2)
    %5: f32[37,9] = tanh(%4)
    %6: f32[37] = logsumexp(%5, axes=(1,))
    %7: f32 = sum(%6, axes=(0,))
    return %5, %7
}""",
    """graph(%0: f64[700,800], %1: f64[800,300]) {
    %2: f64[700,300] = dot_general(%0, %1, contract=((1,), (0,)), batch=((), ()))
    %3: f64[300] = max(%2, axes=(0,))
    %4: f64[700,300] = exp(%2)
    return %2, %3, %4
}""",
    """graph(%0: f32[1001], %1: i64[40]) {
    %2: f32[1001] = sort(%0, axis=0)
    %3: f32[40] = gather(%2, %1, axes=(0,))
    %4: f32[1001] = cumsum(%0, axis=0)
    %5: i64 = argmax(%4, axis=0)
    return %3, %4, %5
}""",
    """graph(%0: f64[3], %1: f64[6,3]) {
    %2, %3: f64[3], f64[6] = scan(%0, %1, body=graph(%0: f64[3], %1: f64[3]) {
        %2: f64[3] = sin(%0)
        %3: f64[3] = multiply(%2, %1)
        %4: f64 = sum(%3, axes=(0,))
        return %3, %4
    }, length=6, reverse=true, consts=0, carry=1)
    return %2, %3
}""",
)
"""What is run: products, elementwise operations and reductions, operations with kernels of their own, a loop."""


def distrust() -> str:
    """Why native code is not to be used here; "" where it was tested on such a machine, or has been right on this."""
    found = target()
    if is_tested(sys.platform, found):
        return ""
    kept, name = disk(), key("self-check", found)
    known = kept.read(name) if kept is not None else None
    outcome = known.decode() if known is not None else _outcome()
    if kept is not None and known is None:
        kept.write(name, outcome.encode())
    return "" if outcome == RIGHT else f"one on which {outcome}"


def is_tested(system: str, found: Target) -> bool:
    """Whether native code was tested on such machines: Linux on x86-64 with AVX2 and FMA."""
    return system == "linux" and found.triple.startswith("x86_64") and found.has("avx2", "fma")


def _outcome() -> str:
    """RIGHT, or what the check ends with."""
    command = [sys.executable, "-m", "chainrule.backend.llvm.self_check"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "the check of it does not end"
    lines = done.stdout.split("\n")
    if done.returncode == 0 and lines[0]:
        return lines[0]
    return f"the check of it ends with exit code {done.returncode}"


def check() -> str:
    """RIGHT where all graphs give what the reference backend gives, else what differs."""
    for number, text in enumerate(GRAPHS):
        graph = parse_graph(text)
        inputs = _inputs(graph, number)
        expected = ReferenceBackend().compile(graph)(inputs)
        for threads in (1, 2):
            got = NativeBackend().compile(graph, (), threads)(inputs)
            for place, (x, y) in enumerate(zip(got, expected, strict=True)):
                tolerance = 1e-4 if np.asarray(y).dtype == np.float32 else 1e-10
                if not np.allclose(x, y, tolerance, tolerance):
                    return f"output {place} of check {number} is wrong on {threads} threads"
    return RIGHT


def _inputs(graph: Graph, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        [
            (rng.normal(size=v.shape) if v.type.is_float else rng.integers(0, 40, v.shape)).astype(v.dtype)
            for v in graph.inputs
        ]
    )


if __name__ == "__main__":
    print(check())
