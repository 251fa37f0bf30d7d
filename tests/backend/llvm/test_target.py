"""What code is made for, by CHAINRULE_TARGET."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainrule.backend.llvm import target as module
from chainrule.backend.llvm.machine import vectors
from chainrule.backend.llvm.target import VARIABLE, Target, host, level, target
from chainrule.errors import OptionError


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    target.cache_clear()
    yield monkeypatch
    target.cache_clear()


@pytest.mark.parametrize("name", ["", "host"])
def test_this_processor_unless_said_otherwise(chosen: pytest.MonkeyPatch, name: str) -> None:
    chosen.setenv(VARIABLE, name)
    assert target() == host()


def test_a_level_by_name(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv(VARIABLE, "baseline")
    chosen.setattr(module, "runs", lambda _: True)
    assert target() == level("baseline")


def test_an_unknown_name(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv(VARIABLE, "sse9")
    with pytest.raises(OptionError, match=r"expected one of host, baseline, .* as CHAINRULE_TARGET, got 'sse9'; try"):
        target()


def test_what_this_processor_does_not_run(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv(VARIABLE, "avx512")
    chosen.setattr(module, "runs", lambda _: False)
    with pytest.raises(OptionError, match="expected instructions of this processor as CHAINRULE_TARGET, got avx512"):
        target()


@pytest.mark.parametrize(("name", "bits"), [("baseline", (128, 16)), ("avx2", (256, 16)), ("avx512", (512, 32))])
def test_vectors(name: str, bits: tuple[int, int]) -> None:
    assert vectors(level(name)) == bits
    assert vectors(Target("aarch64-unknown-linux-gnu", "generic", "+neon")) == (128, 32)
