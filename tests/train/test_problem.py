"""What `fit` refuses, before anything runs and with the line that called it; and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.errors import ChainruleError, DataError, DTypeError, OptionError, ShapeError, TreeError
from chainrule.train import evaluate, fit
from chainrule.tree import named_leaves

X = np.linspace(-1, 1, 60).reshape(20, 3)
Y = np.arange(20) % 2


def changed(array: Any, place: Any, value: Any) -> Any:
    array = array.copy()
    array[place] = value
    return array


BAD: dict[str, tuple[dict[str, Any], type[ChainruleError], str]] = {
    "NaN in x": ({"data": (changed(X, (3, 1), np.nan), Y)}, DataError, r"got nan in x\[3, 1\] \(row 3, column 1\)"),
    "infinity in y": ({"data": (X, changed(Y * 1.0, 7, np.inf))}, DataError, r"got inf in y\[7\]"),
    "too large for float32": (
        {"data": (changed(X, (3, 1), -1e39), Y)}, DataError, r"up to 3.4e\+38, .* float32, .*, got -1e\+39 at \[3, 1\]",
    ),
    "a label too large": ({"data": (X, changed(Y, 4, 2))}, DataError, r"in 0 .. 1, got 2 in y\[4\]"),
    "a negative label": ({"data": (X, changed(Y, 4, -1))}, DataError, r"in 0 .. 1, got -1 in y\[4\]"),
    "a label in a row of labels": (
        {"data": (np.zeros((4, 5, 3)), changed(np.zeros((4, 5), int), (2, 3), 9))}, DataError,
        r"expected labels y in 0 .. 1, got 9 in y\[2, 3\]",
    ),
    "lengths": ({"data": (X, Y[:-1])}, DataError, r"got 20 rows in x and 19 in y"),
    "no rows": ({"data": (X[:0], Y[:0])}, DataError, r"at least 1, got 0 rows"),
    "text": ({"data": (X.astype(str), Y)}, DataError, r"expected numbers in x"),
    "complex": ({"data": (X + 1j, Y)}, DTypeError, r"expected real numbers in x and y, got complex128"),
    "no pair": ({"data": X}, DataError, r"expected data as a pair \(x, y\), got ndarray"),
    "three parts": ({"data": (X, Y, Y)}, DataError, r"got tuple of length 3"),
    "x too wide": ({"data": (X[:, :2], Y)}, ShapeError, r"expected \(\.\.\., 3\)"),
    "a bad loss": ({"loss": lambda output, target: output}, ShapeError, r"scalar"),
    "no loss": ({"loss": (X, Y)}, OptionError, r"called as loss\(output, target\), got tuple"),
    "an optimizer not made": ({"optimizer": optim.adam}, OptionError, r"expected an optimizer, got adam .*; try optim"),
    "a rate for an optimizer": ({"optimizer": 1e-3}, OptionError, r"expected an optimizer, got 0.001"),
    "epochs": ({"epochs": 0}, OptionError, r"expected epochs: a whole number of at least 1, got 0"),
    "half an epoch": ({"epochs": 0.5}, OptionError, r"expected epochs: .*, got 0.5"),
    "batch_size": ({"batch_size": True}, OptionError, r"expected batch_size: .*, got True"),
    "a batch larger than the data": (
        {"batch_size": 21}, OptionError, r"batch_size of at most 20, the rows that are trained on, got batch_size=21",
    ),
    "a batch larger than what is left": ({"batch_size": 17, "validation": 0.2}, OptionError, r"at most 16"),
    "validation above 1": ({"validation": 1.5}, OptionError, r"expected validation: a fraction .*, got 1.5"),
    "validation of all": ({"validation": 0.99}, DataError, r"expected at least one row on either side"),
    "validation of too few": ({"validation": 0.05}, DataError, r"a row of each of 2 classes on either side"),
    "validation of another kind": ({"validation": "all"}, OptionError, r"got 'all'"),
    "validation of another width": ({"validation": (X[:, :2], Y)}, ShapeError, r"expected"),
    "validation with NaN": ({"validation": (X * np.nan, Y)}, DataError, r"got nan in x\[0, 0\]"),
    "a seed": ({"rng": -1}, OptionError, r"expected rng: a seed of 0 or more, or a NumPy generator, got -1"),
    "a seed of another kind": ({"rng": "0"}, OptionError, r"got '0'"),
    "progress": ({"progress": "bar"}, OptionError, r"expected progress="),
    "integer parameters": (
        {"model": nn.Linear(3, 2, rng=0).replace(bias=np.zeros(2, int))}, DTypeError,
        r"expected floating-point parameters of float32, float64, got int64 for `bias`",
    ),
    "parameters in half precision": (
        {"model": nn.Linear(3, 2, rng=0).replace(bias=np.zeros(2, np.float16))}, DTypeError, r"got float16 for `bias`",
    ),
    "a function as model": ({"model": lambda x: x}, TreeError, r"expected a model with parameters"),
    "a tree as model": ({"model": {"w": X}}, TreeError, r"expected a model that is called as model\(x\), got dict"),
    "a model without parameters": ({"model": nn.Lambda(nn.relu)}, TreeError, r"expected a model with parameters"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_with_the_line(name: str) -> None:
    changes, kind, text = BAD[name]
    model = nn.Linear(3, 2, rng=0)
    options = {"model": model, "loss": nn.cross_entropy, "data": (X, Y), "optimizer": optim.sgd(0.1), "batch_size": 4,
               "progress": False, **changes}  # fmt: skip
    before = {path: np.array(leaf) for path, leaf in named_leaves(model).items()}
    with pytest.raises(kind, match=text) as caught:
        fit(**options)
    assert type(caught.value) is kind
    assert "test_problem.py:" in str(caught.value)
    for path, leaf in named_leaves(model).items():
        np.testing.assert_array_equal(leaf, before[path])


def test_a_validation_set_of_another_shape_of_rows() -> None:
    class Mean(nn.Module):
        weight: Any = nn.param()

        def __call__(self, x: Any) -> Any:
            return self.weight * x.mean(-1)

    with pytest.raises(ShapeError, match=r"expected validation data of rows like x \(3,\) and y \(\)"):
        fit(Mean(np.ones(())), nn.mse, (X, Y * 1.0), optim.sgd(0.1), batch_size=4, validation=(X[:, :2], Y * 1.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: evaluate(nn.Linear(3, 2, rng=0), nn.cross_entropy, (X, changed(Y, 0, 5))),
        lambda: evaluate(nn.Linear(3, 2, rng=0), nn.cross_entropy, (changed(X, (0, 0), np.nan), Y)),
    ],
    ids=["label", "NaN"],
)
def test_evaluate_looks_through_its_data_too(call: Callable[[], Any]) -> None:
    with pytest.raises(DataError, match=r"test_problem.py:\d+"):
        call()
