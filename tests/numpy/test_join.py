from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from numpy_calls import check_call, table

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad
from chainrule.api.jit import jit
from chainrule.errors import PrecisionWarning, ShapeError

X = np.linspace(0.4, 1.2, 12).reshape(3, 4)
Y = np.linspace(-1.0, -0.5, 8).reshape(2, 4)
V = np.array([0.3, -0.7, 0.9, 1.1])


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, y, v: np.concatenate([x, y, x]),
        lambda np, x, y, v: np.concatenate((x, 2 * x), axis=-1),
        lambda np, x, y, v: np.concatenate([x, y, v], axis=None),
        lambda np, x, y, v: np.concatenate([x, np.ones((1, 4)), y[:0]]),
        lambda np, x, y, v: np.concatenate(x),
        lambda np, x, y, v: np.concat([x, y]),
        lambda np, x, y, v: np.stack([v, v * v]),
        lambda np, x, y, v: np.stack([x, -x], axis=1),
        lambda np, x, y, v: np.stack((x, -x), axis=-1),
        lambda np, x, y, v: np.stack([v[0], v[1] ** 2]),
        lambda np, x, y, v: np.stack(x, axis=1),
        lambda np, x, y, v: np.vstack([x, v, y]),
        lambda np, x, y, v: np.hstack([x, x[:, :1]]),
        lambda np, x, y, v: np.hstack([v, v[:2], v[3]]),
        lambda np, x, y, v: np.dstack([x, -x]),
        lambda np, x, y, v: np.dstack([v, -v]),
        lambda np, x, y, v: np.column_stack([v[:3], x, v[1:]]),
        lambda np, x, y, v: np.append(x, y, axis=0),
        lambda np, x, y, v: np.append(v, [1.0, 2.0]),
        lambda np, x, y, v: np.append(x, v[0]),
        lambda np, x, y, v: np.block([[x, x[:, :1]], [y, y[:, 1:2]]]),
        lambda np, x, y, v: np.block([v, v[0]]),
        lambda np, x, y, v: np.block([[v], [x]]),
        lambda np, x, y, v: np.split(x, 3)[1],
        lambda np, x, y, v: np.split(x, 2, axis=-1)[1],
        lambda np, x, y, v: np.split(v, [1, 3])[1],
        lambda np, x, y, v: np.split(v, [1, 3, 9])[3],
        lambda np, x, y, v: np.split(v, [-3, -1])[1],
        lambda np, x, y, v: np.array_split(v, 3)[0],
        lambda np, x, y, v: np.array_split(v, 3)[2],
        lambda np, x, y, v: np.array_split(x, 5, axis=0)[4],
        lambda np, x, y, v: np.hsplit(x, 2)[1],
        lambda np, x, y, v: np.hsplit(v, 2)[1],
        lambda np, x, y, v: np.vsplit(x, [1])[1],
        lambda np, x, y, v: np.dsplit(np.stack([x, -x], axis=-1), 2)[1],
    ),
)
def test_joins_and_splits(call: Any) -> None:
    check_call(call, X, Y, V)


def test_unstack() -> None:
    check_both_modes(lambda x: cnp.concatenate(cnp.unstack(x, axis=-1)) ** 2, X)
    for way in (lambda f: f, jit):
        parts = way(lambda x: list(cnp.unstack(x, axis=1)))(X)
        assert len(parts) == 4
        np.testing.assert_array_equal(np.stack(parts, 1), X)


def test_the_cotangents_of_a_join_reach_the_traced_part_alone() -> None:
    gradient = grad(lambda v: (np.concatenate([X[0], v, np.ones(2)]) * np.arange(10.0)).sum())(V)
    np.testing.assert_array_equal(gradient, [4.0, 5, 6, 7])


def test_promotion() -> None:
    f = V.astype(np.float32)
    with pytest.warns(PrecisionWarning, match="float32 becomes float64"):
        assert jit(lambda x: cnp.concatenate([x, np.arange(3)]))(f).dtype == np.float64
    assert jit(lambda x: cnp.concatenate([x, np.arange(3)], dtype=np.float32))(V).dtype == np.float32
    assert jit(lambda x: cnp.stack([x, x], dtype=np.float64))(np.arange(2)).dtype == np.float64
    assert jit(lambda x: cnp.stack([x, np.zeros(4, np.float32)]))(f).dtype == np.float32
    assert grad(lambda x: cnp.sum(cnp.concatenate([x, V])))(f).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: cnp.concatenate([x, x[:, :2]]), "arrays of the same lengths but along axis 0"),
        (lambda x: cnp.concatenate([x, x[0]]), "arrays of the same lengths but along axis 0"),
        (lambda x: cnp.concatenate([x[0, 0], x[0, 1]]), "arrays with an axis to concatenate along.*stack"),
        (lambda x: cnp.concatenate([x], axis=2), "an axis from -2 to 1"),
        (lambda x: cnp.stack([x, x[0]]), "arrays of one shape to stack"),
        (lambda x: cnp.split(x, 2), "a number that divides 3, got 2.*array_split"),
        (lambda x: cnp.array_split(x, 0), "one section at least"),
        (lambda x: cnp.vsplit(x[0], 2), "an array of 2 axes at least"),
    ],
)
def test_misfits_name_the_line(call: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(ShapeError, match=text) as caught:
            way(call)(X)
        assert "test_join.py" in str(caught.value)
