"""Eager gradients beside the library autograd's, and the time of `import chainrule` beside that of `import numpy`.

    python benchmarks/eager.py [--out eager.json]

The contenders alternate within one run; their results are compared before anything is timed. Figures are medians with
the 10th and 90th percentile; a ratio is the median of the ratios of neighbours, which holds when the speed drifts.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

import chainrule as cr
import chainrule.numpy as cnp

ROUNDS = 21


def ten_operations(np: Any) -> Callable[[Any], Any]:
    """A function of ten array operations, written with the given module."""

    def f(x: Any) -> Any:
        y = np.tanh(x)
        z = np.exp(-y) * x
        w = z + np.sin(x)
        v = w / (y + 3.0)
        return np.sum(v * v)

    return f


def network(np: Any) -> Callable[[Any], Any]:
    """Two layers and a squared error: ten operations on matrices."""
    rng = np_random()
    a, b, x, t = (
        rng.normal(size=(16, 30)),
        rng.normal(size=(4, 16)),
        rng.normal(size=(10, 30)),
        rng.normal(size=(10, 4)),
    )

    def f(scale: Any) -> Any:
        hidden = np.tanh(np.dot(x * scale, a.T))
        error = np.dot(hidden, b.T) - t
        return np.mean(error * error) + np.sum(scale**2) * np.max(scale)

    return f


def np_random() -> np.random.Generator:
    """The generator that every contender's data comes from."""
    return np.random.default_rng(0)


def medians(contenders: dict[str, Callable[[], Any]], seconds: float = 0.02) -> dict[str, Any]:
    """Microseconds of a call of each contender, and the ratio of each to the first."""
    first = next(iter(contenders))
    start = time.perf_counter()
    contenders[first]()
    calls = max(1, int(seconds / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            start = time.perf_counter()
            for _ in range(calls):
                call()
            times[name].append((time.perf_counter() - start) / calls * 1e6)
    ratios = {n: statistics.median(t / f for t, f in zip(ts, times[first], strict=True)) for n, ts in times.items()}
    rows = {name: (*np.percentile(ts, [10, 50, 90]).tolist(), ratios[name]) for name, ts in times.items()}
    return {name: dict(zip(("low", "microseconds", "high", "ratio"), row, strict=True)) for name, row in rows.items()}


def gradients() -> list[dict[str, Any]]:
    """A row for each function and size."""
    rows = []
    cases = [(ten_operations, n) for n in (3, 100, 10_000, 1_000_000)] + [(network, 30)]
    for make, size in cases:
        x = np_random().uniform(0.5, 1.5, size)
        functions = {
            "autograd": autograd.grad(make(anp)),
            "chainrule, numpy": cr.grad(make(np)),
            "chainrule, chainrule.numpy": cr.grad(make(cnp)),
        }
        expected = functions["autograd"](x)
        for name, function in functions.items():
            np.testing.assert_allclose(function(x), expected, rtol=1e-10, err_msg=name)
        calls = {name: (lambda function=function, x=x: function(x)) for name, function in functions.items()}
        rows.append({"function": make.__name__, "size": size, **medians(calls)})
    return rows


def imports() -> dict[str, float]:
    """Seconds of processor time of fresh processes that import numpy, and chainrule."""
    programs = {"numpy": "import numpy", "chainrule": "import chainrule"}
    spent: dict[str, list[float]] = {name: [] for name in programs}
    timed = "import time; a = time.process_time(); {}; print(time.process_time() - a)"
    for _ in range(ROUNDS):
        for name, program in programs.items():
            out = subprocess.run(
                [sys.executable, "-c", timed.format(program)], capture_output=True, text=True, check=True
            )
            spent[name].append(float(out.stdout))
    more = statistics.median(b - a for a, b in zip(spent["numpy"], spent["chainrule"], strict=True))
    return {**{name: statistics.median(seconds) for name, seconds in spent.items()}, "more than numpy": more}


def main() -> None:
    """Prints the tables, and saves them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="a file for the figures, as JSON")
    arguments = parser.parse_args()
    rows = gradients()
    for row in rows:
        figures = [
            f"{name} {row[name]['microseconds']:.0f} us ({row[name]['low']:.0f} to {row[name]['high']:.0f}), "
            f"ratio {row[name]['ratio']:.2f}"
            for name in list(row)[2:]
        ]
        print(f"{row['function']:15} {row['size']:>9,}  " + "  ".join(figures))
    found = imports()
    print("import  " + "  ".join(f"{name} {seconds:.3f} s" for name, seconds in found.items()))
    if arguments.out:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "gradients": rows, "imports": found}, file, indent=1)


if __name__ == "__main__":
    main()
