from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp
from chainrule import nn
from chainrule.errors import PrecisionWarning

SINGLE = np.ones((4, 3), np.float32)
DOUBLE = np.ones((4, 3))


def test_the_line_where_float32_becomes_float64() -> None:
    @cr.jit
    def f(x: Any, scale: Any) -> Any:
        y = x * 2.0
        return y * scale

    line = f.__wrapped__.__code__.co_firstlineno + 3
    with pytest.warns(PrecisionWarning) as caught:
        assert f(SINGLE, np.float64(2.0)).dtype == np.float64
    (warning,) = caught
    assert warning.filename == __file__
    assert warning.lineno == line
    text = str(warning.message)
    assert text.startswith("float32 becomes float64 at ")
    assert f"test_precision.py:{line}: multiply of f32[4,3] and f64 is f64[4,3]; try x.astype(np.float32)" in text


def test_one_warning_for_one_function() -> None:
    f = cr.jit(lambda x, y: x + y)
    with pytest.warns(PrecisionWarning) as caught:
        f(SINGLE, DOUBLE)
    assert len(caught) == 1
    f(SINGLE[:2], DOUBLE[:2])  # traced anew; a second warning would be an error
    assert f.stagings == 2


def test_a_model_is_named_by_its_layer() -> None:
    model = nn.MLP([3, 5, 2], rng=0)
    step = cr.jit(cr.value_and_grad(lambda m, x: m(x).sum()))
    with pytest.warns(PrecisionWarning, match=r"at \S*test_precision\.py:\d+ \(layers\.0\): dot_general of f64\[4,3\]"):
        _, grads = step(model, DOUBLE)
    assert grads.layers[0].weight.dtype == np.float32


def test_in_the_body_of_a_loop() -> None:
    f = cr.jit(lambda x, rows: cr.scan(lambda total, row: (total + row.sum(), 0.0), x, rows)[0])
    with pytest.warns(PrecisionWarning, match="add of f64 and f32"):
        f(np.float64(0), SINGLE)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * 2.0 + 1,
        lambda x: x.astype(np.float64).sum(),
        lambda x: x.mean() * np.float32(2),
        lambda x: cnp.where(x > 0, x, 0.5),
        lambda x: x.sum() if x.shape else x,
    ],
)
def test_what_is_meant_is_not_warned_of(f: Any) -> None:
    cr.jit(f)(SINGLE)
    cr.jit(cr.grad(lambda x: f(x).sum()))(SINGLE)


def test_float64_alone_is_no_loss() -> None:
    model = nn.MLP([3, 5, 2], rng=0, dtype=np.float64)
    assert cr.jit(model)(DOUBLE).dtype == np.float64
    assert cr.jit(lambda x: x * np.float32(0.5))(DOUBLE).dtype == np.float64
