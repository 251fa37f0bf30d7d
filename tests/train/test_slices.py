"""A staged call in slices: everything is done once, and what there is after each of them is whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.api.control import scan
from chainrule.api.jit import jit
from chainrule.train import slices
from chainrule.train.slices import in_slices

XS = np.arange(12.0).reshape(6, 2)


def total(carry: Any, xs: Any) -> Any:
    return scan(lambda c, x: (c + x, c * x), carry, xs)


def by_hand(steps: int) -> tuple[Any, Any]:
    before = np.concatenate([np.zeros((1, 2)), np.cumsum(XS, axis=0)])
    return before[steps], (before[:-1] * XS)[:steps]


def test_each_slice_is_a_step_where_there_is_no_time() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SECONDS", 0.0)
        found = [result for result, _ in in_slices(jit(total), np.zeros(2), XS)]
    assert len(found) == len(XS)
    for steps, (carry, ys) in enumerate(found, 1):
        np.testing.assert_array_equal(carry, by_hand(steps)[0])
        np.testing.assert_array_equal(ys, by_hand(steps)[1])


def test_all_is_one_slice_where_there_is_time() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SECONDS", 1e9)
        ((result, seconds),) = in_slices(jit(total), np.zeros(2), XS)
    np.testing.assert_array_equal(result[1], by_hand(6)[1])
    assert seconds > 0
