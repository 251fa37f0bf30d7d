"""The graphs whose texts are kept in tests/golden/. `python tests/golden_graphs.py` writes the texts anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

import chainrule as cr
from chainrule.ir.graph import Graph
from chainrule.trace import stage
from chainrule.types import Type

FOLDER: Final = Path(__file__).resolve().parent / "golden"
F32, F64 = np.float32, np.float64


def mlp(params: Any, x: Any, y: Any) -> Any:
    """The mean squared error of a network of two layers."""
    hidden = np.tanh(x @ params["weight1"].T + params["bias1"])
    error = hidden @ params["weight2"].T + params["bias2"] - y
    return (error**2).mean()


def parameters() -> dict[str, Any]:
    return {
        "weight1": np.ones((4, 3), F32),
        "bias1": np.ones(4, F32),
        "weight2": np.ones((2, 4), F32),
        "bias2": np.ones(2, F32),
    }


def mlp_value_and_grad() -> Graph:
    return cr.graph(cr.value_and_grad(mlp))(parameters(), np.ones((5, 3), F32), np.ones((5, 2), F32))


def mlp_unsimplified() -> Graph:
    """The value alone, as it was traced."""
    names = sorted(parameters())
    types = [*(Type(parameters()[name].shape, np.dtype(F32)) for name in names), Type((5, 3), np.dtype(F32))]

    def value(*arrays: Any) -> list[Any]:
        return [mlp(dict(zip(names, arrays, strict=False)), arrays[-1], 0.5)]

    return stage(value, types).graph


def momentum(carry: Any, gradient: Any) -> Any:
    """One step of gradient descent with momentum."""
    weight, velocity = carry
    velocity = 0.9 * velocity - 0.01 * gradient
    return (weight + velocity, velocity), abs(velocity).max()


def descend(weight: Any, gradients: Any) -> Any:
    (weight, _), sizes = cr.scan(momentum, (weight, np.zeros(3)), gradients)
    return weight, sizes


def loop() -> Graph:
    return cr.graph(descend)(np.ones(3), np.ones((6, 3)))


def loop_gradient() -> Graph:
    def total(weight: Any, gradients: Any) -> Any:
        last, sizes = descend(weight, gradients)
        return (last**2).sum() + sizes.sum()

    return cr.graph(cr.grad(total, argnums=(0, 1)))(np.ones(3), np.ones((6, 3)))


def donated() -> Graph:
    """A step with parameters that are given up, an array from outside and numbers of every kind."""
    scale = np.arange(1.0, 4.0)

    @cr.jit(donate=0)
    def step(weight: Any, rate: float) -> Any:
        shifted = weight - rate * np.float64(0.5) * scale
        return np.where(shifted > 0, shifted, -0.0) + np.arange(3) * 2, rate

    return step.graph(np.ones(3), 0.1)


GRAPHS: Final[tuple[Callable[[], Graph], ...]] = (mlp_value_and_grad, mlp_unsimplified, loop, loop_gradient, donated)


def path(make: Callable[[], Graph]) -> Path:
    return FOLDER / f"{make.__name__}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for make in GRAPHS:
        path(make).write_text(f"{make()}\n", encoding="utf-8")
