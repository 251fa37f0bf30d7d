"""`Kernel`: what every kind of step becomes: machine code that depends on a structure alone, and numbers for one call.

The signature of every kernel is

    i64 kernel(ptr pointers, ptr words, i64 begin, i64 end, ptr scratch)

`pointers` are the addresses of what it reads and writes, `words` 64-bit numbers (extents, strides, sizes, constants'
bits), both in the order of the record. The work is divided into `parts` of which one call does [begin, end); parts may
run at once, in any order, on any thread, and the bits of the result do not depend on who runs which. `scratch` is
memory of the calling worker's own, at least as large as the record says, aligned to 64 bytes. The result is 0, or
1 + the row-major position of an element that is out of range (the first one that the call met).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.backend.llvm.builder import Module
from chainrule.schedule.plan import Buffer

Write: TypeAlias = Callable[[Module, str], None]


@dataclass(frozen=True, eq=False)
class Kernel:
    """One call of a kernel.

    `structure` is a text: two kernels with the same one have the same code. `write(module, name)` writes that code.
    `pointers` are buffers with offsets in bytes.
    """

    structure: str
    write: Write
    pointers: tuple[tuple[Buffer, int], ...]
    words: tuple[int, ...]
    parts: int
    scratch: int = 0
    operations: int = 0  # floating-point operations, a multiply-add as two
    nbytes: int = 0  # that are read and written at least
    title: str = ""  # a name for people
