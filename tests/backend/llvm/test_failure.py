"""Errors that kernels meet: the value and the user's line."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import OptionError, OutOfRangeError


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_BACKEND", "llvm")


@pytest.mark.parametrize("exponent", [np.array([1, 0, -2]), np.array(-1)])
def test_integers_have_no_negative_powers(exponent: np.ndarray) -> None:
    power = cr.jit(lambda x, y: x**y)
    with pytest.raises(OptionError, match=r"exponents of at least 0 for integers, got -\d at .*test_failure.py"):
        power(np.arange(3), exponent)
    assert power(np.arange(3), abs(exponent)).tolist() == (np.arange(3) ** abs(exponent)).tolist()


def test_a_label_out_of_range_is_named() -> None:
    labels = cr.jit(lambda y: cr.numpy.in_range(y, 3) + 1)
    with pytest.raises(OutOfRangeError, match="labels from 0 to 2, got 7 at position 2"):
        labels(np.array([0, 1, 7, 9]))
    assert labels(np.array([0, 1, 2])).tolist() == [1, 2, 3]
