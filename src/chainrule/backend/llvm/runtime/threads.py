"""`thread_count`: on how many threads a program runs where nobody says: as many processors as this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chainrule.errors import OptionError, message

VARIABLE: Final = "CHAINRULE_NUM_THREADS"

MOST_THREADS: Final = 256
"""More are not made: a number above it is taken for a mistake."""

_GROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")


def thread_count() -> int:
    """What CHAINRULE_NUM_THREADS says, else the processors that affinity and the container's quota leave."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return min(available_processors(), MOST_THREADS)
    try:
        count = int(text)
    except ValueError:
        count = 0
    return checked_threads(count, f"{VARIABLE}={text}") if count > 0 else _refuse(f"{VARIABLE}={text}")


def checked_threads(count: int, said: str = "") -> int:
    """The number itself, if threads can be so many; an OptionError else."""
    return count if 1 <= count <= MOST_THREADS else _refuse(said or f"threads={count}")


def _refuse(said: str) -> int:
    hint = f"as many as there are processors, here {available_processors()}"
    raise OptionError(message(f"1 to {MOST_THREADS} threads", said, hint=hint))


def available_processors() -> int:
    """How many processors this process may use at once."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(float(allowed), _quota(_GROUPS, _MEMBERSHIP))))


def _quota(groups: Path, membership: Path) -> float:
    """The processors that control groups allow this process, by version 2 or 1; infinite where they set no limit."""
    limits = [math.inf]
    for folder in _folders(groups, membership):
        for quota, period in (_version_2(folder), _version_1(folder)):
            if quota > 0 and period > 0:
                limits.append(quota / period)
    return min(limits)


def _folders(groups: Path, membership: Path) -> Iterator[Path]:
    """The folders of the groups that this process is in, from the innermost out to the root."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    yield from (groups, groups / "cpu")
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / "cpu" if controllers else groups
        inner = Path(path.lstrip("/"))
        if ".." not in inner.parts:
            yield from (root / part for part in (inner, *inner.parents))


def _version_2(folder: Path) -> tuple[float, float]:
    """The quota and the period in `cpu.max`; zeros where there is no limit."""
    words = _words(folder / "cpu.max")
    return (words[0], words[1]) if len(words) == 2 else (0.0, 0.0)


def _version_1(folder: Path) -> tuple[float, float]:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return (quota[0], period[0]) if quota and period else (0.0, 0.0)


def _words(path: Path) -> list[float]:
    """The numbers in a file; none where there is no file, or another word such as `max`."""
    try:
        return [float(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []
