"""The runtime's text: for both families of processors, the same one every time, and without addresses."""

from __future__ import annotations

import re

import pytest

from chainrule.backend.llvm.engine import compile_text
from chainrule.backend.llvm.runtime.native import NAMES, runtime, runtime_text
from chainrule.backend.llvm.runtime.reading import ObjectLayout, reading_text
from chainrule.backend.llvm.target import Target, host
from chainrule.errors import BackendError

TARGETS = [Target("x86_64-unknown-linux-gnu", "x86-64", ""), Target("aarch64-unknown-linux-gnu", "generic", "")]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.triple)
def test_the_runtime_can_be_compiled_for(target: Target) -> None:
    text = runtime_text(target.triple)
    assert text == runtime_text(target.triple)
    code = compile_text(text, target)
    assert all(name.encode() in code for name in NAMES)
    assert compile_text(reading_text(ObjectLayout(16, 24)), target)


def test_nothing_is_called_that_must_be_found_first() -> None:
    declared = re.findall(r"declare .*@([\w.]+)\(", runtime_text(host().triple) + reading_text(ObjectLayout(16, 24)))
    assert declared and all(name.startswith("llvm.") for name in declared)


def test_another_processor_is_an_error() -> None:
    with pytest.raises(BackendError, match="expected x86-64 or AArch64, got riscv64-linux; try the reference backend"):
        runtime_text("riscv64-linux")


def test_the_clock_goes_on() -> None:
    first = runtime().clock()
    assert 1e6 < runtime().cycles_per_second() < 1e11
    assert runtime().clock() > first
