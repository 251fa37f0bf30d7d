"""`check_memory`: whether there is memory for a program, or an error that says how much it would be."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from chainrule.errors import TooLargeError, message

_GROUPS: Final = Path("/sys/fs/cgroup")
_LIMITS: Final = (_GROUPS / "memory.max", _GROUPS / "memory" / "memory.limit_in_bytes")
"""What control groups allow, by version 2 and 1."""


def check_memory(nbytes: int, plan: object) -> None:
    """Raises a TooLargeError where a call needs more memory than this machine has; `plan` says for what."""
    most = machine_memory()
    if most is not None and nbytes > most:
        raise too_large(plan, f"{most:,} bytes in this machine")


def too_large(plan: object, got: str = "less") -> TooLargeError:
    """The error of a call that does not get the memory it needs."""
    hint = "smaller arrays, fewer rows at a time, or donated arguments"
    return TooLargeError(message(f"memory for a call that needs {plan}", got, hint=hint))


def machine_memory() -> int | None:
    """The bytes of memory that this machine has, or its container may use; None where that is not known."""
    found: list[int] = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _LIMITS:
        with contextlib.suppress(ValueError, OSError):  # "max" is no number
            found.append(int(path.read_text()))
    return min((nbytes for nbytes in found if nbytes > 0), default=None)
