"""MNIST as in Nielsen's "Neural Networks and Deep Learning" (2015), chapter 3, beside an epoch of jax's.

    python -m benchmarks.nielsen FOLDER [--epochs 60] [--seeds 0 1 2] [--constant] [--jax]

784-100-10 sigmoids, cross-entropy of each output, L2 with lambda 5 over 50,000 examples, batches of 10, weights drawn
from N(0, 1/inputs) and biases from N(0, 1). FOLDER holds MNIST's four IDX files. His figure for 60 epochs is 98.04 % of
the 10,000 test images, with a constant learning rate of 0.1, which `--constant` takes; without it the rate falls from
0.3 to 0 along a cosine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim, train

TRAINED = 50_000
HIDDEN = 100
BATCH = 10
RATE = 0.3
CONSTANT = 0.1
DECAY = 5.0


def network(seed: int) -> Any:
    """The two layers with Nielsen's numbers to begin with."""
    rng = np.random.default_rng(seed)
    leaves, structure = cr.tree.flatten(nn.MLP([784, HIDDEN, 10], activation="sigmoid", rng=seed))
    drawn = [rng.normal(size=x.shape) / (np.sqrt(x.shape[1]) if x.ndim == 2 else 1.0) for x in leaves]
    return cr.tree.unflatten(structure, [x.astype(np.float32) for x in drawn])


def loss(logits: Any, target: Any) -> Any:
    """The cross-entropies of the ten outputs, added up; the mean over the batch."""
    return 10 * nn.binary_cross_entropy_with_logits(logits, target)


def learn(folder: str, seed: int, epochs: int, constant: bool = False) -> tuple[float, float]:
    """The accuracy on the test images after the last epoch, and the seconds of training."""
    x, y = cr.data.mnist(folder)
    test_x, test_y = cr.data.mnist(folder, "test")
    wanted = np.eye(10, dtype=np.float32)[y]
    rate = CONSTANT if constant else optim.cosine(RATE, epochs * TRAINED // BATCH)
    optimizer = optim.sgd(rate, weight_decay=DECAY / TRAINED, mask=optim.matrices)
    begin = time.perf_counter()
    run = train.fit(
        network(seed),
        loss,
        (x[:TRAINED], wanted[:TRAINED]),
        optimizer,
        epochs=epochs,
        batch_size=BATCH,
        rng=seed,
        progress=False,
    )
    seconds = time.perf_counter() - begin
    return float((run.model(test_x).argmax(-1) == test_y).mean()), seconds


def jax_epoch(folder: str) -> float:
    """The seconds of one epoch as jax's `lax.scan`, compiled, the best of three."""
    import jax
    import jax.numpy as jnp

    x, y = cr.data.mnist(folder)
    wanted = np.eye(10, dtype=np.float32)[y]
    model = network(0)
    start = [(jnp.asarray(layer.weight), jnp.asarray(layer.bias)) for layer in model.layers]

    def objective(layers: Any, x: Any, y: Any) -> Any:
        (w1, b1), (w2, b2) = layers
        z = jax.nn.sigmoid(x @ w1.T + b1) @ w2.T + b2
        return jnp.mean(jnp.sum(y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z), -1))

    def step(layers: Any, rows: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(objective)(layers, x[rows], y[rows])
        return [
            (w - CONSTANT * (dw + DECAY / TRAINED * w), b - CONSTANT * db)
            for (w, b), (dw, db) in zip(layers, grads, strict=True)
        ], value

    @jax.jit
    def epoch(layers: Any, order: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda layers, rows: step(layers, rows, x, y), layers, order)

    given = jnp.asarray(x[:TRAINED]), jnp.asarray(wanted[:TRAINED])
    order = jnp.asarray(np.random.default_rng(0).permutation(TRAINED).reshape(-1, BATCH))
    jax.block_until_ready(epoch(start, order, *given))
    times: list[float] = []
    for _ in range(3):
        begin = time.perf_counter()
        jax.block_until_ready(epoch(start, order, *given))
        times.append(time.perf_counter() - begin)
    return min(times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the accuracy and the seconds of each seed, and their medians."""
    parser = argparse.ArgumentParser(description="MNIST as in Nielsen's book.")
    parser.add_argument("folder", help="where MNIST's four IDX files are")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--constant", action="store_true", help="the learning rate of the book, 0.1 throughout")
    parser.add_argument("--jax", action="store_true", help="time an epoch of jax's, too")
    options = parser.parse_args(arguments)
    found: list[tuple[float, float]] = []
    for seed in options.seeds:
        found.append(learn(options.folder, seed, options.epochs, options.constant))
        accuracy, seconds = found[-1]
        print(f"seed {seed}: {accuracy:.2%} in {seconds:.2f} s, {seconds / options.epochs:.3f} s an epoch", flush=True)
    accuracy, seconds = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"median: {accuracy:.2%}, {seconds / options.epochs:.3f} s an epoch; Nielsen's figure is 98.04 %")
    if options.jax:
        print(f"jax: {jax_epoch(options.folder):.3f} s an epoch")


if __name__ == "__main__":
    main()
