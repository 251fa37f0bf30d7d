"""`Machine`: what is known of the processor. It may decide tiles, blocks and parts, and never a bit of a result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from chainrule.backend.llvm.target import Target, target

_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Machine:
    """Sizes of the caches that one core sees (bytes), its vectors, and the number of cores this process may use."""

    l1: int = 32 << 10
    l2: int = 512 << 10
    l3: int = 8 << 20
    vector_bits: int = 256
    registers: int = 16
    cores: int = 1


@cache
def this_machine() -> Machine:
    """The record of this machine: what its kernel tells of the caches, with common sizes where it tells nothing."""
    wide, registers = vectors(target())
    found = _caches()
    return Machine(
        found.get(1, Machine.l1), found.get(2, Machine.l2), found.get(3, Machine.l3), wide, registers, _cores()
    )


def vectors(found: Target) -> tuple[int, int]:
    """The bits of a target's widest vector registers, and how many of them there are."""
    if not found.triple.startswith("x86_64"):
        return 128, 32
    if found.has("avx512f", "avx512vl", "avx512dq", "avx512bw"):
        return 512, 32
    return (256 if found.has("avx2") else 128), 16


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def _caches() -> dict[int, int]:
    """Bytes of the data caches by level."""
    found: dict[int, int] = {}
    for index in range(5):
        try:
            kind = (_CACHES / f"index{index}" / "type").read_text().strip()
            level = int((_CACHES / f"index{index}" / "level").read_text())
            size = (_CACHES / f"index{index}" / "size").read_text().strip()
            if kind != "Instruction":
                found[level] = int(size.rstrip("KMG")) * _UNITS.get(size[-1], 1)
        except (OSError, ValueError):
            continue
    return found
