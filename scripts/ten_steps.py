"""Trains a network for ten steps on the digits with the core alone, by a loop written by hand; prints the losses."""

from __future__ import annotations

import sys

import chainrule as cr
from chainrule import nn, optim


def main() -> int:
    images, labels = cr.data.digits()
    model = nn.MLP([64, 32, 10], activation="relu", rng=0)
    opt = optim.adam(1e-2)
    state = opt.init(model)

    @cr.jit(donate=(0, 1))
    def step(model, state, x, y):
        loss, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        model, state = opt.update(model, state, grads)
        return model, state, loss

    losses = []
    for _ in range(10):
        model, state, loss = step(model, state, images, labels)
        losses.append(float(loss))
    print("loss over ten steps:", " ".join(f"{loss:.3f}" for loss in losses))
    return 0 if losses[-1] < 0.9 * losses[0] else 1


if __name__ == "__main__":
    sys.exit(main())
