from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from numpy.lib import NumpyVersion
from numpy_calls import check_call, table

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad
from chainrule.api.jit import jit
from chainrule.errors import OptionError, ShapeError, StagingError

X = np.linspace(0.4, 1.2, 12).reshape(3, 4)
V = np.array([0.3, -0.7, 0.9, 1.1])


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, v: np.flip(x),
        lambda np, x, v: np.flip(x, -1),
        lambda np, x, v: np.flip(x, (0, 1)),
        lambda np, x, v: np.flipud(x),
        lambda np, x, v: np.fliplr(x),
        lambda np, x, v: np.rot90(x),
        lambda np, x, v: np.rot90(x, 2),
        lambda np, x, v: np.rot90(x, -1),
        lambda np, x, v: np.rot90(x, 4),
        lambda np, x, v: np.rot90(x, 1, (1, 0)),
        lambda np, x, v: np.rot90(np.stack([x, -x]), 3, (-1, 0)),
        lambda np, x, v: np.roll(x, 1),
        lambda np, x, v: np.roll(x, -5, axis=1),
        lambda np, x, v: np.roll(x, (1, 2), axis=(0, -1)),
        lambda np, x, v: np.roll(x, 1, axis=(0, 1)),
        lambda np, x, v: np.roll(x, (1, 1), axis=0),
        lambda np, x, v: np.roll(x, 0, axis=0),
        lambda np, x, v: np.roll(v[:0], 3),
        lambda np, x, v: np.repeat(x, 2),
        lambda np, x, v: np.repeat(x, 3, axis=0),
        lambda np, x, v: np.repeat(x, 2, axis=-1),
        lambda np, x, v: np.repeat(x, [1, 0, 2], axis=0),
        lambda np, x, v: np.repeat(x, [2, 0, 1, 3], axis=-1),
        lambda np, x, v: np.repeat(x, [2], axis=1),
        lambda np, x, v: np.repeat(v, [0, 0, 0, 0]),
        lambda np, x, v: np.repeat(v, 0),
        lambda np, x, v: np.repeat(v[0], 3),
        lambda np, x, v: np.repeat(x[:0], 2, axis=0),
        lambda np, x, v: v.repeat(2),
        lambda np, x, v: np.tile(v, 3),
        lambda np, x, v: np.tile(x, 2),
        lambda np, x, v: np.tile(x, (2, 1)),
        lambda np, x, v: np.tile(x, (2, 1, 3)),
        lambda np, x, v: np.tile(v, (2, 2)),
        lambda np, x, v: np.tile(x, (1, 1)),
        lambda np, x, v: np.tile(v[0], (2, 3)),
        lambda np, x, v: np.tile(x, ()),
        lambda np, x, v: np.tile(x, (0, 2)),
        lambda np, x, v: np.tile(x[:0], 2),
        lambda np, x, v: np.pad(v, 2),
        lambda np, x, v: np.pad(v, (1, 3)),
        lambda np, x, v: np.pad(x, ((1, 0), (2, 3))),
        lambda np, x, v: np.pad(x, ((1,), (2,))),
        lambda np, x, v: np.pad(x, 1, constant_values=7),
        lambda np, x, v: np.pad(x, 1, constant_values=((1, 2), (3, 4))),
        lambda np, x, v: np.pad(x, 2, constant_values=((1, 2),)),
        lambda np, x, v: np.pad(x, ((1, 2), (0, 0)), mode="edge"),
        lambda np, x, v: np.pad(x, ((2, 1), (3, 2)), mode="reflect"),
        lambda np, x, v: np.pad(v, 9, mode="reflect"),
        lambda np, x, v: np.pad(x, ((2, 1), (3, 2)), mode="symmetric"),
        lambda np, x, v: np.pad(x, ((2, 1), (3, 7)), mode="wrap"),
        lambda np, x, v: np.pad(x[:0], ((1, 1), (0, 0))),
    ),
)
def test_rearranged(call: Any) -> None:
    check_call(call, X, V)


@pytest.mark.skipif(NumpyVersion(np.__version__) < "2.4.0", reason="NumPy's own pad takes no dict before 2.4")
@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x: np.pad(x, {-1: (1, 2)}),
        lambda np, x: np.pad(x, {0: 2}, mode="edge"),
    ),
)
def test_padded_by_axis(call: Any) -> None:
    check_call(call, X)


def test_padding_by_traced_numbers() -> None:
    check_both_modes(lambda x, c: cnp.pad(x, 1, constant_values=c) ** 2, X, 0.5)
    check_both_modes(lambda x, c: cnp.pad(x, ((1, 2), (2, 0)), constant_values=c) ** 2, X, [[0.5, 2], [3, 4]])
    assert jit(lambda x: cnp.pad(x, 1, constant_values=2.9))(np.arange(3)).tolist() == [2, 0, 1, 2, 2]


def test_a_traced_shift() -> None:
    f = jit(lambda x, shift: cnp.roll(x, shift, axis=1))
    for shift in (np.int64(3), np.int64(-6)):
        np.testing.assert_array_equal(f(X, shift), np.roll(X, shift, 1))
        np.testing.assert_array_equal(jit(cnp.roll)(X, shift), np.roll(X, shift))


def test_traced_counts_need_numbers() -> None:
    counts = np.array([1, 0, 2, 1])
    np.testing.assert_array_equal(cnp.repeat(V, counts), np.repeat(V, counts))
    with pytest.raises(StagingError, match="no count of repetitions on a staged value"):
        jit(cnp.repeat)(V, counts)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: cnp.repeat(x, [1, 2], axis=0), ShapeError, r"one count, or 3 counts, of at least 0, got \[1, 2\]"),
        (lambda x: cnp.repeat(x, -1), ShapeError, "counts of at least 0, got -1"),
        (lambda x: cnp.repeat(x, [1, -1, 2], axis=0), ShapeError, "3 counts, of at least 0"),
        (lambda x: cnp.tile(x, (-1, 2)), ShapeError, "counts of at least 0"),
        (lambda x: cnp.roll(x, (1, 2, 3), axis=(0, 1)), ShapeError, "a shift for each axis"),
        (lambda x: cnp.pad(x, (1, 2, 3)), ShapeError, "a width, a pair, or a pair for each of 2 axes"),
        (lambda x: cnp.pad(x, -1), ShapeError, "widths of at least 0"),
        (lambda x: cnp.pad(x, 1, mode="mirror"), OptionError, "a mode of pad, constant or one of edge, reflect"),
        (lambda x: cnp.pad(x[:0], 1, mode="edge"), ShapeError, "elements along axis 0 to pad by edge"),
        (lambda x: cnp.rot90(x, 1, (0, -2)), ShapeError, "every axis once"),
    ],
)
def test_misfits_name_the_line(call: Any, error: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(error, match=text) as caught:
            way(call)(X)
        assert "test_rearrange.py" in str(caught.value)
