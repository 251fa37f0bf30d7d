"""LLVM's text to code that runs."""

from __future__ import annotations

import ctypes

import pytest

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.engine import assembly, compile_text, load
from chainrule.backend.llvm.target import host, level
from chainrule.backend.llvm.values import F32, F64, I1, I64, PTR
from chainrule.errors import BackendError


def text(name: str) -> str:
    """A function that returns 7, and writes the element of a table that a place tells of to it."""
    module = Module()
    table = module.table(f"{name}_table", F64, [7.5, 8.5, 9.5, 10.5])
    with module.function(name, I64, place=PTR) as f:
        (place,) = f.arguments
        f.store(f.load(F64, f.element(f.address(table), f.load(I64, place) & 3, F64)), place)
        f.ret(7)
    return str(module)


def test_what_is_compiled_runs() -> None:
    (address,) = load(compile_text(text("engine_seven"), host()), ["engine_seven"])
    place = ctypes.c_int64(6)
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)(ctypes.addressof(place)) == 7
    assert ctypes.c_double.from_buffer(place).value == 9.5


def test_the_same_text_is_the_same_code() -> None:
    assert compile_text(text("engine_same"), host()) == compile_text(text("engine_same"), host())
    assert "engine_same:" in assembly(text("engine_same"), level("baseline"))


def test_what_is_no_text_of_llvm() -> None:
    with pytest.raises(BackendError, match="expected a module that LLVM reads, got"):
        compile_text("define nothing", host())


def test_objects_of_any_size_that_call_the_library_can_be_loaded() -> None:
    for size in range(960, 1030, 3):
        module, name = Module(), f"engine_{size}"
        table = module.table(f"{name}_table", F32, [1.5] * size)
        with module.function(name, I64, place=PTR) as f:
            (place,) = f.arguments
            element = f.element(f.address(table), f.load(I64, place) & 3, F32)
            f.intrinsic("memcpy", None, place, element, f.load(I64, place), f.constant(0, I1), over=(PTR, PTR, I64))
            f.store(f.load(F64.of(4), place, 8) * f.iota(F64.of(4)), place, 8)
            f.ret(0)
        assert load(compile_text(str(module), host()), [name])
