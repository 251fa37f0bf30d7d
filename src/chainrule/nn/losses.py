"""Losses: `loss(output, target)` is one number, the mean over the batch."""

from __future__ import annotations

from typing import Any

from chainrule import numpy as cnp
from chainrule.errors import DTypeError, ShapeError, message
from chainrule.nn.activations import log_softmax
from chainrule.types import dtype_of, shape_of, type_of
from chainrule.where import user_location


def cross_entropy(logits: Any, labels: Any) -> Any:
    """-mean log softmax(logits)[label]: the cross-entropy of the labels under the distributions the logits stand for.

    `logits` is (..., classes). `labels` are integers of shape (...), from 0 to classes - 1 (an OutOfRangeError names
    another one), or probabilities of the logits' shape: then it is -mean Σ p log softmax(logits).
    The derivative by the logits is (softmax(logits) - p) / batch.
    """
    shape, given = shape_of(logits), shape_of(labels)
    if not shape:
        got, hint = str(type_of(logits)), "logits[None]"
        raise ShapeError(message("logits of shape (..., classes)", got, user_location(), hint))
    if dtype_of(labels).kind == "f":
        _check_same_shape("probabilities", logits, labels, "labels.astype(np.int64) for one class a row")
        return -cnp.mean(cnp.sum(labels * log_softmax(logits), axis=-1))
    if dtype_of(labels).kind not in "iu":
        got, hint = str(type_of(labels)), "labels.astype(np.int64)"
        raise DTypeError(message("integer labels or probabilities", got, user_location(), hint))
    if given != shape[:-1]:
        hint = "labels[..., 0]" if given == (*shape[:-1], 1) else "one integer for each row of the logits"
        if given == shape:
            hint = "labels.argmax(-1), or probabilities as floats: labels.astype(np.float32)"
        expected = f"labels of shape {shape[:-1]} for logits {type_of(logits)}"
        raise ShapeError(message(expected, str(type_of(labels)), user_location(), hint))
    places = cnp.in_range(labels, shape[-1])[..., None]
    picked = cnp.take_along_axis(logits, places, axis=-1)[..., 0]
    return cnp.mean(cnp.logsumexp(logits, axis=-1) - picked)


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
    """-mean (t log σ(z) + (1 - t) log σ(-z)) over all elements; targets t are of the logits' shape, from 0 to 1.

    Computed as t softplus(-z) + (1 - t) softplus(z), which is exact however sure the logits are.
    The derivative by the logits is (σ(z) - t) / count.
    """
    t = _like_output("targets", logits, targets)
    return cnp.mean(t * cnp.softplus(-logits) + (1 - t) * cnp.softplus(logits))


def mse(output: Any, target: Any) -> Any:
    """mean (output - target)**2 over all elements."""
    return cnp.mean(cnp.square(output - _like_output("a target", output, target)))


def mae(output: Any, target: Any) -> Any:
    """mean abs(output - target) over all elements; the derivative where they are equal is 0."""
    return cnp.mean(cnp.abs(output - _like_output("a target", output, target)))


def huber(output: Any, target: Any, delta: float = 1.0) -> Any:
    """mean h(output - target): h(d) = d**2 / 2 where abs(d) <= delta, else delta (abs(d) - delta / 2).

    Source: Huber (1964), Robust Estimation of a Location Parameter, section 3.
    """
    difference = output - _like_output("a target", output, target)
    size = cnp.abs(difference)
    return cnp.mean(cnp.where(size <= delta, 0.5 * cnp.square(difference), delta * (size - 0.5 * delta)))


def _like_output(what: str, output: Any, target: Any) -> Any:
    """The target, checked to have the output's shape; integers and booleans in the output's dtype."""
    _check_same_shape(what, output, target, "target[:, None], or output[:, 0]")
    return target if dtype_of(target).kind == "f" else cnp.astype(target, dtype_of(output))


def _check_same_shape(what: str, output: Any, target: Any, hint: str) -> None:
    if shape_of(output) != shape_of(target):
        expected = f"{what} of the output's shape {shape_of(output)}"
        raise ShapeError(message(expected, str(type_of(target)), user_location(), hint))
