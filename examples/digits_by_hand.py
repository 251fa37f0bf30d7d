"""The loop of training written by hand: handwritten digits, one staged step, its memory used again.

`train.fit` does all of this and more; here nothing is hidden. `donate=(0, 1)` hands the old model and optimizer state
over to be overwritten, so that a step needs no new memory for them.
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule import nn, optim

EPOCHS, BATCH = 15, 32

x, y = cr.data.digits()
train_rows, test_rows = cr.data.split(y, 0.2, rng=0)  # of each class a fifth is held out
model = nn.MLP([64, 128, 10], activation="relu", rng=0)
opt = optim.adam(optim.cosine(1e-2, EPOCHS * -(-len(train_rows) // BATCH)))  # the learning rate falls to 0
state = opt.init(model)


@cr.jit(donate=(0, 1))
def step(model, state, x, y):
    loss, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
    model, state = opt.update(model, state, grads)
    return model, state, loss


order = np.random.default_rng(0)
for epoch in range(1, EPOCHS + 1):
    losses = []
    for batch in cr.data.batches(len(train_rows), BATCH, rng=order):
        rows = train_rows[batch]
        model, state, loss = step(model, state, x[rows], y[rows])
        losses.append(loss)
    if epoch % 5 == 0:
        print(f"epoch {epoch:2}: mean loss of its steps {np.mean(losses):.4f}")

right = model(x[test_rows]).argmax(-1) == y[test_rows]
print(f"test accuracy {100 * right.mean():.2f} % of {len(right)} digits that were held out")
print(f"the step was traced {step.stagings} times: for batches of {BATCH} rows and for the last one of an epoch")
