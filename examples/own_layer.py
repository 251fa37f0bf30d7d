"""A layer of one's own: radial basis functions, which learn two spirals.

A layer is a class with fields and a `__call__` in NumPy's words. Training, saving and `explain` need nothing more from
it: what they want to know is in its fields.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import nn, optim, train


class Radial(nn.Module):
    """exp(-|x - c|^2 / (2 s^2)) for every centre c, each with a width s of its own."""

    centers: np.ndarray = nn.param()  # (units, inputs)
    log_widths: np.ndarray = nn.param()  # (units,): a width exp(...) is positive whatever is learnt

    def __init__(self, inputs, units, *, rng, spread=1.0):
        centers = np.random.default_rng(rng).uniform(-spread, spread, (units, inputs))
        self.centers = centers.astype(np.float32)
        self.log_widths = np.full(units, np.log(spread / 2), np.float32)

    def __call__(self, x):
        differences = x[:, None, :] - self.centers
        return np.exp(-np.sum(differences**2, axis=-1) / (2 * np.exp(2 * self.log_widths)))


def spirals(count, rng):
    """Points on two spirals that wind around each other, with noise, and which of the two each belongs to."""
    turn = np.sqrt(rng.uniform(0.02, 1.0, count))
    label = rng.integers(0, 2, count)
    angle = 3 * np.pi * turn + np.pi * label
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
    return (points + 0.02 * rng.standard_normal((count, 2))).astype(np.float32), label


def main():
    x, y = spirals(800, np.random.default_rng(0))
    model = nn.Sequential(Radial(2, 40, rng=1), nn.Linear(40, 2, rng=2))
    print(model, "\n")
    optimizer = optim.adam(optim.cosine(0.1, steps=60 * 19))
    run = train.fit(model, nn.cross_entropy, (x, y), optimizer, epochs=60, validation=0.25, rng=3, progress=False)
    print(run, "\n")
    cr.explain(run.model, nn.cross_entropy, x, y)

    with tempfile.TemporaryDirectory() as folder:
        saved = train.load(train.save(Path(folder, "spirals"), run), layers=[Radial])
    same = np.array_equal(saved.model(x), run.model(x))
    accuracy = np.mean(saved.model(x[saved.held_out]).argmax(-1) == y[saved.held_out])
    print(f"\nsaved and loaded, it answers the same: {same}; on the points held out {100 * accuracy:.1f} % are right")
    if not (same and accuracy > 0.95):
        raise SystemExit("the spirals were not learnt")


if __name__ == "__main__":
    main()
