"""What the machine can do at most: arithmetic and memory bandwidth, measured in the run that the figures are from."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

CHAINS = 12
"""Sums that do not wait for each other: more than the processors' latency times the number of their units."""

ROUNDS = 20_000_000
LOOKS, HALVED = 5, 1.5
"""How often is looked whether cores are whole, and how much more time one may take than the best."""

FAR, NEAR = 1 << 26, 1_000_000
"""Float32 numbers of an array beyond every cache, and of one of the elementwise rows."""


def limits(threads: int, quick: bool) -> dict[str, float]:
    """Operations and bytes a second on so many threads: the best that was seen."""
    times = 5 if quick else 15
    found: dict[str, float] = {}
    with ThreadPoolExecutor(threads) as pool:

        def rate(work: Callable[[int], Any], amount: float) -> float:
            def once() -> float:
                start = time.perf_counter()
                list(pool.map(work, range(threads)))
                return threads * amount / (time.perf_counter() - start)

            return max(once() for _ in range(times))

        for width in (4, 8, 16):
            sums = fused_multiply_adds(width)
            n = ROUNDS // width
            found[f"fma x {width}"] = rate(lambda _, f=sums, n=n: f(n), 2 * CHAINS * n * width)
        for n in (512, 1024):
            a = [np.ones((n, n), np.float32) for _ in range(2 * threads)]
            found[f"matmul {n}"] = rate(lambda i, a=a: np.matmul(a[2 * i], a[2 * i], out=a[2 * i + 1]), 2 * n**3)
        far = [(np.ones(FAR // threads, np.float32), np.zeros(FAR // threads, np.float32)) for _ in range(threads)]
        found["read"] = rate(lambda i: np.dot(far[i][0], far[i][0]), far[0][0].nbytes)
        found["copy"] = rate(lambda i: np.copyto(far[i][1], far[i][0]), 2 * far[0][0].nbytes)
        near = [(x[: NEAR // threads], y[: NEAR // threads]) for x, y in far]
        found["copy of 4 MB"] = rate(
            lambda i: [np.copyto(near[i][1], near[i][0]) for _ in range(50)], 100 * near[0][0].nbytes
        )
    found["operations"] = max(v for k, v in found.items() if k.startswith(("fma", "matmul")))
    found["bytes"], found["near bytes"] = max(found["read"], found["copy"]), found["copy of 4 MB"]
    return found


@cache
def whole_cores(threads: int) -> Callable[[], bool]:
    """Tells whether so many cores now do that many times the arithmetic of one.

    Two cores of a virtual machine are at times the two threads of one core of the host, for some 0.1 to 10 s, and then
    do no more than one. The look takes about 1 ms; a thread of a library that still spins is waited for.
    """
    work, rounds = fused_multiply_adds(8), 100_000
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pools = [ThreadPoolExecutor(1) for _ in range(threads)]
    for pool, core in zip(pools, cores, strict=False):
        pool.submit(os.sched_setaffinity, 0, {core}).result()

    def once(_: int) -> float:
        start = time.perf_counter()
        work(rounds)
        return time.perf_counter() - start

    alone = min(pools[0].submit(once, 0).result() for _ in range(50))

    def look() -> bool:
        for _ in range(LOOKS):
            if max(found.result() for found in [pool.submit(once, 0) for pool in pools]) < HALVED * alone:
                return True
        return False

    return look


def fused_multiply_adds(width: int) -> Callable[[int], float]:
    """A native function of a number of rounds, each CHAINS fused multiply-adds of vectors of `width` float32."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    vector = f"<{width} x float>"
    halves = f"<{', '.join(['float 0.5'] * width)}>"
    carried = [f"%x{i} = phi {vector} [ zeroinitializer, %entry ], [ %y{i}, %loop ]" for i in range(CHAINS)]
    steps = [
        f"%y{i} = call {vector} @llvm.fma.v{width}f32({vector} %x{i}, {vector} {halves}, {vector} {halves})"
        for i in range(CHAINS)
    ]
    sums = [f"%s{i + 1} = fadd {vector} %{'s' if i else 'y'}{i}, %y{i + 1}" for i in range(CHAINS - 1)]
    text = "\n".join(
        (
            f"declare {vector} @llvm.fma.v{width}f32({vector}, {vector}, {vector})",
            f'define float @rounds(i64 %n) "min-legal-vector-width"="{32 * width}" {{',
            "entry:",
            "br label %loop",
            "loop:",
            "%i = phi i64 [ 0, %entry ], [ %j, %loop ]",
            *carried,
            *steps,
            "%j = add i64 %i, 1",
            "%more = icmp slt i64 %j, %n",
            "br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"%r = extractelement {vector} %s{CHAINS - 1}, i32 0",
            "ret float %r",
            "}",
        )
    )
    module = llvm.parse_assembly(text)
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=2
    )
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(engine.get_function_address("rounds"))

    def rounds(n: int) -> float:
        assert engine is not None  # the code lives as long as the engine
        return call(n)

    return rounds


def describe() -> dict[str, Any]:
    """The processor, its cores, the load when the run began, and the versions of what is compared."""
    packages = ("chainrule", "numpy", "llvmlite", "torch", "jax", "jaxlib", "optax", "scipy")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()
