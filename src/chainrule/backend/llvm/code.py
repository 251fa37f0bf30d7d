"""`addresses`: the machine code of kernels, made once for each structure and kept as long as the process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from chainrule.backend.llvm.beside import compile_texts
from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.disk import disk
from chainrule.backend.llvm.engine import load
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.key import key
from chainrule.backend.llvm.target import Target, target

_LOCK: Final = threading.Lock()
_KNOWN: Final[dict[str, int]] = {}


def addresses(kernels: Iterable[Kernel]) -> tuple[dict[str, int], int]:
    """The address of each structure's code, and how many of them had to be compiled for that."""
    wanted = {kernel.structure: kernel for kernel in kernels}
    with _LOCK:
        new = {structure: kernel for structure, kernel in wanted.items() if structure not in _KNOWN}
        texts = {structure: partial(kernel_text, kernel) for structure, kernel in new.items()}
        codes, compiled = object_codes(texts, target())
        for structure, code in codes.items():
            (_KNOWN[structure],) = load(code, [kernel_name(structure)])
        return {structure: _KNOWN[structure] for structure in wanted}, compiled


def kernel_name(structure: str) -> str:
    """The name of the function that has a structure's code."""
    return f"kernel_{hashlib.sha256(structure.encode()).hexdigest()[:32]}"


def object_code(structure: str, text: Callable[[], str], made_for: Target) -> bytes:
    """The object code for a structure."""
    codes, _ = object_codes({structure: text}, made_for)
    return codes[structure]


def object_codes(texts: Mapping[str, Callable[[], str]], made_for: Target) -> tuple[dict[str, bytes], int]:
    """The object code for each structure, and how many of them had to be compiled: others are on disk."""
    kept = disk()
    found = {name: kept.read(key(name, made_for)) if kept is not None else None for name in texts}
    codes = {name: code for name, code in found.items() if code is not None}
    missing = [name for name in texts if name not in codes]
    for name, code in zip(missing, compile_texts([texts[name]() for name in missing], made_for), strict=True):
        codes[name] = code
        if kept is not None:
            kept.write(key(name, made_for), code)
    return codes, len(missing)


def kernel_text(kernel: Kernel) -> str:
    """LLVM's text of a kernel's code."""
    module = Module()
    kernel.write(module, kernel_name(kernel.structure))
    return str(module)
