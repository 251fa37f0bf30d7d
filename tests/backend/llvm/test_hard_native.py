"""What is hard for native code and right all the same: denormals, damaged caches, arrays of more than 2^31 elements."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp

LONG = 2_200_000_000
NEEDED = 16 << 30
"""Bytes of memory that arrays of LONG elements want."""


def run(code: str, cache: Path, **options: Any) -> subprocess.Popen[str]:
    """A process that runs code with a cache of its own."""
    environment = {**os.environ, "CHAINRULE_CACHE": str(cache), "CHAINRULE_BACKEND": "llvm"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **pipes, **options)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process printed that ends well."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


# --- denormals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormals_are_numbers(dtype: Any) -> None:
    small = np.finfo(dtype).smallest_subnormal
    x = np.tile(np.array([1, -1, 3, 1000, 5, 1 << 20, -7], dtype) * small, 11)

    def f(x: Any) -> Any:
        return x * 1.0, x / 2.0, x + x, -x, np.abs(x), np.sqrt(np.abs(x)), x.sum(), np.maximum(x, 0.0), x > 0

    for got, right in zip(cr.jit(f)(x), f(x), strict=True):
        np.testing.assert_array_equal(got, right)


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float32, -103.0), (np.float64, -744.0)])
def test_results_may_be_denormal(dtype: Any, lowest: float) -> None:
    x = np.linspace(lowest, lowest + 15, 101).astype(dtype)
    exact = np.exp(x.astype(np.longdouble))
    assert exact[0] < np.finfo(dtype).tiny
    got = cr.jit(np.exp)(x)
    assert np.all(np.abs(got - exact) <= 2 * np.spacing(exact.astype(dtype)))
    a, b = np.full((5, 3), dtype(2.0 ** (lowest / 2))), np.full((3, 7), np.finfo(dtype).tiny)
    np.testing.assert_array_equal(cr.jit(cnp.matmul)(a, b), a @ b)


# --- caches -----------------------------------------------------------------------------------------------------------

TRAINING = """
import numpy as np, chainrule as cr
f = cr.jit(cr.value_and_grad(lambda w, x: np.sum(np.tanh(x @ w) ** 2)))
value, gradient = f(np.ones((20, 3), np.float32) / 8, np.arange(200, dtype=np.float32).reshape(10, 20) / 100)
print(f.compiles, value, gradient.tolist())
"""


def test_a_damaged_cache_is_written_again(tmp_path: Path) -> None:
    first, _ = ended(run(TRAINING, tmp_path))
    entries = list(tmp_path.glob("*/*.o"))
    assert first[0] == "1" and entries
    for place, entry in enumerate(entries):
        data = entry.read_bytes()
        entry.write_bytes((data[: place * 7], data[:-1], data[:40] + b"\0" + data[41:], b"")[place % 4])
    again, _ = ended(run(TRAINING, tmp_path))
    assert again == first
    warm, _ = ended(run(TRAINING, tmp_path))
    assert warm == "0" + first[1:]


@pytest.mark.skipif(os.name == "nt", reason="folders have no owner there")
def test_a_cache_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    out, err = ended(run(TRAINING, tmp_path))
    assert out[0] == "1" and "CacheWarning: expected a folder for compiled code that nobody else can write to" in err
    assert not list(tmp_path.iterdir())


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    outcomes = [ended(process) for process in [run(TRAINING, tmp_path) for _ in range(3)]]
    assert len({out[1:] for out, _ in outcomes}) == 1 and not any(err for _, err in outcomes)


# --- many elements ----------------------------------------------------------------------------------------------------

MANY = f"""
import numpy as np, chainrule as cr, chainrule.numpy as cnp
n = {LONG}
x = np.zeros(n, np.uint8)
x[[3, 2**31 + 5, n - 1]] = 1, 200, 7

def f(x, i):
    return x.sum(), x.max(), x[2**31 + 5], cnp.argmax(x), x[i], x.reshape(2, -1).sum(1), x[::-1][:10]

total, most, one, place, some, halves, last = cr.jit(f)(x, np.array([n - 1, 2**31 + 5, 0]))
assert (total, most, one, place, some.tolist()) == (208, 200, 200, 2**31 + 5, [7, 200, 0]), (total, most, one, place)
assert halves.tolist() == [1, 207] and last.tolist() == [7] + [0] * 9
y = cr.jit(lambda x: x // 2)(x)
assert np.flatnonzero(y).tolist() == [2**31 + 5, n - 1] and y[-1] == 3 and y[2**31 + 5] == 100
"""


def free_memory() -> int:
    """The bytes that a new process may have."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


@pytest.mark.skipif(free_memory() < NEEDED, reason="arrays of so many elements want 16 GB")
def test_more_elements_than_32_bits_count(tmp_path: Path) -> None:
    ended(run(MANY, tmp_path))
