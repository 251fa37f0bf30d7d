"""Sorting: stable, NaN last, and a permutation's transpose is its inverse."""

from __future__ import annotations

import numpy as np
import pytest
from both_modes import check_both_modes

from chainrule.api.jit import jit
from chainrule.errors import DTypeError, ShapeError
from chainrule.ops.order import argsort, permute_along, sort

RNG = np.random.default_rng(9)


def test_argsort_is_stable_and_puts_nan_last() -> None:
    x = np.array([2.0, np.nan, 1.0, 2.0, -0.0, 0.0, np.nan, 1.0])
    for run in (argsort, jit(lambda x, axis: argsort(x, axis=axis), static_argnames="axis")):
        assert run(x, axis=0).tolist() == [4, 5, 2, 7, 0, 3, 1, 6]
        assert run(x, axis=0).dtype == np.int64
    np.testing.assert_array_equal(sort(x, axis=0), x[argsort(x, axis=0)])


def test_permutation_and_inverse() -> None:
    x = RNG.normal(size=(4, 5))
    order = RNG.permuted(np.tile(np.arange(5), (4, 1)), axis=1)
    moved = permute_along(x, order, axis=1)
    np.testing.assert_array_equal(moved, np.take_along_axis(x, order, 1))
    np.testing.assert_array_equal(permute_along(moved, argsort(order, axis=1), axis=1), x)
    check_both_modes(lambda x: permute_along(x * x, order, axis=1), x)


def test_sort_is_ordered_and_linear_where_nothing_moves() -> None:
    x = RNG.normal(size=(3, 4))
    check_both_modes(lambda x: sort(x * x * x, axis=0), x)
    assert sort(np.zeros((0, 2)), axis=0).shape == (0, 2)


def test_errors() -> None:
    x = RNG.normal(size=(3, 4))
    with pytest.raises(ShapeError, match=r"expected one axis of f64\[3,4\], got 2 at .*test_order\.py:\d+"):
        jit(lambda x: sort(x, axis=2))(x)
    with pytest.raises(ShapeError, match=r"expected a place for each element of f64\[3,4\], got i64\[4\]"):
        permute_along(x, np.arange(4), axis=1)
    with pytest.raises(DTypeError, match="expected integers as the places to move elements from"):
        permute_along(x, x, axis=1)
