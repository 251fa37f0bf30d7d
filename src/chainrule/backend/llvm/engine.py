"""`compile_text` and `load`: LLVM's text to object code, and object code to addresses in this process.

The two are apart so that object code can be kept on disk. llvmlite takes one lock around every call: whoever compiles
in several threads gains nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from chainrule.backend.llvm import translate
from chainrule.backend.llvm.target import Target
from chainrule.backend.llvm.translate import initialize, llvm, object_code
from chainrule.errors import BackendError, message

_LOCK: Final = threading.RLock()


def compile_text(text: str, target: Target) -> bytes:
    """The object code of a module."""
    with _LOCK, _reading():
        return object_code(text, target.triple, target.machine)


def assembly(text: str, target: Target) -> str:
    """The object code of a module, as text for people."""
    with _LOCK, _reading():
        return translate.assembly(text, target.triple, target.machine)


@contextmanager
def _reading() -> Generator[None]:
    try:
        yield
    except RuntimeError as error:
        raise BackendError(message("a module that LLVM reads", str(error))) from None


class _Loaded:
    """The one place that object code is loaded to. What is loaded stays as long as the process.

    llvmlite's manager of memory puts all sections of an object side by side. LLVM's own takes any place for each, and
    ends the process where code and its constants come to lie 2 GB apart, as they do beside large arrays.
    """

    def __init__(self) -> None:
        initialize()
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(reloc="pic", codemodel="small")
        beside = True if "linux" in target.triple else None
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine, use_lmm=beside)
        self._objects: list[Any] = []

    def add(self, code: bytes, names: Iterable[str]) -> list[int]:
        """The addresses of functions of the object code; their names must be of no object that was added before."""
        found = llvm.ObjectFileRef.from_data(code)
        self._engine.add_object_file(found)
        self._engine.finalize_object()
        self._objects.append(found)
        return [int(self._engine.get_function_address(name)) for name in names]


@cache
def _loaded() -> _Loaded:
    return _Loaded()


def load(code: bytes, names: Iterable[str]) -> list[int]:
    """The addresses of functions in object code, each of a name that no earlier object had."""
    with _LOCK:
        return _loaded().add(code, names)
