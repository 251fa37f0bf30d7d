"""`block`: memory for a program, or an error that says how much it would be."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Array
from chainrule.errors import TooLargeError, message

ALIGN: Final = 64


def block(nbytes: int) -> Array:
    """Bytes in no particular state, the first one at an address that ALIGN divides."""
    memory: Array = np.empty(nbytes + ALIGN, np.uint8)
    skip = -memory.ctypes.data % ALIGN
    return memory[skip : skip + nbytes]


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
    """The bytes of this machine's memory; None where that is not known."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found: Any = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return found if found > 0 else None
    return None
