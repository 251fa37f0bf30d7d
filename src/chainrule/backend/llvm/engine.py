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

from chainrule.backend.llvm.target import Target, initialize, llvm
from chainrule.errors import BackendError, message

_LOCK: Final = threading.RLock()

_ROOM: Final = """
@room = private global [1024 x i8] zeroinitializer, align 16
@more_room = private constant [512 x i8] zeroinitializer, section ".rodata.room", align 16
"""
"""Nothing refers to these, so that they are counted where memory is taken for an object, and not put there. The room is
for what llvmlite's manager of memory forgets to count: addresses of functions of the C library, and gaps."""


def compile_text(text: str, target: Target) -> bytes:
    """The object code of a module."""
    with _LOCK, _without_strength_reduction():
        return bytes(target.machine.emit_object(_optimized(text, target)))


def assembly(text: str, target: Target) -> str:
    """The object code of a module, as text for people."""
    with _LOCK, _without_strength_reduction():
        return str(target.machine.emit_assembly(_optimized(text, target)))


@contextmanager
def _without_strength_reduction() -> Generator[None]:
    """Leaves out the pass that rewrites addresses in loops.

    It takes a fifth to a quarter of the time, and the code is not faster for it. Whoever else compiles in this process
    keeps it.
    """
    llvm.set_option("", "--disable-lsr=true")
    try:
        yield
    finally:
        llvm.set_option("", "--disable-lsr=false")


def _optimized(text: str, target: Target) -> Any:
    """LLVM's module, after the passes that pay."""
    try:
        module = llvm.parse_assembly(text + _ROOM if "linux" in target.triple else text)
    except RuntimeError as error:
        raise BackendError(message("a module that LLVM reads", str(error))) from None
    module.triple = target.triple
    _optimize(module, target.machine)
    return module


def _optimize(module: Any, machine: Any) -> None:
    """Runs the passes that pay: the text is in SSA form, without double work, vectorised and unrolled as is wanted."""
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.run(module, builder)


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
