"""The same bits on any number of threads, for any level of x86-64, from any cache, for any record of a machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from chainrule.backend.llvm.target import host, level, runs
from chainrule.testing.bits.campaign import Way, hashes
from chainrule.testing.bits.inspection import TARGETS, inspect_target, troubles
from chainrule.testing.bits.objects import read_object, registers
from chainrule.testing.bits.run import MACHINES, Hashed, digest, hashed
from chainrule.testing.bits.workloads import workloads

FEW: Final = (
    "step 4-32-16-4",
    "logistic",
    "matmul 129x515x127 nn float32",
    "matmul 2x20000x5 tn float64",
    "sum of",
    "logsumexp of",
    "softmax of rows",
    "softmax of columns",
    "running sums",
    "sort of rows",
    "add at",
    "power float32",
    "fmod float32",
)
WAYS: Final = (
    Way("host", 1),
    Way("no cache", 3, cached=False),
    *[Way(n, 2, n) for n in ("avx512", "avx2", "baseline")],
)


@pytest.fixture(scope="module")
def expected() -> dict[str, Hashed]:
    """What this process gives on one thread."""
    return {found.name: found for found in (hashed(workload, 1) for workload in workloads(True, FEW))}


@pytest.mark.parametrize("threads", [2, 3, 4, 8])
def test_threads(expected: dict[str, Hashed], threads: int) -> None:
    found = {row.name: row for row in (hashed(workload, threads) for workload in workloads(True, FEW))}
    assert {name: row.digest for name, row in found.items()} == {name: row.digest for name, row in expected.items()}
    assert sum(row.threads == threads for row in found.values()) >= 4  # all of them took part in a kernel


@pytest.mark.parametrize("machine", MACHINES)
def test_machines(expected: dict[str, Hashed], machine: str) -> None:
    found = {row.name: row.digest for row in (hashed(workload, 3, machine) for workload in workloads(True, FEW))}
    assert found == {name: row.digest for name, row in expected.items()}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_processors_and_caches(expected: dict[str, Hashed], way: Way, tmp_path: Path) -> None:
    if way.target != "host" and (not host().triple.startswith("x86_64") or not runs(level(way.target))):
        pytest.skip(f"this processor does not run {way.target}")
    digests = {name: row.digest for name, row in expected.items()}
    cold = hashes(way, str(tmp_path), True, FEW)
    assert {name: row.digest for name, row in cold.items()} == digests
    assert sum(row.compiled for row in cold.values()) > 20
    if way.name == "host":
        warm = hashes(way, str(tmp_path), True, FEW)
        assert {name: row.digest for name, row in warm.items()} == digests
        assert sum(row.compiled for row in warm.values()) == 0


@pytest.mark.parametrize("name", TARGETS)
def test_objects(name: str) -> None:
    found = inspect_target(TARGETS[name], True, FEW[:6])
    assert found.kernels > 10 and list(troubles(name, found)) == []


def test_trouble_is_seen() -> None:
    found = inspect_target(TARGETS["avx512"], True, ["matmul 129x515x127 nn float32"])
    assert list(troubles("avx512", found)) == []
    assert list(troubles("avx2", found)) == ["zmm registers"]
    found.undefined.add("puts")
    assert list(troubles("avx512", found)) == ["asks for puts"]
    with pytest.raises(ValueError, match="expected an ELF object"):
        read_object(b"MZ")
    assert registers("vaddps %zmm1, %xmm0\n# ymm") == {"zmm", "xmm"}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are levels of x86-64")
def test_levels_are_told_apart() -> None:
    assert runs(host()) and runs(level("baseline")) and not runs(TARGETS["aarch64"])
    assert level("avx512").has("avx2", "fma", "avx512vl") and not level("baseline").has("avx2")


def test_one_nan_is_as_another() -> None:
    x = np.array([0x7FC00000, 0xFFC00001], np.uint32).view(np.float32)
    assert digest([x]) == digest([x[::-1].copy()])
    assert digest([np.zeros(2)]) != digest([-np.zeros(2)]) != digest([np.zeros((2, 1))])
