"""`addresses`: the machine code of kernels, made once for each structure and kept as long as the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.disk import disk
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.kernel import Kernel, Routine, code_name
from chainrule.backend.llvm.key import key
from chainrule.backend.llvm.target import Target, target

_LOCK: Final = threading.Lock()
_KNOWN: Final[dict[str, int]] = {}


def addresses(kernels: Iterable[Kernel]) -> tuple[dict[str, int], int]:
    """The address of each structure's code, and how many of them had to be compiled for that."""
    found: dict[str, int] = {}
    compiled = 0
    with _LOCK:
        for kernel in kernels:
            for code in (*kernel.routines, kernel):
                if code.structure not in _KNOWN:
                    _KNOWN[code.structure], made = _make(code)
                    compiled += made
            found[kernel.structure] = _KNOWN[kernel.structure]
    return found, compiled


def object_code(structure: str, text: Callable[[], str], made_for: Target) -> tuple[bytes, bool]:
    """The object code for a structure, and whether it had to be compiled: it may be on disk."""
    kept = disk()
    name = key(structure, made_for)
    code = kept.read(name) if kept is not None else None
    if code is not None:
        return code, False
    code = compile_text(text(), made_for)
    if kept is not None:
        kept.write(name, code)
    return code, True


def code_text(code: Kernel | Routine) -> str:
    """LLVM's text of a kernel's code, or a routine's."""
    module = Module()
    code.write(module, code_name(code.structure))
    return str(module)


def _make(code: Kernel | Routine) -> tuple[int, bool]:
    """The address of the code, of a routine that of its first function, and whether it had to be compiled."""
    written, compiled = object_code(code.structure, lambda: code_text(code), target())
    return load(written, code.names)[0], compiled
