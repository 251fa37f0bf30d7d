from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from numpy_calls import check_call, table
from same_as_numpy import check_same

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, jvp
from chainrule.api.jit import graph, jit
from chainrule.errors import DTypeError, OptionError, OutOfRangeError, ShapeError, StagingError, TraceError

X = np.linspace(0.4, 1.2, 24).reshape(2, 3, 4)
V = np.array([0.3, -0.7, 0.9, 1.1])
I = np.array([[3, 0, -1], [1, 1, 2]])  # noqa: E741 (indices)


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, v: np.take(x, 5),
        lambda np, x, v: np.take(x, [5, -1, 5]),
        lambda np, x, v: np.take(x, I),
        lambda np, x, v: np.take(x, I, axis=-1),
        lambda np, x, v: np.take(x, [2, 0], axis=1),
        lambda np, x, v: np.take(x, [], axis=1),
        lambda np, x, v: np.take(x, 1, axis=1),
        lambda np, x, v: np.take(x, [7, -9], axis=1, mode="wrap"),
        lambda np, x, v: np.take(x, [7, -9, 1], axis=2, mode="clip"),
        lambda np, x, v: x.take([0, 3], axis=2),
        lambda np, x, v: np.take_along_axis(x, np.argsort(x, axis=1)[:, ::-1], axis=1),
        lambda np, x, v: np.take_along_axis(x, np.array([[[1]]]), axis=1),
        lambda np, x, v: np.take_along_axis(x, np.array([[[0, 2, 1]], [[3, -1, -1]]]), axis=-1),
        lambda np, x, v: np.take_along_axis(x[:, :1], np.zeros((2, 3, 2), int), axis=2),
        lambda np, x, v: np.take_along_axis(v, np.array([0, 0, -2]), axis=0),
        lambda np, x, v: np.take_along_axis(x, np.array([5, 0]), axis=None),
        lambda np, x, v: np.compress([True, False, True, True], v),
        lambda np, x, v: np.compress([False, True], x, axis=1),
        lambda np, x, v: np.compress([0, 1], x, axis=0),
        lambda np, x, v: np.extract(X > 0.7, x),
        lambda np, x, v: np.choose(np.array([1, 0, 1, 1]), [v, 2 * x[0]]),
        lambda np, x, v: np.choose([[0, 1, 2, 0]], (v, v[::-1], 5.0)),
        lambda np, x, v: np.choose(np.array([5, -1, 1, 2]), [v, v * v], mode="clip"),
        lambda np, x, v: np.choose(np.array([5, -1, 1, 2]), [v, v * v], mode="wrap"),
        lambda np, x, v: np.select([V > 1, V > 0], [v, v * v], 3.0),
        lambda np, x, v: np.select([v > 1, v > 0], [v, v[0]]),
        lambda np, x, v: np.select([x > 0.7, np.ones(4, bool)], [x, v]),
        lambda np, x, v: np.delete(v, 1),
        lambda np, x, v: np.delete(v, [0, -1]),
        lambda np, x, v: np.delete(x, slice(None, None, 2), axis=2),
        lambda np, x, v: np.delete(x, [True, False, True], axis=1),
        lambda np, x, v: np.delete(x, [3, 3]),
        lambda np, x, v: np.insert(v, 1, 9.0),
        lambda np, x, v: np.insert(v, -1, v[:2]),
        lambda np, x, v: np.insert(v, [0, 4, 2], [7.0, 8.0, 9.0]),
        lambda np, x, v: np.insert(v, slice(1, 3), v[0]),
        lambda np, x, v: np.insert(v, np.array([True, False, True, False]), 5),
        lambda np, x, v: np.insert(x, 1, v, axis=1),
        lambda np, x, v: np.insert(x, 1, x[:, :2].swapaxes(0, 1), axis=1),
        lambda np, x, v: np.insert(x, [1, 1], v, axis=1),
        lambda np, x, v: np.insert(x, 0, v[0], axis=-1),
        lambda np, x, v: np.insert(x, 2, v[:2]),
        lambda np, x, v: x[np.ix_([1, 0], [0, 2], [True, False, False, True])],
    ),
)
def test_taken(call: Any) -> None:
    check_call(call, X, V)


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, i: np.take(V, i),
        lambda np, i: np.take(X, i, axis=2),
        lambda np, i: np.take(V, i + 7, mode="wrap"),
        lambda np, i: np.take(V, i - 2, mode="clip"),
        lambda np, i: np.take_along_axis(X[:, :, 0], i % 3, axis=1),
        lambda np, i: np.choose(i % 2, [V[:3], V[1:]]),
        lambda np, i: np.ix_(i[0], i[1])[1],
        lambda np, i: np.unravel_index(abs(i), (2, 3))[1],
        lambda np, i: np.stack(np.unravel_index(abs(i), (2, 3, 4), order="F")),
        lambda np, i: np.searchsorted(np.array([0, 1, 1, 2]), i),
        lambda np, i: np.searchsorted([0, 1, 1, 2], i, side="right"),
        lambda np, i: np.searchsorted(i[1], 1),
        lambda np, i: np.searchsorted(i[0], [0, 1], sorter=np.argsort(I[0])),
    ),
)
def test_traced_indices(call: Any) -> None:
    check_same(lambda i: call(cnp, i), lambda i: call(np, i), I)


def test_the_gradient_by_what_traced_indices_take() -> None:
    w = np.arange(1.0, 7).reshape(2, 3)
    want = np.zeros(4)
    np.add.at(want, I, w)
    gradient = grad(lambda v, i: (np.take(v, i) * w).sum())
    np.testing.assert_array_equal(gradient(V, I), want)
    np.testing.assert_array_equal(jit(gradient)(V, I), want)


def test_what_needs_numbers_has_them_when_eager() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append((np.nonzero(x > 0.7)[1].tolist(), np.flatnonzero(x > 1).tolist(), cnp.argwhere(x > 1.1).tolist()))
        return np.compress(x[0, 0] > 0.45, x, axis=2)

    np.testing.assert_array_equal(jvp(f, (X,), (X,))[1], f(X))
    assert seen[0] == seen[1]
    for call in (np.nonzero, cnp.flatnonzero, np.argwhere, lambda x: np.extract(x > 0, x)):
        with pytest.raises(StagingError, match=r"no list of indices on a staged value, .*where"):
            jit(call)(X)


def test_written() -> None:
    def f(x: Any, v: Any) -> Any:
        y, z, k, m = x.copy(), x.copy(), x.copy(), x.copy()
        np.put_along_axis(y, np.array([[[2, 0]]]), v[:2], axis=2)
        np.put(z, [0, -1, 5], v[:2])
        np.copyto(k, v)
        np.copyto(k, x[0] * 2, where=X > 0.8)
        np.putmask(m, x > 1, v)
        return np.concatenate([y, z, k, m])

    check_same(f, f, X, V)
    check_both_modes(lambda x, v: f(x, v) ** 2, X, V)


@pytest.mark.parametrize(
    "write",
    [
        lambda y, v: np.put(y, [0], v),
        lambda y, v: np.put_along_axis(y, np.array([0]), v, 0),
        lambda y, v: np.copyto(y, v),
        lambda y, v: np.putmask(y, y > 0, v),
        lambda y, v: cnp.copyto(y, v),
        lambda y, v: cnp.put(y, [0], v),
    ],
)
def test_nothing_traced_is_written_to_a_plain_array(write: Any) -> None:
    y = np.ones(4)

    def f(v: Any) -> Any:
        write(y, v)
        return v.sum()

    for way in (grad, jit):
        with pytest.raises(TraceError, match=r"traced .*test_take\.py"):
            way(f)(V)
    assert y.tolist() == [1.0] * 4


def test_one_hot() -> None:
    labels = np.array([[2, 0], [1, 1]])
    want = np.eye(3, dtype=np.float32)[labels]
    for found in (cnp.one_hot(labels, 3), jit(lambda y: cnp.one_hot(y, 3))(labels)):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, want)
    assert cnp.one_hot(1, 3, dtype=bool).tolist() == [False, True, False]
    assert "constant" not in str(graph(lambda y: cnp.one_hot(y, 3))(labels))
    for wrong in (3, -1):
        with pytest.raises(OutOfRangeError, match=f"labels from 0 to 2, got {wrong} at position 1.*test_take.py"):
            cnp.one_hot(np.array([0, wrong]), 3)
        with pytest.raises(OutOfRangeError, match=f"labels from 0 to 2, got {wrong}"):
            jit(lambda y: cnp.one_hot(y, 3))(np.array([0, wrong]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: cnp.take(x, 24), OutOfRangeError, "an index from -24 to 23 along an axis of length 24, got 24"),
        (lambda x: cnp.take(x, [0, -5], axis=-1), OutOfRangeError, "from -4 to 3 .*got -5"),
        (lambda x: cnp.take(x, 0, axis=3), ShapeError, "an axis from -3 to 2"),
        (lambda x: cnp.take(x, 0, mode="round"), OptionError, "a mode of raise, wrap or clip"),
        (lambda x: cnp.take(x, [0.5]), DTypeError, "integers as indices, got float64"),
        (lambda x: cnp.take(x, [True, False]), DTypeError, "integers as indices, got bool"),
        (lambda x: cnp.take_along_axis(x, np.array([0]), 1), ShapeError, "indices with the 3 axes of the array, got 1"),
        (lambda x: cnp.take_along_axis(x, np.array([[[4]]]), 2), OutOfRangeError, "from -4 to 3"),
        (lambda x: cnp.choose(np.array([2]), [x, x]), OutOfRangeError, "labels from 0 to 1, got 2"),
        (lambda x: cnp.select([x > 0], [x, x]), ShapeError, "as many conditions as choices"),
        (lambda x: cnp.select([x], [x]), DTypeError, "booleans as conditions"),
    ],
)
def test_misfits_name_the_line(call: Any, error: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(error, match=text) as caught:
            way(call)(X)
        assert "test_take.py" in str(caught.value)
