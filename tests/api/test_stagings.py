"""How often a function was staged and compiled, the warning where that is a habit, and what is said of what is run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.choose import backend
from chainrule.errors import RecompileWarning


def compiles(most: int) -> Any:
    """What equals the number of stagings that machine code was made for: code may be there from before."""
    return most if backend().name == "reference" else AtMost(most)


class AtMost:
    """Equals numbers up to its own."""

    __hash__ = None

    def __init__(self, most: int) -> None:
        self.most = most

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and 0 <= other <= self.most


def test_a_fifth_shape_is_warned_of_once() -> None:
    @cr.jit
    def total(x: Any, scale: float, y: Any) -> Any:
        return np.sum(x["rows"]) * scale + y

    for n in (4, 3, 2, 1, 4, 3, 2, 1):
        total({"rows": np.ones(n)}, 2.0, 0.0)
    with pytest.warns(
        RecompileWarning, match=r"for the staged .*total, got 5: `0\.rows` as f64\[4\], f64\[3\]"
    ) as seen:
        total({"rows": np.ones(5, np.float32)}, 2.0, np.float32(0.0))
    assert "f32[5], and 1 more at " in str(seen[0].message)
    assert "test_stagings.py" in str(seen[0].message) and "; try arrays of one shape" in str(seen[0].message)
    total({"rows": np.ones(6)}, 2.0, 0.0)
    assert total.stagings == 6 and total.compiles <= 6


def test_an_eighth_static_value_is_warned_of() -> None:
    power = cr.jit(lambda x, n: x**n)
    for n in range(7):
        power(2.0, n)
    with pytest.warns(
        RecompileWarning, match=r"few different static values .* got 8, each staged anew .*; try a float"
    ):
        power(2.0, 7)


def test_what_changes_outside_at_every_call_is_warned_of() -> None:
    held = {"rate": 1.0}
    scaled = cr.jit(lambda x: x * held["rate"])
    for i in range(7):
        held["rate"] = float(i)
        assert scaled(2.0) == 2.0 * i
    held["rate"] = 7.0
    with pytest.warns(RecompileWarning, match=r"changes at which it was staged anew 7 times .*; try passing as an arg"):
        assert scaled(2.0) == 14.0


def test_a_graph_that_is_only_looked_at_is_not_compiled() -> None:
    f = cr.jit(lambda x: x + 1.0)
    f.graph(1.0)
    assert f.stagings == 1 and f.compiles == 0
    assert f(1.0) == f(2.0) - 1.0 and f.stagings == 1 and f.compiles == compiles(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.grad(lambda x: f(x).sum())(np.ones(3))
    assert f.stagings == 2 and f.compiles == compiles(1)


def test_what_is_run_and_its_memory() -> None:
    f = cr.jit(lambda w, x: (w + np.tanh(x @ w), np.ones(2)), donate=0)
    w, x = np.zeros((3, 3)), np.ones((3, 3))
    text = str(f.report(w, x))
    if backend().name == "reference":
        assert text.startswith("reference backend: NumPy, node by node") and "tanh(" in text and "multiply-adds" in text
    else:
        assert text.startswith("kernel ") and "native backend: " in text and "MFLOP" in text
    memory = f.memory(w, x)
    assert memory.inputs == 144 + 16 and memory.outputs == 16 and memory.arena >= 144
    assert memory.total == memory.inputs + memory.outputs + memory.constants + memory.arena
    assert str(memory).startswith(f"{memory.total:,} bytes: inputs 160, outputs 16, ")
    assert w.tolist() == [[0.0] * 3] * 3 and f.compiles == compiles(1)
