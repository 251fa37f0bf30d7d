from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib import NumpyVersion
from numpy_calls import check_call, table

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.api.jit import jit
from chainrule.errors import ShapeError

X = np.linspace(0.4, 1.2, 24).reshape(2, 3, 4)
SHAPES = [(), (0,), (5,), (1, 3), (2, 0, 3), (2, 1, 1, 3)]


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x: np.reshape(x, (6, -1)),
        lambda np, x: np.reshape(x, -1),
        lambda np, x: np.reshape(x, (4, 3, 2), order="F"),
        lambda np, x: np.reshape(x, (2, -1), order="F"),
        lambda np, x: x.reshape(3, 8),
        lambda np, x: x.reshape((3, 2, -1)),
        lambda np, x: np.ravel(x),
        lambda np, x: np.ravel(x, order="F"),
        lambda np, x: np.ravel(np.transpose(x), order="K"),
        lambda np, x: np.ravel(np.transpose(x), order="A"),
        lambda np, x: np.ravel(np.swapaxes(x, 0, 1), order="A"),
        lambda np, x: x.flatten(),
        lambda np, x: x.flatten("F"),
        lambda np, x: np.transpose(x),
        lambda np, x: np.transpose(x, (1, 2, 0)),
        lambda np, x: np.transpose(x, (-1, 0, -2)),
        lambda np, x: x.transpose(),
        lambda np, x: x.transpose(2, 0, 1),
        lambda np, x: x.transpose((2, -3, 1)),
        lambda np, x: np.permute_dims(x, (2, 0, 1)),
        lambda np, x: np.matrix_transpose(x),
        lambda np, x: np.swapaxes(x, 0, -1),
        lambda np, x: x.swapaxes(-2, 0),
        lambda np, x: np.moveaxis(x, 0, -1),
        lambda np, x: np.moveaxis(x, (0, 1), (-1, 0)),
        lambda np, x: np.moveaxis(x, [-1, 0], [0, 1]),
        lambda np, x: np.rollaxis(x, 2),
        lambda np, x: np.rollaxis(x, 0, 3),
        lambda np, x: np.rollaxis(x, -1, 1),
        lambda np, x: np.rollaxis(x, 1, -1),
        lambda np, x: np.expand_dims(x, 0),
        lambda np, x: np.expand_dims(x, -1),
        lambda np, x: np.expand_dims(x, (0, -2)),
        lambda np, x: np.squeeze(np.reshape(x, (1, 2, 1, 12))),
        lambda np, x: np.squeeze(np.reshape(x, (1, 2, 1, 12)), axis=-2),
        lambda np, x: np.squeeze(np.reshape(x, (1, 24, 1)), axis=(0, 2)),
        lambda np, x: np.squeeze(x[:1, :1, :1]),
        lambda np, x: x[:1].squeeze(),
        lambda np, x: np.atleast_1d(x[0, 0, 0]),
        lambda np, x: np.atleast_2d(x[0, 0]),
        lambda np, x: np.atleast_3d(x[0, 0]),
        lambda np, x: np.atleast_3d(x[0]),
        lambda np, x: np.atleast_2d(x[0], x[0, 0])[1],
        lambda np, x: np.broadcast_to(x[:, :1], (3, 2, 5, 4)),
        lambda np, x: np.broadcast_to(x[0, 0, 0], 3),
        lambda np, x: np.broadcast_arrays(x[:, :1], x[0])[1],
        lambda np, x: np.copy(x),
        lambda np, x: np.resize(x, (2, 5)),
        lambda np, x: np.resize(x, 30),
        lambda np, x: np.resize(x, (5, 6)),
        lambda np, x: np.resize(x[:0], (2, 2)),
        lambda np, x: np.resize(x, (0, 2)),
    ),
)
def test_shapes(call: Any) -> None:
    check_call(call, X)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x: np.ravel(x),
        lambda np, x: np.reshape(x, x.shape[::-1]),
        lambda np, x: np.transpose(x),
        lambda np, x: np.copy(np.squeeze(x)),
        lambda np, x: np.expand_dims(x, -1),
        lambda np, x: np.copy(np.atleast_2d(x)),
        lambda np, x: np.copy(np.atleast_3d(x)),
        lambda np, x: np.broadcast_to(x, (2, *x.shape)),
        lambda np, x: x.flatten(),
        lambda np, x: x.T,
    ),
)
def test_of_every_shape(call: Any, shape: tuple[int, ...]) -> None:
    check_call(call, np.linspace(0.4, 1.2, int(np.prod(shape))).reshape(shape))


def test_asking_for_the_shape() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append((cnp.shape(x), np.shape(x), cnp.ndim(x), np.size(x), cnp.size(x, -1), len(x)))
        return x

    for way in (jit(f), lambda x: vjp(f, x), lambda x: jvp(f, (x,), (x,)), f):
        way(X)
    assert seen == [((2, 3, 4), (2, 3, 4), 3, 24, 4, 2)] * 4
    assert cnp.shape([[1, 2]]) == (1, 2)
    assert cnp.broadcast_shapes((2, 1), (3,)) == (2, 3)


@pytest.mark.skipif(NumpyVersion(np.__version__) < "2.4.0", reason="NumPy's own size takes one axis before 2.4")
def test_the_size_along_several_axes() -> None:
    def f(x: Any) -> Any:
        return x * np.size(x, (0, 2)) + cnp.size(x, (0, -1))

    np.testing.assert_array_equal(f(X), X * 8 + 8)
    np.testing.assert_array_equal(jit(f)(X), X * 8 + 8)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.reshape(5, -1), r"a shape of 24 elements, got \(5, -1\)"),
        (lambda x: x.reshape(-1, -1), r"a shape of 24 elements"),
        (lambda x: x.reshape(-2, -12), r"a shape of 24 elements"),
        (lambda x: x.reshape(7), r"a shape of 24 elements, got \(7,\)"),
        (lambda x: x.transpose(0, 1), r"an order of 3 axes, got \(0, 1\)"),
        (lambda x: x.transpose(0, 1, 1), "every axis once"),
        (lambda x: cnp.swapaxes(x, 0, 3), "an axis from -3 to 2, got 3"),
        (lambda x: cnp.squeeze(x, 0), r"axes of length 1 to squeeze, got axes \(0,\) of \(2, 3, 4\)"),
        (lambda x: cnp.expand_dims(x, 5), "an axis from -4 to 3, got 5"),
        (lambda x: cnp.moveaxis(x, (0, 1), 2), "a place for each axis to move"),
        (lambda x: cnp.broadcast_to(x, (2, 3, 5)), "a shape that"),
        (lambda x: cnp.broadcast_arrays(x, np.ones(5)), r"shapes that broadcast, got \(2, 3, 4\) and \(5,\)"),
        (lambda x: cnp.matrix_transpose(x[0, 0]), "two axes at least"),
    ],
)
def test_misfits_name_the_line(call: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(ShapeError, match=text) as caught:
            way(call)(X)
        assert "test_shape.py" in str(caught.value)
