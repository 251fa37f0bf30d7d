from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import OptionError, ShapeError
from chainrule.nn.init import BY_NAME, fans, initializer

VARIANCES = {
    "he_normal": lambda n_in, n_out: 2 / n_in,
    "he_uniform": lambda n_in, n_out: 2 / n_in,
    "glorot_normal": lambda n_in, n_out: 2 / (n_in + n_out),
    "glorot_uniform": lambda n_in, n_out: 2 / (n_in + n_out),
    "lecun_normal": lambda n_in, n_out: 1 / n_in,
    "lecun_uniform": lambda n_in, n_out: 1 / n_in,
}


@pytest.mark.parametrize("shape", [(300, 200), (40, 25, 8, 8)])
@pytest.mark.parametrize("name", VARIANCES)
def test_the_variance_is_the_formula_s(name: str, shape: tuple[int, ...]) -> None:
    n_in, n_out = shape[1] * math.prod(shape[2:]), shape[0] * math.prod(shape[2:])
    w = BY_NAME[name](np.random.default_rng(0), shape, np.float64)
    wanted = VARIANCES[name](n_in, n_out)
    count = w.size
    assert abs(w.mean()) < 4 * math.sqrt(wanted / count)
    assert abs(w.var() / wanted - 1) < 4 * math.sqrt(2 / count)
    if name.endswith("uniform"):
        assert abs(w).max() <= math.sqrt(3 * wanted)
        assert abs(w).max() > 0.99 * math.sqrt(3 * wanted)
    else:
        assert abs(w).max() > 3 * math.sqrt(wanted)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (6, 2, 2, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal(np.random.default_rng(0), shape, np.float64)
    assert w.shape == shape
    w = w.reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(min(w.shape)), atol=1e-12)


def test_orthogonal_matrices_have_no_preferred_sign() -> None:
    rng = np.random.default_rng(0)
    traces = [np.trace(nn.init.orthogonal(rng, (2, 2), np.float64)) for _ in range(400)]
    assert abs(np.mean(traces)) < 0.25  # the mean is 0; without R's signs it is far from it


@pytest.mark.parametrize("name", BY_NAME)
def test_seed_and_dtype(name: str) -> None:
    first, again, other = (BY_NAME[name](np.random.default_rng(seed), (4, 3), np.float32) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert name == "zeros" or (first != other).any()
    double = BY_NAME[name](np.random.default_rng(1), (4, 3), np.float64)
    assert double.dtype == np.float64
    np.testing.assert_array_equal(first, double.astype(np.float32))


def test_initialisers_with_options() -> None:
    rng = np.random.default_rng(0)
    drawn = nn.init.normal(0.5, mean=2.0)(rng, (10_000,), np.float64)
    assert abs(drawn.mean() - 2) < 0.02
    assert abs(drawn.std() - 0.5) < 0.02
    drawn = nn.init.uniform(-1, 3)(rng, (10_000,), np.float32)
    assert drawn.dtype == np.float32
    assert -1 <= drawn.min() < -0.99
    assert 2.99 < drawn.max() <= 3
    np.testing.assert_array_equal(nn.init.constant(7)(rng, (2, 2), np.float32), np.full((2, 2), 7, np.float32))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.init.normal(-1), OptionError, "expected a standard deviation >= 0, got -1"),
        (lambda: nn.init.uniform(2, 1), OptionError, "expected low <= high, got low 2, high 1"),
        (lambda: initializer("he"), OptionError, r"expected one of the initialisers he_normal, .*, got 'he' at"),
        (lambda: fans((3,)), ShapeError, r"expected weights of shape \(out, in\) .*, got \(3,\)"),
    ],
)
def test_bad_options(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_a_close_name_is_offered() -> None:
    with pytest.raises(OptionError, match=r"got 'he_nomal' at .*; try 'he_normal'"):
        nn.Linear(2, 2, init="he_nomal")
