"""Which backend runs staged functions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule.backend import choose
from chainrule.backend.choose import backend
from chainrule.backend.llvm import self_check
from chainrule.backend.llvm.target import Target, target
from chainrule.errors import BackendWarning, OptionError


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CHAINRULE_BACKEND", raising=False)
    choose._default.cache_clear()
    yield
    choose._default.cache_clear()


def test_the_environment_names_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_BACKEND", "reference")
    assert backend().name == "reference" and backend() is backend()
    monkeypatch.setenv("CHAINRULE_BACKEND", "cuda")
    with pytest.raises(
        OptionError, match="one of reference, llvm as CHAINRULE_BACKEND, got 'cuda'; try leaving it unset"
    ):
        backend()


def test_native_code_is_the_default_where_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_check, "is_tested", lambda *_: True)
    assert backend().name == "llvm"


def test_only_linux_on_x86_with_avx2_counts_as_tested() -> None:
    tested = Target("x86_64-unknown-linux-gnu", "znver3", "+avx2,+fma")
    assert self_check.is_tested("linux", tested)
    assert not self_check.is_tested("darwin", tested)
    assert not self_check.is_tested("linux", Target(tested.triple, "nehalem", "-avx2,-fma,+sse4.2"))
    assert not self_check.is_tested("linux", Target("aarch64-unknown-linux-gnu", "apple-m1", "+neon"))


def test_elsewhere_it_is_checked_once_in_a_process_of_its_own(tmp_path: Path) -> None:
    script = """
import warnings
from chainrule.backend import choose
from chainrule.backend.llvm import self_check
ran = []
ordinary = self_check._outcome
self_check._outcome = lambda: ran.append(1) or ordinary()
self_check.is_tested = lambda *_: False
print(choose.backend().name, len(ran))
"""
    environment = {**os.environ, "CHAINRULE_CACHE": str(tmp_path / "cache")}
    for times in (1, 0):
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout == f"llvm {times}\n", done.stderr


@pytest.mark.parametrize("outcome", ["output 0 of check 1 is wrong on 1 threads", "the check of it does not end"])
def test_where_it_is_not_right_numpy_runs_functions_and_a_line_says_so(
    outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_check, "is_tested", lambda *_: False)
    monkeypatch.setattr(self_check, "disk", lambda: None)
    monkeypatch.setattr(self_check, "_outcome", lambda: outcome)
    with pytest.warns(BackendWarning, match=f"got one on which {outcome}.*; NumPy runs staged functions"):
        assert backend().name == "reference"
    assert backend().name == "reference"  # said once


def test_without_llvmlite_numpy_runs_functions() -> None:
    script = """
import sys, warnings
sys.modules["llvmlite"] = None
warnings.simplefilter("always")
import numpy as np, chainrule as cr
print(cr.jit(lambda x: np.tanh(x) * 2)(np.zeros(2)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[0. 0.]\n"
    assert done.stderr.count("BackendWarning") == 1 and "try pip install llvmlite" in done.stderr


def test_a_check_that_crashes_says_with_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false" if os.path.exists("/bin/false") else "false")
    assert self_check._outcome() == "the check of it ends with exit code 1"


def test_the_graphs_of_the_check_are_right_here() -> None:
    assert self_check.check() == self_check.RIGHT
    assert target().triple
