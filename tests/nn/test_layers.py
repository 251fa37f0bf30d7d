from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from central import central_gradient, relative_error

import chainrule as cr
from chainrule import nn
from chainrule.errors import OptionError, ShapeError
from chainrule.tree import flatten, named_leaves, unflatten


def batch(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)


def test_linear_is_its_formula() -> None:
    layer = nn.Linear(4, 3, rng=0)
    assert layer.weight.shape == (3, 4)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    layer = layer.replace(bias=batch(3))
    x = batch(5, 4)
    y = layer(x)
    assert y.dtype == np.float32
    wanted = [[sum(x[i, k] * layer.weight[j, k] for k in range(4)) + layer.bias[j] for j in range(3)] for i in range(5)]
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(x[0]), wanted[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(x.reshape(1, 5, 4))[0], wanted, rtol=1e-5, atol=1e-6)


def test_linear_without_bias() -> None:
    layer = nn.Linear(4, 3, bias=False, rng=0)
    assert list(named_leaves(layer)) == ["weight"]
    np.testing.assert_array_equal(layer(np.eye(4, dtype=np.float32)), layer.weight.T)


def test_a_seed_gives_the_same_model() -> None:
    for make in (lambda rng: nn.Linear(4, 3, rng=rng), lambda rng: nn.MLP([4, 3, 2], rng=rng)):
        first, again, other = (flatten(make(rng))[0] for rng in (3, np.random.default_rng(3), 4))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(nn.Linear(4, 3).weight, nn.Linear(4, 3).weight)


def test_mlp_is_its_formula() -> None:
    model = nn.MLP([4, 5, 3], activation="tanh", rng=0, dtype=np.float64)
    assert [layer.weight.shape for layer in model.layers] == [(5, 4), (3, 5)]
    x = batch(6, 4, dtype=np.float64)
    first, second = model.layers
    wanted = np.tanh(x @ first.weight.T + first.bias) @ second.weight.T + second.bias
    np.testing.assert_allclose(model(x), wanted, rtol=1e-14)
    assert model(x).dtype == np.float64


@pytest.mark.parametrize("activation", [name for name in nn.ACTIVATIONS if "softmax" not in name])
def test_mlp_starts_with_values_of_even_size(activation: str) -> None:
    depth = 10
    model = nn.MLP([100] * (depth + 1), activation=activation, rng=0)
    spread = np.std(model(batch(200, 100)))
    assert 1e-2 < spread < 10, f"the result's spread after {depth} layers of {activation} is {spread}"


def test_default_initialisers() -> None:
    assert np.isclose(nn.Linear(400, 300, rng=0).weight.var(), 2 / 400, rtol=0.02)
    relu, tanh = (nn.MLP([400, 300, 200], activation=name, rng=0) for name in ("relu", "tanh"))
    assert np.isclose(relu.layers[0].weight.var(), 2 / 400, rtol=0.02)
    assert np.isclose(tanh.layers[0].weight.var(), 2 / 700, rtol=0.02)
    assert np.isclose(relu.layers[1].weight.var(), 2 / 500, rtol=0.02)
    assert not nn.MLP([4, 3, 2], init="zeros").layers[0].weight.any()
    assert (nn.Linear(2, 3, init=nn.init.constant(4)).weight == 4).all()


def test_sequential() -> None:
    first, second = nn.Linear(4, 3, rng=0), nn.Linear(3, 2, rng=1)
    model = nn.Sequential(first, nn.relu, second)
    x = batch(5, 4)
    np.testing.assert_array_equal(model(x), second(nn.relu(first(x))))
    assert model[0] is first
    assert model[-1] is second
    assert len(model) == 3
    assert list(model) == list(model.layers)
    assert isinstance(model[:2], nn.Sequential)
    np.testing.assert_array_equal(model[:2](x), nn.relu(first(x)))
    assert list(named_leaves(model)) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    assert nn.Sequential()(3) == 3


def test_flatten() -> None:
    assert nn.Flatten()(np.zeros((2, 3, 4))).shape == (2, 12)
    assert nn.Flatten()(np.zeros((2, 3))).shape == (2, 3)
    assert nn.Flatten()(np.zeros(2)).shape == (2, 1)
    assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
    with pytest.raises(ShapeError, match="expected a batch of examples, got f64"):
        nn.Flatten()(np.zeros(()))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("staged", [False, True])
def test_gradients_are_those_of_central_differences(activation: str, staged: bool) -> None:
    model = nn.MLP([3, 4, 2], activation=activation, rng=1, dtype=np.float64)
    model = model.replace(layers=(model.layers[0].replace(bias=batch(4, dtype=np.float64)), model.layers[1]))
    x, target = batch(5, 3, dtype=np.float64), batch(5, 2, dtype=np.float64)

    def loss(model: Any, x: Any) -> Any:
        return nn.mse(model(x), target)

    gradient = cr.grad(loss, argnums=(0, 1))
    grads, by_input = cr.jit(gradient)(model, x) if staged else gradient(model, x)
    assert type(grads) is nn.MLP
    assert relative_error(by_input, central_gradient(lambda x: loss(model, x), x)) < 1e-7
    leaves, structure = flatten(model)
    for i, found in enumerate(flatten(grads)[0]):
        true = central_gradient(
            lambda leaf, i=i: loss(unflatten(structure, [*leaves[:i], leaf, *leaves[i + 1 :]]), x), leaves[i]
        )
        assert relative_error(found, true) < 1e-7, structure.paths()[i]


def test_eager_and_staged_are_one() -> None:
    model, x = nn.MLP([6, 5, 4], rng=0), batch(3, 6)
    staged = cr.jit(lambda model, x: model(x))(model, x)
    assert staged.dtype == np.float32
    np.testing.assert_allclose(staged, model(x), rtol=1e-6)
    np.testing.assert_array_equal(cr.jit(model)(x), staged)


def test_gradients_are_float32_and_state_has_none() -> None:
    class Centred(nn.Module):
        inner: nn.Linear
        mean: Any = nn.state()

        def __call__(self, x: Any) -> Any:
            return self.inner(x - self.mean)

    model = Centred(nn.Linear(3, 2, rng=0), np.ones(3, np.float32))
    x = batch(4, 3)
    loss, grads = cr.value_and_grad(lambda m: nn.mse(m(x), batch(4, 2)))(model)
    assert loss.dtype == np.float32
    assert grads.mean is None
    assert grads.inner.weight.dtype == np.float32
    assert grads.inner.weight.shape == (2, 3)


def test_a_misfit_names_the_line_and_the_layer() -> None:
    model = nn.MLP([64, 128, 10], rng=0)
    expected = r"expected \(\.\.\., 64\), got f32\[5,63\] at \S*test_layers\.py:\d+ \(layers\.0\); try a layer"
    with pytest.raises(ShapeError, match=expected):
        model(batch(5, 63))
    with pytest.raises(ShapeError, match=expected):
        cr.jit(lambda x: model(x))(batch(5, 63))
    with pytest.raises(ShapeError, match=expected):
        cr.grad(lambda m: m(batch(5, 63)).sum())(model)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((64, 5), r"try x\.T"),
        ((5, 8, 8), r"try nn\.Flatten\(\) before it"),
        ((), "try an array of examples"),
        ((5, 7), r"try a layer made for it, such as nn\.Linear\(7, 3\)"),
    ],
)
def test_a_misfit_says_what_to_try(shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(ShapeError, match=hint):
        nn.Linear(64, 3, rng=0)(batch(*shape))


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0]], None, 1.0])
def test_an_input_that_is_no_array(x: Any) -> None:
    got = rf"expected \(\.\.\., 3\), got {type(x).__name__} at \S*test_layers\.py:\d+ \(layers\.0\); try an array"
    with pytest.raises(ShapeError, match=got):
        nn.MLP([3, 4, 2], rng=0)(x)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.Linear(0, 3), OptionError, "expected inputs from 1 .* got 0"),
        (lambda: nn.Linear(3, 2.0), OptionError, "expected outputs from 1 .* got 2.0"),
        (lambda: nn.Linear(3, 2, dtype=np.int32), OptionError, "expected float32 or float64 for parameters, got int32"),
        (lambda: nn.Linear(3, 2, init=lambda *_: np.zeros(3)), ShapeError, r"initial weights of shape \(2, 3\)"),
        (lambda: nn.MLP([64]), OptionError, r"expected at least two sizes, .*, got \[64\]"),
        (lambda: nn.MLP([64, 10], activation="rleu"), OptionError, "got 'rleu' at .*; try 'relu'"),
        (lambda: nn.MLP([64, 10], activation="Relu"), OptionError, "got 'Relu' at .*; try 'relu'"),
        (lambda: nn.MLP(3, 4, 1), OptionError, r"got 3 at .*; try nn.MLP\(\[3, 4, 1\]\)"),
        (lambda: nn.MLP(3), OptionError, r"got 3 at .*; try nn.MLP\(\[64, 128, 10\]\)"),
        (lambda: nn.Sequential([nn.relu]), OptionError, r"got \[<function .*; try nn.Sequential\(\*layers\)"),
        (lambda: nn.Dense(3, 2, "tan"), OptionError, "got 'tan' at .*; try 'tanh'"),
        (lambda: nn.Sequential(3), OptionError, "expected layers that can be called, got 3"),
    ],
)
def test_bad_options(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_the_gradient_at_every_layer_s_input() -> None:
    model = nn.MLP([3, 4, 5, 2], activation="tanh", rng=0, dtype=np.float64)
    x, target = batch(6, 3, dtype=np.float64), batch(6, 2, dtype=np.float64)
    run = cr.value_and_grad(lambda m, x: nn.mse(m(x), target), argnums=(0, 1), taps=True)
    _, (_, by_x), taps = run(model, x)
    assert set(taps) == {"input", "layers.0.input", "layers.1.input", "layers.2.input"}
    np.testing.assert_allclose(taps["input"], by_x)
    hidden = x
    for i, layer in enumerate(model.layers):
        rest = nn.Sequential(*model.layers[i:])
        true = central_gradient(lambda h, rest=rest: nn.mse(rest(h), target), hidden)
        assert relative_error(taps[f"layers.{i}.input"], true) < 1e-7
        hidden = layer(hidden)


def test_the_first_layer_s_input_may_be_a_plain_array() -> None:
    model = nn.MLP([3, 4, 2], activation="tanh", rng=0, dtype=np.float64)
    x, target = batch(6, 3, dtype=np.float64), batch(6, 2, dtype=np.float64)
    true = central_gradient(lambda x: nn.mse(model(x), target), x)

    def loss(m: Any) -> Any:
        return nn.mse(m(x), target)

    for run in (cr.value_and_grad(loss, taps=True), cr.jit(cr.value_and_grad(loss, taps=True))):
        _, grads, taps = run(model)
        assert relative_error(taps["layers.0.input"], true) < 1e-7
        np.testing.assert_allclose(grads.layers[0].bias, cr.grad(loss)(model).layers[0].bias)
