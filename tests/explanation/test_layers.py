"""explain: a line for each layer, with the numbers that its formulas give."""

from __future__ import annotations

from io import StringIO
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError, TreeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4))
LABELS = np.array([0, 1, 1, 0, 1])


class Skip(nn.Module):
    inner: nn.Linear

    def __call__(self, x: Any) -> Any:
        return x + nn.relu(self.inner(x))


def linear(inputs: int, outputs: int, seed: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, rng=seed, dtype=np.float64)


def test_a_line_has_the_layers_formulas_and_their_numbers() -> None:
    model = nn.MLP([4, 3, 2], activation="tanh", rng=0, dtype=np.float64)
    out = StringIO()
    told = cr.explain(model, nn.cross_entropy, X, LABELS, file=out)
    first, last, loss = told.lines
    assert [line.path for line in told.lines] == ["layers.0", "layers.1", "loss"]
    assert last.formula == "y = x @ weightᵀ + bias" and last.factors["x"] == "dx = dy @ weight"
    assert last.factors["weight"] == "dweight = dyᵀ @ x" and last.factors["bias"] == "dbias = Σ₀ dy"
    _, gradient, taps = cr.value_and_grad(lambda m: nn.cross_entropy(m(X), LABELS), taps=True)(model)
    for line, layer, name in ((first, gradient.layers[0], "layers.0"), (last, gradient.layers[1], "layers.1")):
        assert line.norms["weight"] == pytest.approx(np.linalg.norm(layer.weight))
        assert line.norms["bias"] == pytest.approx(np.linalg.norm(layer.bias))
        assert line.norms["x"] == pytest.approx(np.linalg.norm(taps[f"{name}.input"]))
    assert first.norms["y"] == last.norms["x"] and last.norms["y"] == loss.norms["x"]
    assert "y" in first.reused and "weight" in last.reused and "x" in last.reused
    assert told.gradient_cost.multiply_adds == 3 * told.value_cost.multiply_adds
    assert len(out.getvalue().splitlines()) == 5 and out.getvalue() == f"{told}\n"


def test_a_skip_connection_has_a_line_of_its_own() -> None:
    model = nn.Sequential(linear(4, 3, 0), Skip(linear(3, 3, 1)), linear(3, 2, 2))
    lines = {line.path: line for line in cr.explain(model, nn.cross_entropy, X, LABELS, file=StringIO()).lines}
    assert list(lines) == ["layers.0", "layers.1.inner", "layers.1", "layers.2", "loss"]
    assert lines["layers.1"].formula.startswith("y = x + ")
    assert lines["layers.1"].norms["x"] == pytest.approx(lines["layers.0"].norms["y"])
    inner, hidden = model.layers[1].inner, model.layers[0](X)
    _, pullback = cr.vjp(lambda h: nn.cross_entropy(model.layers[2](h), LABELS), model.layers[1](hidden))
    dy = np.where(inner(hidden) > 0, pullback(1.0)[0], 0.0)
    assert lines["layers.1.inner"].norms["y"] == pytest.approx(np.linalg.norm(dy))
    assert lines["layers.1.inner"].norms["x"] == pytest.approx(np.linalg.norm(dy @ inner.weight))


class Two(nn.Module):
    a: nn.Linear
    b: nn.Linear

    def __call__(self, x: Any) -> Any:
        return self.b(nn.tanh(self.a(x)))


def test_a_part_of_a_formula_is_not_named_as_a_layer_is() -> None:
    lines = cr.explain(Two(linear(4, 3, 0), linear(3, 2, 1)), nn.cross_entropy, X, LABELS, file=StringIO()).lines
    assert lines[2].formula == "y = c @ b.weightᵀ + b.bias, c = tanh(x @ a.weightᵀ + a.bias)"


def test_a_layer_called_twice_has_a_line_for_each_call() -> None:
    shared = linear(4, 4, 0)
    model = nn.Sequential(shared, nn.tanh, shared, linear(4, 2, 1))
    lines = cr.explain(model, nn.cross_entropy, X, LABELS, file=StringIO()).lines
    hidden = np.tanh(shared(X))
    _, pullback = cr.vjp(lambda y: nn.cross_entropy(model.layers[3](y), LABELS), shared(hidden))
    dy = pullback(1.0)[0]
    second = [line for line in lines if line.formula == "y = x @ weightᵀ + bias"][1]
    assert second.norms["weight"] == pytest.approx(np.linalg.norm(dy.T @ hidden))


def test_what_is_no_model_or_no_loss() -> None:
    with pytest.raises(
        TreeError, match=r"a model with parameters, got a function at .*test_layers\.py:\d+; try cr\.explain"
    ):
        cr.explain(lambda x: np.tanh(x), nn.mse, X, X)
    with pytest.raises(ShapeError, match="a scalar loss of the model's output"):
        cr.explain(linear(4, 2, 0), lambda out: out, X)
