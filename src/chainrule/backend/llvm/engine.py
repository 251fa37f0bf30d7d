"""`compile_text` and `load`: LLVM's text to object code, and object code to addresses in this process.

The two are apart so that object code can be kept on disk. llvmlite takes one lock around every call: whoever compiles
in several threads gains nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import llvmlite.binding as llvm

from chainrule.errors import BackendError, message

_LOCK: Final = threading.RLock()


@dataclass(frozen=True)
class Target:
    """What code is made for: a triple, a processor's name and its features, as LLVM spells them."""

    triple: str
    cpu: str
    features: str

    @property
    def machine(self) -> Any:
        """LLVM's own record of it."""
        return _machine(self)


@cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@cache
def host() -> Target:
    """This machine."""
    _initialize()
    features = ",".join(sorted(llvm.get_host_cpu_features().flatten().split(",")))
    return Target(llvm.get_default_triple(), llvm.get_host_cpu_name(), features)


@cache
def _machine(target: Target) -> Any:
    _initialize()
    found: Any = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small")


def compile_text(text: str, target: Target) -> bytes:
    """The object code of a module."""
    with _LOCK:
        try:
            module: Any = llvm.parse_assembly(text)
        except RuntimeError as error:
            raise BackendError(message("a module that LLVM reads", str(error))) from None
        machine = target.machine
        module.triple = target.triple
        _optimize(module, machine)
        return _emit(module, machine)


def _emit(module: Any, machine: Any) -> bytes:
    """The object code, without the pass that rewrites addresses in loops.

    It takes a fifth to a quarter of the time, and the code is not faster for it. Whoever else compiles in this process
    keeps it.
    """
    llvm.set_option("", "--disable-lsr=true")
    try:
        return bytes(machine.emit_object(module))
    finally:
        llvm.set_option("", "--disable-lsr=false")


def _optimize(module: Any, machine: Any) -> None:
    """Runs the passes that pay: the text is in SSA form, without double work, vectorised and unrolled as is wanted."""
    options: Any = llvm.create_pipeline_tuning_options(speed_level=1)
    builder: Any = llvm.create_pass_builder(machine, options)
    passes: Any = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.run(module, builder)


class _Loaded:
    """The one place that object code is loaded to. What is loaded stays as long as the process."""

    def __init__(self) -> None:
        _initialize()
        target: Any = llvm.Target.from_default_triple()
        machine = target.create_target_machine(reloc="pic", codemodel="small")
        self._engine: Any = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._objects: list[Any] = []

    def add(self, code: bytes, names: Iterable[str]) -> list[int]:
        """The addresses of functions of the object code; their names must be of no object that was added before."""
        found: Any = llvm.ObjectFileRef.from_data(code)
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
