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

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.values import Ty
from chainrule.schedule.plan import Buffer

Write: TypeAlias = Callable[[Module, str], None]


def code_name(structure: str) -> str:
    """The name of the function that has a structure's code."""
    return f"kernel_{hashlib.sha256(structure.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, eq=False)
class Routine:
    """Functions that different kernels call, and whose code is made once for all of them.

    `write(module, name)` writes them; their names are `name` with each of the `endings` behind it.
    """

    structure: str
    write: Write
    parameters: tuple[Ty, ...]
    endings: tuple[str, ...] = ("",)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions."""
        return tuple([code_name(self.structure) + ending for ending in self.endings])

    def declare(self, module: Module) -> None:
        """Makes the functions known in a module of a kernel, which may be loaded far away from them."""
        for name in self.names:
            module.declare(name, "void", *map(str, self.parameters), attributes="nounwind nonlazybind")


@dataclass(frozen=True, eq=False)
class Kernel:
    """One call of a kernel.

    `structure` is a text: two kernels with the same one have the same code. `write(module, name)` writes that code,
    which calls the `routines`. `pointers` are buffers with offsets in bytes.
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
    routines: tuple[Routine, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name of its one function."""
        return (code_name(self.structure),)
