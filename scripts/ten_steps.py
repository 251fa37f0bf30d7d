"""Trains a network for ten steps on the digits with the core alone, by a loop written by hand; prints the losses."""

from __future__ import annotations

import sys

import numpy as np

import chainrule as cr
from chainrule import nn, optim

OPTIMIZER = optim.adam(1e-2)


@cr.jit(donate=(0, 1))
def step(model: nn.MLP, state: optim.State, x: np.ndarray, y: np.ndarray) -> tuple[nn.MLP, optim.State, np.ndarray]:
    def loss_of(model: nn.MLP) -> np.ndarray:
        return nn.cross_entropy(model(x), y)

    loss, grads = cr.value_and_grad(loss_of)(model)
    model, state = OPTIMIZER.update(model, state, grads)
    return model, state, loss


def main() -> int:
    x, y = cr.data.digits()
    model = nn.MLP([64, 32, 10], activation="relu", rng=0)
    state = OPTIMIZER.init(model)
    losses: list[float] = []
    for _ in range(10):
        model, state, loss = step(model, state, x, y)
        losses.append(float(loss))
    print("loss over ten steps:", " ".join(f"{loss:.3f}" for loss in losses))
    return 0 if losses[-1] < 0.9 * losses[0] else 1


if __name__ == "__main__":
    sys.exit(main())
