from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.api.derivatives import grad, vjp
from chainrule.api.jit import jit
from chainrule.errors import DTypeError, OutOfRangeError, ShapeError
from chainrule.ops import indexing as ops
from chainrule.ops.reduction import sum_

X = np.arange(24.0).reshape(2, 3, 4)


def test_gather_puts_the_axes_of_the_indices_first() -> None:
    rows, columns = np.array([[0], [-1]]), np.array([2, 0, 1])
    found = ops.gather(X, rows, columns, axes=(0, 2))
    assert found.shape == (2, 3, 3)
    np.testing.assert_array_equal(found, np.moveaxis(X, 2, 1)[rows, columns])
    np.testing.assert_array_equal(ops.gather(X, columns, axes=(1,)), np.moveaxis(X[:, columns], 1, 0))
    assert ops.gather(X, 1, 2, 3, axes=(0, 1, 2)) == 23


def test_gather_is_no_view() -> None:
    x = X.copy()
    row = ops.gather(x, np.int64(1), axes=(0,))
    x[...] = 0
    np.testing.assert_array_equal(row, X[1])


def test_of_a_repeated_index_the_last_update_stays_and_is_differentiated() -> None:
    index, updates = np.array([[1, 0], [1, 1]]), np.array([[1.0, 2], [3, 4]])
    assert ops.scatter_set(np.zeros(3), updates, index, axes=(0,)).tolist() == [2, 4, 0]
    assert ops.scatter_add(np.zeros(3), updates, index, axes=(0,)).tolist() == [2, 8, 0]
    w = np.array([5.0, 6, 7])
    for op, lost in ((ops.scatter_set, 0.0), (ops.scatter_add, 6.0)):

        def f(x: Any, updates: Any, index: Any, op: Any = op) -> Any:
            return sum_(op(x, updates, index, axes=(0,)) * w, axes=(0,))

        for gradient in (grad(f, (0, 1)), jit(grad(f, (0, 1)))):
            by_x, by_updates = gradient(np.ones(3), updates, index)
            assert by_updates.tolist() == [[lost, 5], [lost, 6]]
            assert by_x.tolist() == ([0, 0, 7] if op is ops.scatter_set else [5, 6, 7])


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-3, 2), st.integers(-2, 1)), max_size=9), st.booleans())
def test_writing_in_any_layout_of_memory(places: list[tuple[int, int]], turned: bool) -> None:
    """The order is that of the elements, whatever the strides of indices and updates are."""
    rows = np.array([row for row, _ in places], int)
    columns = np.array([column for _, column in places], int)
    updates = np.arange(1.0, 1 + len(places))
    want = np.zeros((3, 2))
    for row, column, update in zip(rows, columns, updates, strict=True):
        want[row, column] = update
    if turned:
        rows, columns, updates = (np.repeat(x, 2)[::2] for x in (rows, columns, updates))
        updates = updates[::-1].copy()[::-1]
    found, pullback = vjp(lambda u: ops.scatter_set(np.zeros((3, 2)), u, rows, columns, axes=(0, 1)), updates)
    np.testing.assert_array_equal(found, want)
    stayed = [update in want for update in updates]
    np.testing.assert_array_equal(pullback(np.full((3, 2), 3.0))[0], 3.0 * np.array(stayed, float))


def test_updates_in_column_order() -> None:
    index = np.zeros((2, 2), int)
    updates = np.array([[1.0, 2], [3, 4]])
    for i, u in ((index.T, updates.T), (np.asfortranarray(index), np.asfortranarray(updates))):
        assert ops.scatter_set(np.zeros(1), u, i, axes=(0,)).tolist() == [4.0]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_dtypes_of_indices(dtype: Any) -> None:
    index = np.array([2, 0, 2], dtype)
    x = np.arange(3, dtype=np.float32)
    assert ops.gather(x, index, axes=(0,)).tolist() == [2, 0, 2]
    assert grad(lambda x: sum_(ops.gather(x, index, axes=(0,)), axes=(0,)))(x).tolist() == [1, 0, 2]
    assert jit(lambda x, i: ops.scatter_add(x, 1.0 + x, i, axes=(0,)))(x, index).dtype == np.float32


def test_integers_have_no_derivative() -> None:
    index = np.array([1, 0])
    gradient = grad(lambda x, i: sum_(ops.gather(x, i, axes=(0,)), axes=(0,)))
    assert gradient(np.ones(2), index).tolist() == [1, 1]
    with pytest.raises(DTypeError):
        grad(lambda i: sum_(ops.gather(np.ones(2), i, axes=(0,)), axes=(0,)))(index)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (np.array([0, 3]), "an index from -3 to 2 along an axis of length 3, got 3"),
        (np.array([[0], [-4]]), "got -4"),
        (np.int64(3), "got 3"),
    ],
)
@pytest.mark.parametrize("way", [lambda f: f, jit], ids=["called", "staged"])
def test_an_index_out_of_range(way: Any, index: Any, text: str) -> None:
    x = np.zeros((2, 3))
    updates = np.zeros((*np.shape(index), 2))
    for call in (
        lambda x, i, u: ops.gather(x, i, axes=(1,)),
        lambda x, i, u: ops.scatter_add(x, u, i, axes=(1,)),
        lambda x, i, u: ops.scatter_set(x, u, i, axes=(1,)),
    ):
        with pytest.raises(OutOfRangeError, match=text) as caught:
            way(call)(x, index, updates)
        assert "test_indexing.py" in str(caught.value)
        assert isinstance(caught.value, IndexError)
    assert not x.any()


def test_an_empty_axis_has_no_index() -> None:
    with pytest.raises(OutOfRangeError, match="no index along an axis of length 0, got 0"):
        ops.gather(np.zeros((0, 2)), np.array([0]), axes=(0,))
    assert ops.gather(np.zeros((0, 2)), np.array([], int), axes=(0,)).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: ops.gather(x, x[0, 0], axes=(0,)), DTypeError, "integers as indices, got f64.4."),
        (lambda x: ops.gather(x, np.array([True]), axes=(0,)), DTypeError, "integers as indices, got bool.1."),
        (lambda x: ops.gather(x, 0, 1, axes=(0, 0)), ShapeError, "an axis of .* for each of 2 indices"),
        (lambda x: ops.gather(x, 0, axes=(3,)), ShapeError, "an axis of .* for each of 1 indices"),
        (lambda x: ops.gather(x, np.zeros(2, int), np.zeros(3, int), axes=(0, 1)), ShapeError, "broadcast in gather"),
        (lambda x: ops.scatter_set(x, x[0], np.zeros(2, int), axes=(0,)), ShapeError, r"updates of shape \(2, 3, 4\)"),
        (lambda x: ops.searchsorted(x, 1.0, side="left"), ShapeError, "a sorted array of one axis"),
        (lambda x: ops.searchsorted(x[0, 0], 1.0, side="middle"), ShapeError, "side left or right"),
        (lambda x: ops.in_range(x, length=3), DTypeError, "integers as labels"),
    ],
)
def test_misfits_name_the_line(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        jit(call)(X)
    assert "test_indexing.py" in str(caught.value)


def test_labels() -> None:
    labels = np.array([[0, 2], [1, 0]])
    for way in (lambda f: f, jit):
        f = way(lambda y: ops.in_range(y, length=3))
        np.testing.assert_array_equal(f(labels), labels)
        for wrong in (-1, 3):
            with pytest.raises(OutOfRangeError, match=rf"labels from 0 to 2, got {wrong} at position \(1, 0\)"):
                f(np.array([[0, 2], [wrong, 0]]))
