from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from central import central_gradient, relative_error

import chainrule as cr
from chainrule import nn
from chainrule.nn.activations import default_init


def each(f: Any) -> Any:
    """Returns the function that applies a formula of `math`'s to every element."""
    return np.vectorize(f, otypes=[np.float64])


def along_last(f: Any) -> Any:
    return lambda x: np.apply_along_axis(f, -1, x)


def shares(row: Any) -> Any:
    return np.exp(row) / sum(math.exp(z) for z in row)


FORMULAS = {
    "identity": each(lambda x: x),
    "relu": each(lambda x: max(x, 0.0)),
    "leaky_relu": each(lambda x: x if x > 0 else 0.01 * x),
    "elu": each(lambda x: x if x > 0 else math.exp(x) - 1),
    "gelu": each(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    "silu": each(lambda x: x / (1 + math.exp(-x))),
    "swish": each(lambda x: x / (1 + math.exp(-x))),
    "sigmoid": each(lambda x: 1 / (1 + math.exp(-x))),
    "tanh": each(math.tanh),
    "softplus": each(lambda x: math.log(1 + math.exp(x))),
    "softmax": along_last(shares),
    "log_softmax": along_last(lambda row: np.log(shares(row))),
}
KINKS = {"relu": 0.0, "leaky_relu": 0.01, "elu": 1.0}
X = np.random.default_rng(0).uniform(-4, 4, (5, 6))


def test_every_activation_is_tested() -> None:
    assert set(FORMULAS) == set(nn.ACTIVATIONS)
    for name, function in nn.ACTIVATIONS.items():
        assert getattr(nn, name) is function


@pytest.mark.parametrize("name", FORMULAS)
def test_values(name: str) -> None:
    function = nn.ACTIVATIONS[name]
    np.testing.assert_allclose(function(X), FORMULAS[name](X), rtol=1e-12, atol=1e-14)
    single = function(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, FORMULAS[name](X), rtol=1e-5, atol=1e-6)
    staged = cr.jit(function)(X.astype(np.float32))
    assert staged.dtype == np.float32
    np.testing.assert_allclose(staged, single, rtol=1e-6)


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_gradients(name: str, staged: bool) -> None:
    weights = np.random.default_rng(1).standard_normal(X.shape)

    def total(x: Any) -> Any:
        return (nn.ACTIVATIONS[name](x) * weights).sum()

    gradient = cr.jit(cr.grad(total)) if staged else cr.grad(total)
    assert relative_error(gradient(X), central_gradient(total, X)) < 1e-8


@pytest.mark.parametrize("name", FORMULAS)
def test_second_derivatives(name: str) -> None:
    weights = np.random.default_rng(1).standard_normal((2, 3))
    x = X[:2, :3]

    def slope(x: Any) -> Any:
        return (cr.grad(lambda x: (nn.ACTIVATIONS[name](x) ** 2 * weights).sum())(x) * weights[::-1]).sum()

    assert relative_error(cr.grad(slope)(x), central_gradient(slope, x)) < 1e-7


@pytest.mark.parametrize("name", KINKS)
def test_the_derivative_at_a_kink(name: str) -> None:
    gradient = cr.grad(lambda x: nn.ACTIVATIONS[name](x).sum())
    np.testing.assert_allclose(gradient(np.array([-0.0, 0.0])), KINKS[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_nothing_overflows(name: str, dtype: Any) -> None:
    x = np.array([-1e30, -1e4, -200.0, 0.0, 200.0, 1e4, 1e30], dtype)
    function = nn.ACTIVATIONS[name]
    assert np.isfinite(function(x)).all()
    assert np.isfinite(cr.grad(lambda x: function(x).sum())(x)).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_nan_stays_nan(name: str) -> None:
    assert np.isnan(nn.ACTIVATIONS[name](np.array([np.nan, 1.0]))[0])


def test_far_tails_keep_their_precision() -> None:
    np.testing.assert_allclose(nn.sigmoid(np.array([-700.0])), math.exp(-700), rtol=1e-12)
    np.testing.assert_allclose(nn.softplus(np.array([-700.0, 700.0])), [math.exp(-700), 700], rtol=1e-12)
    np.testing.assert_allclose(nn.gelu(np.array([-10.0])), -5 * math.erfc(10 / math.sqrt(2)), rtol=1e-12)
    np.testing.assert_allclose(nn.log_softmax(np.array([0.0, 1000.0])), [-1000, 0])
    np.testing.assert_allclose(nn.elu(np.array([-1e-12])), -1e-12, rtol=1e-11)


def test_options() -> None:
    x = np.array([-2.0, 3.0])
    np.testing.assert_allclose(nn.leaky_relu(x, slope=0.2), [-0.4, 3])
    np.testing.assert_allclose(nn.elu(x, alpha=2.0), [2 * math.expm1(-2), 3])
    approximate = nn.gelu(X, approximate=True)
    wanted = 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))
    np.testing.assert_allclose(approximate, wanted, rtol=1e-12)
    assert 1e-5 < abs(approximate - nn.gelu(X)).max() < 5e-4
    np.testing.assert_allclose(nn.softmax(X, axis=0).sum(0), 1)
    np.testing.assert_allclose(nn.log_softmax(X, axis=0), nn.log_softmax(X.T).T)


def test_the_initialiser_that_fits() -> None:
    assert {name: default_init(f) for name, f in nn.ACTIVATIONS.items() if name in ("relu", "gelu", "swish")} == {
        "relu": "he_normal",
        "gelu": "he_normal",
        "swish": "he_normal",
    }
    assert default_init(nn.tanh) == default_init(nn.sigmoid) == default_init(nn.identity) == "glorot_uniform"
