"""Guarded runs find what is written beside a buffer, and elements that are never written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.llvm import build
from chainrule.backend.llvm.guard import GuardedBackend, guarded
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.lower import Lowered, Work, lower
from chainrule.errors import BackendError
from chainrule.ir.graph import Graph
from chainrule.testing.fuzz.generate import generate
from chainrule.testing.fuzz.trial import complaint, find_backend

X = np.random.default_rng(0).normal(size=(50, 7))


def graph() -> Graph:
    return cr.graph(lambda x: np.sort(np.cumsum(x, axis=0)[::-1], axis=1) * 2.0)(X)


def change_kernels(monkeypatch: pytest.MonkeyPatch, change: Callable[[Kernel], Kernel]) -> None:
    def changed(*args: Any) -> Lowered:
        found = lower(*args)
        lines = [replace(line, kernel=change(line.kernel)) if isinstance(line, Work) else line for line in found.lines]
        return replace(found, lines=tuple(lines))

    monkeypatch.setattr(build, "lower", changed)


def test_a_right_program_is_right() -> None:
    assert guarded(graph(), (), (X,)) == ""


@pytest.mark.parametrize("columns", [1, 7, 100, 600])
@pytest.mark.parametrize("rows", [(), (1,), (5,)])
def test_products_of_nothing_are_zeros(rows: tuple[int, ...], columns: int) -> None:
    for x, y in ((np.zeros((*rows, 0)), np.zeros((0, columns))), (np.zeros((0, *rows)).T, np.zeros((columns, 0)).T)):
        product = cr.graph(lambda x, y: x @ y)(x, y)
        assert guarded(product, (), (x, y)) == ""
        np.testing.assert_array_equal(cr.jit(lambda x, y: x @ y)(x, y), np.zeros((*rows, columns)))


@pytest.mark.parametrize(("title", "where"), [("multiply", "results"), ("cumsum", "arena")])
def test_a_write_behind_a_buffer_is_found(title: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def further(kernel: Kernel) -> Kernel:
        *others, (buffer, offset) = kernel.pointers
        wrong = title in kernel.title
        return replace(kernel, pointers=(*others, (buffer, offset + 8))) if wrong else kernel

    change_kernels(monkeypatch, further)
    assert "writes to 8 bytes in gaps of" in (found := guarded(graph(), (), (X,))) and where in found, found


def test_elements_that_are_not_written_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    change_kernels(monkeypatch, lambda kernel: replace(kernel, parts=0) if "cumsum" in kernel.title else kernel)
    assert guarded(graph(), (), (X,)) == "results [0] depend on what was in memory before"


def test_the_fuzzer_runs_graphs_guarded() -> None:
    backend = find_backend("guarded")
    for seed in range(30):
        assert complaint(backend, generate(seed)) == ""


def test_a_guarded_backend_refuses_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    change_kernels(monkeypatch, lambda kernel: replace(kernel, parts=0))
    with pytest.raises(BackendError, match=r"got results .* depend on what was in memory"):
        GuardedBackend().compile(graph())((X,))
