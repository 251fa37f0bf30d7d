"""A two-layer network trained by a loop written out in NumPy, its gradients derived by hand: what `fit` must equal."""

from __future__ import annotations

from typing import Any

import numpy as np


def forward(p: dict[str, Any], x: Any) -> tuple[Any, Any]:
    """Hidden values and logits."""
    hidden = np.tanh(x @ p["layers.0.weight"].T + p["layers.0.bias"])
    return hidden, hidden @ p["layers.1.weight"].T + p["layers.1.bias"]


def cross_entropy(logits: Any, y: Any) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(y)), y]))


def gradients(p: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """The gradient of the cross-entropy by every parameter."""
    hidden, logits = forward(p, x)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    delta = shifted / shifted.sum(1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    below = (delta @ p["layers.1.weight"]) * (1 - hidden**2)
    return {
        "layers.1.weight": delta.T @ hidden,
        "layers.1.bias": delta.sum(0),
        "layers.0.weight": below.T @ x,
        "layers.0.bias": below.sum(0),
    }


def epoch(p: dict[str, Any], x: Any, y: Any, batches: list[Any], lr: float) -> tuple[dict[str, Any], float, int]:
    """Parameters after an epoch of plain gradient descent, the mean loss over its rows, and how many were right."""
    total, right = 0.0, 0
    for rows in batches:
        logits = forward(p, x[rows])[1]
        total += len(rows) * cross_entropy(logits, y[rows])
        right += int((logits.argmax(1) == y[rows]).sum())
        grads = gradients(p, x[rows], y[rows])
        p = {name: value - lr * grads[name] for name, value in p.items()}
    return p, total / sum(map(len, batches)), right
