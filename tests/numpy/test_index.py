from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.api.jit import jit
from chainrule.errors import DTypeError, OutOfRangeError, ShapeError, StagingError
from chainrule.numpy.index import add_at, getitem, setitem
from chainrule.numpy.key import is_basic

X = np.arange(1.0, 25.0).reshape(2, 3, 4)
KEYS: list[Any] = [
    0,
    -1,
    np.int64(1),
    (1, 2),
    (1, 2, 3),
    (1, -2, -1),
    slice(None),
    slice(None, None, -1),
    (slice(None), slice(2, None, -2)),
    (slice(None), slice(None, 0, -1), slice(3, 1)),
    (slice(None), slice(-100, 100, 2)),
    Ellipsis,
    (Ellipsis, 0),
    (0, Ellipsis, slice(1, None)),
    None,
    (None, 0, None, slice(None), None),
    (Ellipsis, None),
    (),
    [0, 1, 1],
    [[0, 1], [1, 1]],
    np.array([], int),
    [],
    np.array(1),
    np.array([-1, 0, 0], np.int32),
    np.array([1, 0], np.uint8),
    (slice(None), [2, 0]),
    (slice(None), slice(1, None), [3, 0, 3]),
    (0, [1, 2]),
    (0, slice(None), [1, 2]),
    ([0, 1], slice(None), [1, 2]),
    ([0, 1], None, [1, 2]),
    (slice(None), [0, 1], [1, 2]),
    (slice(None), [[0], [1]], [1, 2]),
    ([0, 1], [1, 2], [0, 3]),
    ([0], Ellipsis, [1, 2, 0]),
    (slice(None), [0, 1], 1),
    (slice(None), 1, None, [0, 1]),
    ([0, 1], 1, slice(None)),
    X > 5,
    X[:, :, 0] > 5,
    np.array([True, False]),
    (slice(None), np.array([True, False, True])),
    (0, np.array([[True] * 4, [False] * 4, [True, False, False, True]])),
    (np.array([True, True]), slice(None), [1, 0]),
    (slice(None), np.array([True, True, False]), [1, 0]),
    np.zeros((2, 3, 4), bool),
    True,
    False,
    (slice(None), True),
    (True, slice(None), [1, 0]),
    (slice(None), True, [1, 0]),
    (Ellipsis, np.bool_(True), 0),
]
IDS = [str(i) for i in range(len(KEYS))]


def weights(like: Any) -> Any:
    return np.random.default_rng(0).uniform(0.5, 1, np.shape(like))


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_getitem_is_numpys(key: Any) -> None:
    want = X[key]
    for found in (getitem(X, key), jit(lambda x: x[key])(X), jvp(lambda x: x[key], (X,), (X,))[1]):
        assert np.shape(found) == want.shape
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_gradient_of_getitem_adds_every_occurrence(key: Any) -> None:
    w = weights(X[key])
    want = np.zeros_like(X)
    np.add.at(want, key, w)
    for gradient in (grad(lambda x: cnp.sum(x[key] * w)), jit(grad(lambda x: cnp.sum(x[key] * w)))):
        np.testing.assert_allclose(gradient(X), want, rtol=1e-15)


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_setitem_is_numpys(key: Any) -> None:
    value = -weights(X[key])
    want = X.copy()
    want[key] = value

    def f(x: Any, v: Any) -> Any:
        y = x.copy()
        y[key] = v
        return y

    for found in (setitem(X, key, value), jit(f)(X, value), jvp(f, (X, value), (X, value))[1]):
        np.testing.assert_array_equal(found, want)
    np.testing.assert_array_equal(X, np.arange(1.0, 25.0).reshape(2, 3, 4))


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_gradients_of_setitem_are_of_what_stayed(key: Any) -> None:
    value = -weights(X[key])
    number = np.full(X.shape, -1)
    number[key] = np.arange(value.size).reshape(value.shape)
    w = weights(X)
    lost, stayed = np.where(number < 0, w, 0), np.zeros(value.size)
    stayed[number[number >= 0]] = w[number >= 0]

    def f(x: Any, v: Any) -> Any:
        y = x.copy()
        y[key] = v
        return cnp.sum(y * w)

    for gradient in (grad(f, (0, 1)), jit(grad(f, (0, 1)))):
        by_x, by_v = gradient(X, value)
        np.testing.assert_allclose(by_x, lost)
        np.testing.assert_allclose(np.ravel(by_v), stayed)


@pytest.mark.parametrize("key", KEYS, ids=IDS)
def test_add_at_is_numpys(key: Any) -> None:
    value = weights(X[key])
    want = X.copy()
    np.add.at(want, key, value)

    def f(x: Any, v: Any) -> Any:
        y = x.copy()
        np.add.at(y, key, v)
        return y

    for found in (add_at(X, key, value), jit(f)(X, value), grad(lambda x: (f(x, value) ** 2).sum())(X) / 2):
        np.testing.assert_allclose(found, want, rtol=1e-15)


SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


@st.composite
def arrays_and_keys(draw: st.DrawFn) -> tuple[Any, Any]:
    """An array and a key that NumPy takes for it, of all kinds mixed."""
    shape = draw(SHAPES)
    length = draw(st.sampled_from([1, 1, 2, 3]))  # of the arrays of indices, unless it is 1
    items: list[Any] = []
    axis = 0
    while axis < len(shape) and draw(st.integers(0, 9)):
        n = shape[axis]
        kinds = ["slice", "slice", "none", "true"] + (["int", "list", "array", "mask"] if n else ["mask"])
        kind = draw(st.sampled_from(kinds))
        axis += kind not in ("none", "true")
        match kind:
            case "slice":
                bound = st.none() | st.integers(-n - 1, n + 1)
                items.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3, -1, -2]))))
            case "none":
                items.append(None)
            case "true":
                items.append(draw(st.sampled_from([None, True, None])))
            case "int":
                items.append(draw(st.integers(-n, n - 1)))
            case "mask":
                mask = np.zeros(n, bool)
                mask[: draw(st.sampled_from([min(length, n), min(1, n)]))] = True
                items.append(np.roll(mask, draw(st.integers(0, 3))))
            case _:
                shape_of_index = draw(st.sampled_from([(length,), (1,), (2, length), ()]))
                index = draw(st.lists(st.integers(-n, n - 1), min_size=6, max_size=6))
                array = np.array(index[: int(np.prod(shape_of_index))]).reshape(shape_of_index)
                items.append(array.tolist() if kind == "list" and array.ndim else array)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(items)))
        items.insert(at, Ellipsis)
        if at < len(items) - 1:  # what stands behind it is for the last axes
            behind = sum(item is not None and not isinstance(item, bool) for item in items[at + 1 :])
            before = sum(item is not None and not isinstance(item, bool) for item in items[:at])
            fits = shape[len(shape) - behind :] == shape[before : before + behind]
            items = items if fits else items[:at]
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape), tuple(items)


@settings(max_examples=300)
@given(arrays_and_keys())
def test_any_key(case: tuple[Any, Any]) -> None:
    x, key = case
    try:
        want = x[key]
    except IndexError:
        with pytest.raises(IndexError):
            grad(lambda x: cnp.sum(x[key]))(x)
        return
    out, pullback = vjp(lambda x: x[key], x)
    assert np.shape(out) == want.shape
    np.testing.assert_array_equal(out, want)
    w = weights(want)
    gradient = np.zeros_like(x)
    np.add.at(gradient, key, w)
    np.testing.assert_allclose(pullback(w)[0], gradient)

    written = x.copy()
    written[key] = w
    np.testing.assert_array_equal(setitem(x, key, w), written)
    np.testing.assert_array_equal(jit(lambda x, w: setitem(x, key, w))(x, w), written)


@pytest.mark.parametrize("key", [0, (slice(None), [2, 0, 2]), (slice(None, None, -1), None), X > 7, ([1, 1], [0, 0])])
def test_second_order(key: Any) -> None:
    check_both_modes(lambda x: getitem(x, key) ** 3, X / 10)
    check_both_modes(lambda x, v: setitem(x, key, v) ** 3, X / 10, weights(X[key]))
    check_both_modes(lambda x, v: add_at(x, key, v) ** 3, X / 10, weights(X[key]))


def test_traced_indices() -> None:
    i, many, mask = np.int64(2), np.array([2, 0, 0]), np.array([True, False, True])

    def f(x: Any, i: Any, many: Any) -> Any:
        y = x.copy()
        y[i] = y[many[0]] * 2
        y[many] += y[0]
        y[i, 1:] = 7
        return y[i], y[:, i], y[many], y[many[:, None], many], y[[i, 0]], y[-i]

    x = np.arange(1.0, 10.0).reshape(3, 3)
    want = f(x, i, many)
    for way in (f, jit(f)):
        for found, expected in zip(way(x, i, many), want, strict=True):
            np.testing.assert_array_equal(found, expected)
    eager = vjp(lambda x: f(x, i, many)[3], x)[1](np.ones((3, 3)))[0]
    staged = jit(lambda x, i, many: vjp(lambda x: f(x, i, many)[3], x)[1](np.ones((3, 3)))[0])(x, i, many)
    np.testing.assert_array_equal(staged, eager)
    np.testing.assert_array_equal(grad(lambda x: x[x[:, 0] > 1].sum())(x), np.repeat([[0.0], [1], [1]], 3, 1))
    np.testing.assert_array_equal(grad(lambda x: x[mask].sum())(x), np.repeat([[1.0], [0], [1]], 3, 1))


def test_an_assignment_by_a_mask_can_be_staged() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        y[y > 6] = 0
        y[y[:, 0] > 2] *= 1  # read and written by the mask: eager only, see below
        return y

    def g(x: Any) -> Any:
        y = x.copy()
        y[y > 6] = 0
        y[y[:, 0] < 2] = y[-1]
        np.add.at(y, y == 5, x[0, 0])
        return y

    x = np.arange(1.0, 10.0).reshape(3, 3)
    want = g(x)
    np.testing.assert_array_equal(jit(g)(x), want)
    np.testing.assert_array_equal(jvp(g, (x,), (x,))[0], want)
    np.testing.assert_array_equal(jvp(f, (x,), (x,))[0], f(x))
    check_both_modes(lambda x: setitem(x, x > 3, x[0, 1]) ** 2, x + 0.5)
    with pytest.raises(StagingError, match=r"no index by a mask on a staged value.*where"):
        jit(f)(x)


def test_values_are_broadcast_and_cast() -> None:
    x = np.arange(6).reshape(2, 3)
    assert setitem(x, (0, 1), 2.9).tolist() == [[0, 2, 2], [3, 4, 5]]
    assert setitem(x, 0, [7.5, 8, 9]).dtype == x.dtype
    assert setitem(x, slice(None), np.ones((1, 1, 3))).tolist() == [[1, 1, 1]] * 2
    assert setitem(X.astype(np.float32), 0, X[0]).dtype == np.float32
    with pytest.raises(ShapeError, match=r"broadcasts to \(2, 2\), got one of shape \(3,\)"):
        setitem(x, (slice(None), slice(2)), [1, 2, 3])
    with pytest.raises(OverflowError):
        setitem(np.zeros(3, np.uint8), 0, 300)
    with pytest.raises(DTypeError, match="a sum that fits int64, got a sum of dtype float64"):
        add_at(x, 0, 1.5)
    assert add_at(np.zeros(2, np.uint8), 0, 3).dtype == np.uint8


def _line() -> int:
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize("way", [jit, lambda f: lambda x: vjp(f, x)[0]], ids=["staged", "eager"])
@pytest.mark.parametrize(
    ("key", "text"),
    [
        (3, "an index from -3 to 2 along an axis of length 3, got 3"),
        (-4, "got -4"),
        ((0, 5), "from -2 to 1 along an axis of length 2, got 5"),
        ([0, 3], "got 3"),
        ((slice(None), [0, -3]), "from -2 to 1 along an axis of length 2, got -3"),
        ((0, 0, 0), "at most 2 indices and one Ellipsis for an array of shape .3, 2., got 3 indices"),
        ((Ellipsis, Ellipsis), "got 2 Ellipses"),
        (np.zeros(2, bool), "a mask of shape .3,., got .2,."),
        (([0, 1], [0, 1, 0]), "indices that broadcast together"),
    ],
    ids=str,
)
def test_an_index_that_does_not_exist_names_the_line(way: Any, key: Any, text: str) -> None:
    line = 0

    def f(x: Any) -> Any:
        nonlocal line
        line = _line() + 1
        return x[key]

    with pytest.raises(OutOfRangeError, match=text) as caught:
        way(f)(np.zeros((3, 2)))
    assert f"test_index.py:{line}" in str(caught.value)
    with pytest.raises(IndexError):  # as NumPy's own error is
        np.zeros((3, 2))[key]


@pytest.mark.parametrize("key", [1.0, "a", np.array([0.5]), [0.0], {}, (0, 1.0)], ids=str)
def test_what_is_no_index(key: Any) -> None:
    with pytest.raises(DTypeError, match="as an index"):
        grad(lambda x: cnp.sum(x[key]))(X)


def test_an_empty_axis_has_no_index() -> None:
    with pytest.raises(OutOfRangeError, match="no index along an axis of length 0, got 0"):
        grad(lambda x: x[0])(np.zeros(0))


def test_is_basic() -> None:
    assert all(map(is_basic, (0, np.int32(1), None, Ellipsis, slice(2), (), (0, None, ..., slice(None)))))
    assert not any(map(is_basic, ([0], np.array([0]), np.array(0), True, np.bool_(True), (0, [1]), 1.0)))
