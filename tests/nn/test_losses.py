from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from central import central_gradient, relative_error

import chainrule as cr
from chainrule import nn
from chainrule.errors import DTypeError, OutOfRangeError, ShapeError

RNG = np.random.default_rng(3)
LOGITS = RNG.uniform(-3, 3, (5, 4))
LABELS = np.array([0, 3, 1, 1, 2])
SHARES = RNG.dirichlet(np.ones(4), 5)
TARGET = RNG.uniform(-3, 3, (5, 4))
BITS = RNG.uniform(0, 1, (5, 4))


def rows(term: Any) -> Any:
    """Returns the mean over the batch of a term of one row of logits and its target."""
    return lambda output, target: sum(term(z, t) for z, t in zip(output, target, strict=True)) / len(output)


def elements(term: Any) -> Any:
    """Returns the mean over all elements of a term of one output and its target."""
    return lambda output, target: np.mean([term(z, t) for z, t in zip(output.flat, target.flat, strict=True)])


def entropy(z: Any, p: Any) -> float:
    total = sum(math.exp(v) for v in z)
    return -sum(p[k] * math.log(math.exp(z[k]) / total) for k in range(len(z)))


def binary(z: float, t: float) -> float:
    share = 1 / (1 + math.exp(-z))
    return -t * math.log(share) - (1 - t) * math.log(1 - share)


CASES = {
    "cross_entropy": (nn.cross_entropy, LABELS, rows(lambda z, k: entropy(z, np.eye(4)[k]))),
    "cross_entropy of probabilities": (nn.cross_entropy, SHARES, rows(entropy)),
    "binary_cross_entropy": (nn.binary_cross_entropy_with_logits, BITS, elements(binary)),
    "mse": (nn.mse, TARGET, elements(lambda z, t: (z - t) ** 2)),
    "mae": (nn.mae, TARGET, elements(lambda z, t: abs(z - t))),
    "huber": (
        nn.huber,
        TARGET,
        elements(lambda z, t: (z - t) ** 2 / 2 if abs(z - t) <= 1 else abs(z - t) - 0.5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    loss, target, formula = CASES[name]
    value = loss(LOGITS, target)
    assert np.shape(value) == ()
    np.testing.assert_allclose(value, formula(LOGITS, target), rtol=1e-12)
    np.testing.assert_allclose(cr.jit(loss)(LOGITS, target), value, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name: str) -> None:
    loss, target, formula = CASES[name]
    target = target.astype(np.float32) if target.dtype.kind == "f" else target
    logits = LOGITS.astype(np.float32)
    assert loss(logits, target).dtype == np.float32
    value, gradient = cr.jit(cr.value_and_grad(loss))(logits, target)
    assert value.dtype == gradient.dtype == np.float32
    np.testing.assert_allclose(value, formula(LOGITS, target), rtol=1e-5)


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_gradients(name: str, staged: bool) -> None:
    loss, target, _ = CASES[name]
    gradient = cr.jit(cr.grad(loss)) if staged else cr.grad(loss)
    true = central_gradient(lambda z: loss(z, target), LOGITS)
    assert relative_error(gradient(LOGITS, target), true) < 1e-7


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][1].dtype.kind == "f"])
def test_gradients_by_the_target(name: str) -> None:
    loss, target, _ = CASES[name]
    true = central_gradient(lambda t: loss(LOGITS, t), target)
    assert relative_error(cr.grad(loss, argnums=1)(LOGITS, target), true) < 1e-7


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot() -> None:
    found = cr.grad(nn.cross_entropy)(LOGITS, LABELS)
    np.testing.assert_allclose(found, (nn.softmax(LOGITS) - np.eye(4)[LABELS]) / 5, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_labels_of_every_integer_dtype(dtype: Any) -> None:
    assert nn.cross_entropy(LOGITS, LABELS.astype(dtype)) == nn.cross_entropy(LOGITS, LABELS)
    assert nn.cross_entropy(LOGITS[0], dtype(3)) == nn.cross_entropy(LOGITS[:1], np.array([3]))
    many = nn.cross_entropy(LOGITS.reshape(5, 2, 2), np.ones((5, 2), dtype))
    np.testing.assert_allclose(many, nn.cross_entropy(LOGITS.reshape(10, 2), np.ones(10, dtype)))


def test_sure_logits_lose_nothing() -> None:
    z = np.array([[800.0, -800.0]])
    np.testing.assert_allclose(nn.cross_entropy(z, np.array([1])), 1600)
    np.testing.assert_allclose(nn.cross_entropy(z, np.array([0])), 0)
    np.testing.assert_allclose(cr.grad(nn.cross_entropy)(z, np.array([1])), [[1, -1]])
    for sign, bit in ((1, 1.0), (-1, 0.0)):
        z = np.array([sign * 40.0])
        np.testing.assert_allclose(nn.binary_cross_entropy_with_logits(z, np.array([bit])), math.exp(-40), rtol=1e-12)
        found = cr.grad(nn.binary_cross_entropy_with_logits)(z, np.array([bit]))
        np.testing.assert_allclose(found, [-sign * math.exp(-40)], rtol=1e-12)
    np.testing.assert_allclose(nn.binary_cross_entropy_with_logits(np.array([-800.0]), np.array([1.0])), 800)


def test_kinks() -> None:
    zero = np.zeros(2)
    np.testing.assert_array_equal(cr.grad(nn.mae)(zero, zero), zero)
    np.testing.assert_array_equal(cr.grad(nn.huber)(zero, zero), zero)
    np.testing.assert_allclose(cr.grad(lambda z: nn.huber(z, zero, 2.0))(np.array([2.0, -2.0])), [1, -1])
    np.testing.assert_allclose(nn.huber(np.array([5.0]), np.zeros(1), 2.0), 2 * (5 - 1))
    np.testing.assert_allclose(cr.grad(nn.binary_cross_entropy_with_logits)(zero, np.array([0.0, 1.0])), [0.25, -0.25])


@pytest.mark.parametrize("label", [4, -1])
@pytest.mark.parametrize("run", ["eager", "gradient", "staged", "staged gradient", "captured"])
def test_a_label_out_of_range(label: int, run: str) -> None:
    labels = LABELS.copy()
    labels[3] = label
    loss = {
        "eager": nn.cross_entropy,
        "gradient": cr.grad(nn.cross_entropy),
        "staged": cr.jit(nn.cross_entropy),
        "staged gradient": cr.jit(cr.grad(nn.cross_entropy)),
        "captured": cr.jit(lambda z, _: nn.cross_entropy(z, labels)),
    }[run]
    with pytest.raises(OutOfRangeError, match=rf"expected labels from 0 to 3, got {label} at position 3 at .*\.py:\d+"):
        loss(LOGITS, labels)


@pytest.mark.parametrize(
    ("loss", "target", "error", "text"),
    [
        (nn.cross_entropy, LABELS[:4], ShapeError, r"labels of shape \(5,\) for logits f64\[5,4\], got i64\[4\]"),
        (nn.cross_entropy, LABELS[:, None], ShapeError, r"try labels\[\.\.\., 0\]"),
        (nn.cross_entropy, np.eye(4, dtype=np.int64)[LABELS], ShapeError, r"try labels\.argmax\(-1\)"),
        (nn.cross_entropy, SHARES[:, :3], ShapeError, r"probabilities of the output's shape \(5, 4\), got f64\[5,3\]"),
        (nn.cross_entropy, LABELS == 1, DTypeError, r"expected integer labels or probabilities, got bool\[5\]"),
        (nn.mse, TARGET[:, 0], ShapeError, r"a target of the output's shape \(5, 4\), got f64\[5\] at .*; try"),
        (nn.mae, TARGET[:1], ShapeError, r"got f64\[1,4\]"),
        (nn.huber, TARGET.T, ShapeError, r"got f64\[4,5\]"),
        (nn.binary_cross_entropy_with_logits, BITS[:, :1], ShapeError, r"targets of the output's shape"),
    ],
)
def test_targets_that_do_not_fit(loss: Any, target: Any, error: type[Exception], text: str) -> None:
    for run in (loss, cr.jit(loss), cr.grad(loss)):
        with pytest.raises(error, match=text):
            run(LOGITS, target)


def test_logits_have_an_axis() -> None:
    with pytest.raises(ShapeError, match=r"expected logits of shape \(\.\.\., classes\), got f64"):
        nn.cross_entropy(np.float64(1.0), np.int64(0))


def test_integer_targets_take_the_output_s_dtype() -> None:
    logits = LOGITS.astype(np.float32)
    bits = BITS > 0.5
    for loss in (nn.binary_cross_entropy_with_logits, nn.mse, nn.mae, nn.huber):
        value = loss(logits, bits)
        assert value.dtype == loss(logits, bits.astype(np.int64)).dtype == np.float32
        np.testing.assert_allclose(value, loss(LOGITS, bits.astype(np.float64)), rtol=1e-5)
