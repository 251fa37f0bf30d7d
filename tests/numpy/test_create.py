from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from numpy_calls import table

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.api.jit import graph, jit
from chainrule.errors import ShapeError, StagingError

X = np.linspace(0.4, 1.2, 6).reshape(2, 3)
V = np.array([0.3, -0.7, 0.9])


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np: np.zeros(3),
        lambda np: np.zeros((2, 0), dtype=np.int32),
        lambda np: np.zeros((), np.float32),
        lambda np: np.zeros((2, 3), bool, "F"),
        lambda np: np.ones([2, 3], "uint8"),
        lambda np: np.ones(np.int64(2)),
        lambda np: np.full((2, 2), 7),
        lambda np: np.full(3, np.float32(1.5)),
        lambda np: np.full((2, 3), [1.0, 2, 3]),
        lambda np: np.full((2, 3), 2.9, int),
        lambda np: np.full(2, True),
        lambda np: np.full((), 3.0),
        lambda np: np.empty((2, 3)) * 0,
        lambda np: np.zeros_like(X),
        lambda np: np.zeros_like([1, 2]),
        lambda np: np.ones_like(X, dtype=np.int64),
        lambda np: np.ones_like(X, shape=(4,)),
        lambda np: np.empty_like(X) * 0,
        lambda np: np.full_like(X, 2.5),
        lambda np: np.full_like(np.arange(3), 2.5),
        lambda np: np.full_like(X, V),
        lambda np: np.eye(3),
        lambda np: np.eye(2, 4, 1, dtype=np.float32),
        lambda np: np.identity(2, dtype=int),
        lambda np: np.arange(4),
        lambda np: np.arange(4.0),
        lambda np: np.arange(1, 7, 2, dtype=np.float32),
        lambda np: np.arange(5, 0, -2),
        lambda np: np.arange(0),
        lambda np: np.linspace(0, 1, 5),
        lambda np: np.linspace(0, 1, 4, endpoint=False, dtype=np.float32),
        lambda np: np.linspace([0, 1], 2, 3, axis=-1),
        lambda np: np.linspace(0, 1, 5, retstep=True)[0],
        lambda np: np.logspace(0, 2, 3),
        lambda np: np.geomspace(1, 256, 9),
        lambda np: np.array([[1, 2], [3, 4]]),
        lambda np: np.array([1, 2.5], dtype=np.float32),
        lambda np: np.array(3.0),
        lambda np: np.array(X, ndmin=4),
        lambda np: np.asarray([1.0, 2]),
        lambda np: np.ascontiguousarray(X.T),
        lambda np: np.ascontiguousarray([1, 2]),
        lambda np: np.meshgrid([1, 2], [3, 4, 5])[0],
        lambda np: np.meshgrid([1, 2], [3.0, 4, 5], indexing="ij")[1],
        lambda np: np.indices((2, 3)),
        lambda np: np.indices((2, 3), sparse=True)[1],
        lambda np: np.tri(3, 4, -1),
        lambda np: np.vander([1, 2, 3], 3),
    ),
)
def test_made_of_plain_numbers(call: Any) -> None:
    """Outside of a trace NumPy's own array; inside a draft with the same numbers, that leaves as a plain array."""
    want = call(np)
    outside = call(cnp)
    inside = [jvp(lambda x: call(cnp), (1.0,), (1.0,))[0], vjp(lambda x: call(cnp), 1.0)[0], jit(lambda: call(cnp))()]
    inside.append(jit(lambda x: cnp.where(x, call(cnp), call(cnp)))(np.array(True)))
    for found in (outside, *inside):
        assert isinstance(found, np.ndarray | np.generic)
        assert found.shape == want.shape
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(found, want)
    for found in (outside, *inside[:3]):
        if found.shape:
            found[...] = 1  # the caller's own


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, v: np.array([v[0], 2.0, v[2] ** 2]),
        lambda np, x, v: np.array([[v[0], 1], [2, v[1] * v[0]]]),
        lambda np, x, v: np.array([x[0], v, [1, 2, v[0]]]),
        lambda np, x, v: np.array([[[v[0]]], [[3.0]]]),
        lambda np, x, v: np.array(x),
        lambda np, x, v: np.array(x, ndmin=3),
        lambda np, x, v: np.asarray([x, x]),
        lambda np, x, v: np.asarray((v, 2 * v)),
        lambda np, x, v: np.ascontiguousarray(x.T),
        lambda np, x, v: np.full((2, 2), v[0]),
        lambda np, x, v: np.full((2, 3), v),
        lambda np, x, v: np.full_like(x, v[1]),
        lambda np, x, v: np.linspace(v[0], v[1], 5),
        lambda np, x, v: np.linspace(v[0], 3, 4, endpoint=False),
        lambda np, x, v: np.linspace(0, v, 3),
        lambda np, x, v: np.linspace(x, v, 3, axis=-1),
        lambda np, x, v: np.linspace(v[0], v[1], 1),
        lambda np, x, v: np.linspace(v[0], v[1], 0),
        lambda np, x, v: np.linspace(v[0], v[1], 3, retstep=True)[1],
        lambda np, x, v: np.logspace(v[0], v[2], 4),
        lambda np, x, v: np.logspace(0, 2, 3, base=v[0]),
        lambda np, x, v: np.geomspace(v[0], 9 * v[2], 4),
        lambda np, x, v: np.geomspace(v[1], -4.0, 3, endpoint=False),
        lambda np, x, v: np.meshgrid(v, v[:2])[0],
        lambda np, x, v: np.meshgrid(v, v[:2], indexing="ij")[1],
        lambda np, x, v: np.meshgrid(v, v[:2], v[0], sparse=True)[0],
        lambda np, x, v: np.meshgrid(v, [1.0, 2.0])[0],
        lambda np, x, v: np.vander(v),
        lambda np, x, v: np.vander(v, 2, increasing=True),
        lambda np, x, v: np.vander(v, 5),
        lambda np, x, v: np.vander(v, 0),
    ),
)
def test_made_of_traced_numbers(call: Any) -> None:
    want = call(np, X, V)
    for found in (call(cnp, X, V), jit(lambda x, v: call(cnp, x, v))(X, V)):
        assert found.dtype == want.dtype
        np.testing.assert_allclose(found, want, rtol=1e-14)
    check_both_modes(lambda x, v: call(cnp, x, v) ** 3, X, V)


def test_traced_values_are_assigned_to_what_was_made() -> None:
    def f(x: Any, v: Any) -> Any:
        y = cnp.zeros((2, 3))
        y[0] = v
        row = y[1]
        row[1:] = x[0, 1:] * y[0, 0]
        z = cnp.ones_like(V)
        z += row
        z *= cnp.array([2.0, 3, 4])
        k = cnp.full(3, 2.0) * cnp.arange(3)
        k[k > 3] = v[0]
        m = cnp.zeros((2, 2))
        cnp.fill_diagonal(m, v[:2])
        n = cnp.empty(4)
        np.copyto(n[:3], v)
        n[3] = 0
        return cnp.concatenate([cnp.ravel(y), z, k, cnp.ravel(m), n])

    assert type(f(X, V)) is np.ndarray
    check_both_modes(lambda x, v: f(x, v) ** 2, X, V)
    np.testing.assert_array_equal(jit(f)(X, V), f(X, V))


def test_a_draft_is_as_good_as_its_numbers() -> None:
    def f(x: Any) -> Any:
        counts = cnp.array([2, 0, 1])
        places = cnp.arange(3)
        if places.any() and counts.sum() == 3 and cnp.zeros(1)[0] == 0:  # decided while staging
            x = x[counts] * places
        shape = cnp.array([3, 1])
        assert float(cnp.ones(1)[0]) == 1 and int(counts[0]) == 2 and counts.tolist() == [2, 0, 1]
        assert [X[i].sum() for i in cnp.arange(2)] == [X[0].sum(), X[1].sum()]
        assert range(5)[counts[0]] == 2
        assert np.asarray(counts).tolist() == [2, 0, 1] and np.linalg.cond(cnp.eye(2)) == 1
        assert X[:, counts].shape == (2, 3) and counts.nbytes == 24 and repr(counts) == "array([2, 0, 1])"
        plain = np.ones(3)
        plain += places
        plain[counts] = places
        np.add(plain, places, out=plain)
        assert plain.tolist() == [1, 3, 2]
        return cnp.repeat(x.reshape(shape), counts, axis=0) + plain[0]

    want = f(V)
    np.testing.assert_array_equal(jvp(f, (V,), (V,))[0], want)
    np.testing.assert_array_equal(jit(f)(V), want)


def test_what_is_made_of_numbers_is_not_recorded() -> None:
    def f(t: Any) -> Any:
        y = cnp.zeros((2, 3))
        y[0] = cnp.arange(3) + 1
        return cnp.ones(3) * t + cnp.arange(3) * t, y

    text = str(graph(f)(np.float64(2.0)))
    assert "full(shape=(3,), value=1" in text and "iota(length=3" in text and "slice_set" not in text
    out, y = jit(f)(np.float64(2.0))
    np.testing.assert_array_equal(out, [2.0, 4, 6])
    np.testing.assert_array_equal(y, [[1.0, 2, 3], [0, 0, 0]])


def test_an_array_that_is_there_is_no_draft() -> None:
    def f(x: Any) -> Any:
        assert cnp.asarray(X) is X
        assert cnp.asarray(x) is x
        assert cnp.array(x) is not x
        assert not np.shares_memory(np.asarray(cnp.array(X)), X)
        return cnp.sum(x)

    grad(f)(X)
    assert cnp.asarray(X) is X and cnp.array(X) is not X


def test_drafts_may_outlive_the_call() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(cnp.arange(3.0))
        return cnp.sum(x * kept[0])

    grad(f)(V)
    assert (kept[0] * 2).tolist() == [0, 2, 4]
    assert np.asarray(kept[0]).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(grad(f)(V), [0.0, 1, 2])


def test_ranges_of_traced_bounds() -> None:
    f = grad(lambda a, b: cnp.sum(cnp.arange(a, b, 0.5) * cnp.array([1.0, 2, 3])), (0, 1))
    assert f(1.0, 2.5) == (6.0, 0.0)
    np.testing.assert_array_equal(vjp(lambda a: cnp.arange(a), 2.5)[0], [0.0, 1, 2])
    check_both_modes(lambda s: cnp.arange(0.0, 2.5, s) ** 2, 1.0, staged=False)
    with pytest.raises(StagingError, match=r"no length of a range on a staged value, .*linspace"):
        jit(cnp.arange)(np.float64(3.0))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: cnp.array([x, x[0]]), r"parts of one shape in a list, got \[\(2, 3\), \(3,\)\]"),
        (lambda x: cnp.full((2, 2), x), "a shape that"),
        (lambda x: cnp.linspace(x, 1, -1), "a number of samples of at least 0"),
        (lambda x: cnp.vander(x), "an array of one axis"),
    ],
)
def test_misfits_name_the_line(call: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(ShapeError, match=text) as caught:
            way(call)(X)
        assert "test_create.py" in str(caught.value)


def test_nothing_is_a_draft_outside() -> None:
    with pytest.raises(RuntimeError):
        grad(lambda x: _fail())(V)
    for made in (cnp.zeros(2), cnp.array([1.0]), cnp.arange(3), cnp.eye(2)):
        assert type(made) is np.ndarray
        made[...] = 5


def _fail() -> Any:
    raise RuntimeError
