"""`addresses`: the machine code of kernels, made once for each structure and kept as long as the process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from typing import Final

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.disk import disk
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.kernel import Kernel
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
            structure = kernel.structure
            if structure not in _KNOWN:
                _KNOWN[structure], made = _make(kernel)
                compiled += made
            found[structure] = _KNOWN[structure]
    return found, compiled


def kernel_name(structure: str) -> str:
    """The name of the function that has a structure's code."""
    return f"kernel_{hashlib.sha256(structure.encode()).hexdigest()[:32]}"


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


def kernel_text(kernel: Kernel) -> str:
    """LLVM's text of a kernel's code."""
    module = Module()
    kernel.write(module, kernel_name(kernel.structure))
    return str(module)


def _make(kernel: Kernel) -> tuple[int, bool]:
    code, compiled = object_code(kernel.structure, lambda: kernel_text(kernel), target())
    (address,) = load(code, [kernel_name(kernel.structure)])
    return address, compiled
