"""`compared`: the hashes of all workloads in many ways of running them, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from chainrule.backend.llvm.target import VARIABLE, host, level, runs
from chainrule.errors import BackendError, message
from chainrule.testing.bits.run import MACHINES, Hashed, hashed
from chainrule.testing.bits.workloads import workloads

COUNTS: Final = (1, 2, 3, 4, 8)
"""Numbers of threads, whatever the number of processors."""

_CACHE: Final = "CHAINRULE_CACHE"


@dataclass(frozen=True)
class Way:
    """How workloads are run: on so many threads, for a level of x86-64, by the record of a machine, with or without
    a cache on disk. Ways of one target share a cache, which the first of them finds empty."""

    name: str
    threads: int = 2
    target: str = "host"
    machine: str = ""
    cached: bool = True


def ways() -> list[Way]:
    """The ways that this processor can run."""
    found = [Way(f"{count} thread{'s' if count > 1 else ''}", count) for count in COUNTS]
    found[0] = Way("1 thread, cold cache", 1)
    found += [Way("warm cache", 2), Way("no cache", 2, cached=False)]
    if host().triple.startswith("x86_64"):
        levels = [name for name in ("avx512", "avx2", "baseline") if runs(level(name))]
        found += [Way(f"{name}, {count} threads", count, name) for name in levels for count in (2, 3)]
    return found + [Way(f"{name} machine", 3, machine=name) for name in MACHINES]


def child(threads: int, machine: str, quick: bool, only: Sequence[str]) -> int:
    """0, after a line of JSON for each workload."""
    for workload in workloads(quick, only):
        print(json.dumps(asdict(hashed(workload, threads, machine))), flush=True)
    return 0


def compared(each: Iterable[Way], quick: bool = False, only: Sequence[str] = ()) -> bool:
    """Whether all ways give the same bits. Prints the hash of each workload, and what every way had."""
    with tempfile.TemporaryDirectory(prefix="chainrule-hashes-") as folder:
        found = {way: hashes(way, folder, quick, only) for way in each}
    first = next(iter(found.values()))
    print("SHA-256 of the results\n")
    width = max(map(len, first))
    for name, row in first.items():
        print(f"{name:<{width}}  {row.digest}")
    print("\nThe same, on how many threads (a row counts where all of them took part in a kernel):\n")
    same = True
    for way, rows in found.items():
        others = [name for name, row in rows.items() if row.digest != first[name].digest]
        counted = sum(row.threads == way.threads for row in rows.values())
        compiled, seconds = sum(row.compiled for row in rows.values()), sum(row.seconds for row in rows.values())
        print(
            f"{way.name:<22} {len(rows) - len(others):>4} of {len(rows)} the same, {counted:>3} of them count on "
            f"{way.threads} thread{'s' if way.threads > 1 else ''}; {compiled} kernels compiled, {seconds:.1f} s"
        )
        for name in others:
            print(f"    DIFFERS  {name}: {rows[name].digest}")
        same &= not others
    _print_uncounted(found)
    return same


def _print_uncounted(found: Mapping[Way, Mapping[str, Hashed]]) -> None:
    """Prints which workloads were too small to be divided among more than one thread."""
    most: dict[str, int] = {}
    for rows in found.values():
        for name, row in rows.items():
            most[name] = max(most.get(name, 0), row.threads)
    alone = [name for name, threads in most.items() if threads == 1]
    print(f"\n{len(alone)} of {len(most)} workloads are not divided: {'; '.join(alone) or 'none'}")


def hashes(way: Way, folder: str, quick: bool, only: Sequence[str]) -> dict[str, Hashed]:
    """What one way gives, by the workloads' names."""
    call = [sys.executable, "-m", "chainrule.testing.bits", "--child", "--threads", str(way.threads), "--only", *only]
    call += ["--quick"] if quick else []
    call += ["--machine", way.machine] if way.machine else []
    cache = os.path.join(folder, "cache") if way.cached else "off"
    environment = {**os.environ, VARIABLE: way.target, _CACHE: cache}
    done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise BackendError(message("a process that ends well", f"exit status {done.returncode} of {way.name}"))
    return _read(done.stdout.splitlines())


def _read(lines: Sequence[str]) -> dict[str, Hashed]:
    rows = [Hashed(**json.loads(line)) for line in lines]
    return {row.name: row for row in rows}
