"""How long first calls take, and where the time goes: python benchmarks/compile_times.py [--runs N] [--only TEXT].

Each row is the first call of a staged function in a fresh process, without code on disk (cold) and with it (warm); of
`--runs` processes the quickest. `call` is by the clock, all else processor time, which other processes of the machine
do not lengthen; `import` is that of the backend, from compiled files, `other` holds the run itself. The import of
llvmlite is before the clock starts, and printed by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

STAGES = {
    "trace": ("chainrule.api.jit", "stage"),
    "simplify": ("chainrule.api.jit", "simplify"),
    "schedule": ("chainrule.backend.llvm.build", "schedule"),
    "lower": ("chainrule.backend.llvm.build", "lower"),
    "text": ("chainrule.backend.llvm.code", "code_text"),
    "LLVM": ("chainrule.backend.llvm.code", "compile_text"),
    "load": ("chainrule.backend.llvm.code", "load"),
}
"""What a first call consists of: the module and the name of the function that does it."""

NETWORKS: dict[str, tuple[list[int], str, int]] = {
    "784-512-512-10 relu adam": ([784, 512, 512, 10], "relu", 128),
    "784-30-10 sigmoid adam": ([784, 30, 10], "sigmoid", 10),
    "8-16-16-1 tanh adam": ([8, 16, 16, 1], "tanh", 32),
    "4-32-16-4 tanh adam, tiles": ([4, 32, 16, 4], "tanh", 10_000),
    "20 layers of 64 relu adam": ([64] * 21, "relu", 32),
}
OTHERS = ("logistic regression 100000x28", "epoch of 784-30-10", "matmul 512", "exp of 1000000")


def workload(name: str) -> tuple[Any, tuple[Any, ...]]:
    """The staged function and its arguments."""
    import chainrule as cr
    import chainrule.numpy as cnp
    from chainrule import nn, optim

    rng = np.random.default_rng(0)
    if name in NETWORKS or name.startswith("epoch"):
        sizes, activation, rows = NETWORKS.get(name, ([784, 30, 10], "sigmoid", 10))
        model, opt = nn.MLP(sizes, activation=activation, rng=0), optim.adam(1e-3)

        def step(model: Any, state: Any, x: Any, y: Any) -> Any:
            loss_of = nn.mse if sizes[-1] == 1 else nn.cross_entropy
            loss, grads = cr.value_and_grad(lambda m: loss_of(m(x), y))(model)
            return *opt.update(model, state, grads), loss

        def epoch(model: Any, state: Any, xs: Any, ys: Any) -> Any:
            def body(carry: Any, batch: Any) -> Any:
                model, state, loss = step(*carry, *batch)
                return (model, state), loss

            return cr.scan(body, (model, state), (xs, ys))

        shape = (20, rows) if name.startswith("epoch") else (rows,)
        x = rng.standard_normal((*shape, sizes[0]), np.float32)
        y = rng.random((rows, 1), np.float32) if sizes[-1] == 1 else rng.integers(0, sizes[-1], shape)
        return cr.jit(epoch if name.startswith("epoch") else step), (model, opt.init(model), x, y)
    if name.startswith("logistic"):
        x, w = rng.standard_normal((100_000, 28), np.float32), np.zeros(28, np.float32)
        y = (rng.random(100_000) > 0.5).astype(np.float32)
        loss = cr.value_and_grad(lambda w, x, y: nn.binary_cross_entropy_with_logits(x @ w, y))
        return cr.jit(loss), (w, x, y)
    if name.startswith("matmul"):
        return cr.jit(cnp.matmul), (np.ones((512, 512), np.float32),) * 2
    return cr.jit(cnp.exp), (np.ones(1_000_000, np.float32),)


def child(name: str) -> None:
    """Prints what one first call took, as JSON."""
    begin = time.process_time()
    import_module("llvmlite.binding")
    imported = time.process_time() - begin
    seconds: Counter[str] = Counter()
    function, arguments = workload(name)
    begin, cpu = time.perf_counter(), time.process_time()
    import_module("chainrule.backend.llvm.executable")
    seconds["import"] = time.process_time() - cpu
    for stage, (module, attribute) in STAGES.items():
        owner = import_module(module)
        setattr(owner, attribute, timed(getattr(owner, attribute), stage, seconds))
    function(*arguments)
    total, cpu = time.perf_counter() - begin, time.process_time() - cpu
    seconds["other"] = cpu - sum(seconds.values())
    report = function.report(*arguments)
    kernels = len(getattr(report, "rows", ()))
    figures = {"call": total, "processor": cpu, "import of llvmlite": imported, **seconds}
    print(json.dumps({"kernels": kernels, "stagings": function.stagings, "seconds": figures}))


def timed(function: Callable[..., Any], stage: str, seconds: Counter[str]) -> Callable[..., Any]:
    """The function, whose time is added up."""

    def run(*args: Any, **kwargs: Any) -> Any:
        begin = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += time.process_time() - begin

    return run


def measured(name: str, runs: int, compiled: str) -> dict[str, dict[str, Any]]:
    """The quickest of so many processes, cold and warm; Python's compiled files are in a folder of their own."""
    found: dict[str, list[dict[str, Any]]] = {"cold": [], "warm": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            for rows in found.values():
                environment = {**os.environ, "CHAINRULE_CACHE": os.path.join(folder, "cache")}
                environment |= {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
                call = [sys.executable, __file__, "--child", name]
                done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                rows.append(json.loads(done.stdout))
    return {kind: min(rows, key=lambda row: row["seconds"]["processor"]) for kind, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    columns = ["call", "processor", "import", *STAGES, "other"]
    print(f"{'milliseconds':<34}{'kernels':>8}{'graphs':>7}" + "".join(f"{column:>10}" for column in columns))
    imports: list[float] = []
    with tempfile.TemporaryDirectory() as compiled:
        measured(OTHERS[-1], 1, compiled)
        for name in (*NETWORKS, *OTHERS):
            for kind, row in measured(name, options.runs, compiled).items() if options.only in name else ():
                seconds = row["seconds"]
                imports.append(seconds["import of llvmlite"])
                cells = "".join(f"{seconds.get(column, 0) * 1e3:>10.1f}" for column in columns)
                print(f"{name + ', ' + kind:<34}{row['kernels']:>8}{row['stagings']:>7}{cells}", flush=True)
    print(f"import of llvmlite, beside these: {min(imports) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
