"""Graphs of steps of training, as a user writes them, with inputs: what a schedule is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import chainrule as cr
import chainrule.numpy as cnp
from chainrule import nn, optim
from chainrule.ir.graph import Graph
from chainrule.tree import flatten

Array = Any


@dataclass(frozen=True)
class Step:
    """A graph and inputs for it. The first outputs are written over the first inputs: `donations`."""

    graph: Graph
    inputs: list[Any]
    donations: tuple[tuple[int, int], ...]


def staged(step: Callable[..., Any], *args: Any) -> Step:
    """The graph of a step whose first results are of the types of its first arguments."""
    graph = cr.jit(step).graph(*args)
    inputs = flatten(args)[0]
    assert len(inputs) == len(graph.inputs), f"{len(inputs)} leaves, {graph.inputs}"
    pairs = list(zip(graph.inputs, graph.outputs, strict=False))
    count = next((i for i, (x, y) in enumerate(pairs) if x.type != y.type), len(pairs))
    return Step(graph, inputs, tuple((i, i) for i in range(count) if isinstance(inputs[i], np.ndarray)))


def numbers(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def labels(count: int, classes: int) -> Array:
    return np.random.default_rng(1).integers(0, classes, count)


def network(optimizer: Any, loss: Any, model: Any, x: Array, y: Array) -> Step:
    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = cr.value_and_grad(lambda m: loss(m(x), y))(model)
        model, state = optimizer.update(model, state, grads)
        return model, state, value

    return staged(step, model, optimizer.init(model), x, y)


def mlp(activation: str, rows: int, optimizer: Any = None) -> Step:
    """A network with one hidden layer, and ten classes."""
    model = nn.MLP([12, 16, 10], activation=activation, rng=0)
    return network(optimizer or optim.adam(1e-3), nn.cross_entropy, model, numbers(rows, 12), labels(rows, 10))


def regression(rows: int) -> Step:
    """Least squares with two layers, momentum, and clipped gradients."""
    optimizer = optim.clip_by_global_norm(optim.sgd(0.1, momentum=0.9), 1.0)
    model = nn.MLP([4, 32, 16, 4], activation="tanh", rng=0)
    return network(optimizer, nn.mse, model, numbers(rows, 4), numbers(rows, 4, seed=1))


def logistic(rows: int) -> Step:
    """The full gradient of logistic regression, and a step."""

    def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
        z = x @ w + b
        return (cnp.logaddexp(0.0, z) - y * z).mean() + 0.01 * (w * w).sum()

    def step(w: Any, b: Any, x: Any, y: Any) -> Any:
        value, (dw, db) = cr.value_and_grad(lambda p: loss(p[0], p[1], x, y))((w, b))
        return w - 0.1 * dw, b - 0.1 * db, value

    y = (numbers(rows, seed=1) > 0).astype(np.float32)
    return staged(step, numbers(28), np.zeros((), np.float32), numbers(rows, 28, seed=2), y)


def normalised(rows: int) -> Step:
    """A layer, its rows normalised, dropout, and another layer."""

    def loss(p: Any, key: Any, x: Any, y: Any) -> Any:
        z = x @ p["w"]
        centred = z - z.mean(1, keepdims=True)
        z = centred / np.sqrt((centred * centred).mean(1, keepdims=True) + 1e-5) * p["scale"] + p["shift"]
        kept = cr.random.uniform(key, z.shape) < 0.8
        return nn.mse(cnp.where(kept, nn.gelu(z) / 0.8, 0.0) @ p["v"], y)

    def step(p: Any, key: Any, x: Any, y: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(p, key, x, y)
        return {name: p[name] - 0.1 * grads[name] for name in p}, value

    p = {"w": numbers(24, 32), "scale": numbers(32), "shift": numbers(32), "v": numbers(32, 3)}
    return staged(step, p, cr.random.key(0), numbers(rows, 24), numbers(rows, 3, seed=3))


def attention(rows: int, width: int = 8) -> Step:
    """Attention over the past, and a step for its matrices."""

    def loss(p: Any, x: Any, past: Any) -> Any:
        q, k, v = x @ p["q"], x @ p["k"], x @ p["v"]
        scores = q @ cnp.swapaxes(k, -1, -2) / np.float32(np.sqrt(width))
        out = nn.softmax(cnp.where(past, scores, -np.inf)) @ v
        return ((out - x) ** 2).mean()

    def step(p: Any, x: Any, past: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(p, x, past)
        return {name: p[name] - 0.1 * grads[name] for name in p}, value

    p = {name: numbers(width, width, seed=i) for i, name in enumerate("qkv")}
    return staged(step, p, numbers(rows, 12, width), np.tri(12, dtype=bool))


def windows(rows: int) -> Step:
    """A convolution by views of windows, the largest of each four, and a layer."""

    def loss(p: Any, x: Any, y: Any) -> Any:
        seen = cnp.stack([x[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)], -1)
        z = nn.relu(seen @ p["kernel"] + p["bias"])
        z = z.reshape(rows, 3, 2, 3, 2, 4).max((2, 4)).reshape(rows, 36)
        return nn.cross_entropy(z @ p["w"], y)

    def step(p: Any, x: Any, y: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(p, x, y)
        return {name: p[name] - 0.1 * grads[name] for name in p}, value

    p = {"kernel": numbers(9, 4), "bias": numbers(4), "w": numbers(36, 5)}
    return staged(step, p, numbers(rows, 8, 8), labels(rows, 5))


def recurrent(rows: int, gated: bool = False) -> Step:
    """A recurrent network over eight steps of time."""
    width = 6

    def cell(p: Any, h: Any, c: Any, x: Any) -> Any:
        z = x @ p["w"] + h @ p["u"] + p["b"]
        if not gated:
            return cnp.tanh(z), c
        i, f, o, g = (z[:, k * width : (k + 1) * width] for k in range(4))
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * cnp.tanh(g)
        return nn.sigmoid(o) * cnp.tanh(c), c

    def loss(p: Any, xs: Any, y: Any) -> Any:
        def body(carry: Any, x: Any) -> Any:
            h, c = cell(p, *carry, x)
            return (h, c), h.sum()

        zero = cnp.zeros((rows, width), np.float32)
        (h, _), sums = cr.scan(body, (zero, zero), xs)
        return nn.mse(h, y) + 0.01 * (sums**2).sum()

    def step(p: Any, xs: Any, y: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(p, xs, y)
        return {name: p[name] - 0.1 * grads[name] for name in p}, value

    n = width * (4 if gated else 1)
    p = {"w": numbers(3, n), "u": numbers(width, n), "b": numbers(n)}
    return staged(step, p, numbers(8, rows, 3), numbers(rows, width))


def epoch(rows: int = 100, batch: int = 16) -> Step:
    """Steps of Adam over batches that are picked by number, as one loop."""
    optimizer = optim.adam(1e-2)
    model = nn.MLP([6, 8, 4], activation="relu", rng=0)

    def run(model: Any, state: Any, x: Any, y: Any, chosen: Any) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            model, state = carry
            value, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x[rows]), y[rows]))(model)
            return optimizer.update(model, state, grads), value

        (model, state), losses = cr.scan(step, (model, state), chosen)
        return model, state, losses

    order = np.random.default_rng(2).integers(0, rows, (5, batch))
    return staged(run, model, optimizer.init(model), numbers(rows, 6), labels(rows, 4), order)


def clusters(rows: int) -> Step:
    """A step of k-means: each point to the nearest centre, each centre to the mean of its points."""

    def step(centres: Any, x: Any) -> Any:
        distance = ((x[:, None, :] - centres) ** 2).sum(-1)
        nearest = distance.argmin(1)
        mine = (nearest[:, None] == cnp.arange(5)).astype(np.float32)
        count = mine.sum(0)[:, None]
        return (mine.T @ x) / cnp.maximum(count, 1.0), distance.min(1).sum()

    return staged(step, numbers(5, 3), numbers(rows, 3, seed=1))


def running(rows: int) -> Step:
    """Running sums and products, there and back."""

    def loss(w: Any, x: Any) -> Any:
        y = cnp.cumsum(x * w, 0) / (1 + cnp.sum(x * x, 1, keepdims=True))
        return (y[::-1] * x).sum() + cnp.cumprod(1 + 0.01 * w).sum()

    def step(w: Any, x: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(w, x)
        return w - 0.1 * grads, value

    return staged(step, numbers(7), numbers(rows, 7, seed=1))


def orbit(rows: int) -> Step:
    """The constants of an equation of motion, from what it led to: Runge-Kutta in a loop, and its gradient."""

    def rate(p: Any, u: Any) -> Any:
        return cnp.stack([u[1], -p[0] * u[0] - p[1] * u[1]])

    def loss(p: Any, u: Any, wanted: Any) -> Any:
        def body(u: Any, _: Any) -> Any:
            a = rate(p, u)
            b = rate(p, u + 0.05 * a)
            c = rate(p, u + 0.05 * b)
            d = rate(p, u + 0.1 * c)
            u = u + 0.1 / 6 * (a + 2 * b + 2 * c + d)
            return u, u[0]

        _, path = cr.scan(body, u, None, length=rows)
        return ((path - wanted) ** 2).mean()

    def step(p: Any, u: Any, wanted: Any) -> Any:
        value, grads = cr.value_and_grad(loss)(p, u, wanted)
        return p - 0.1 * grads, value

    return staged(step, np.array([1.0, 0.1]), np.array([1.0, 0.0]), np.cos(np.arange(rows) * 0.1))


STEPS: Final[dict[str, Callable[[], Step]]] = {
    **{f"mlp {name}": (lambda name=name: mlp(name, 32)) for name in ("relu", "tanh", "sigmoid", "gelu", "softplus")},
    "mlp tall": lambda: mlp("relu", 5000),
    "mlp sgd": lambda: mlp("tanh", 32, optim.sgd(0.1)),
    "mlp adamw tall": lambda: mlp("silu", 1009, optim.adamw(1e-3)),
    "regression": lambda: regression(50),
    "regression tall": lambda: regression(10_000),
    "logistic": lambda: logistic(64),
    "logistic tall": lambda: logistic(20_000),
    "normalised": lambda: normalised(16),
    "normalised tall": lambda: normalised(2000),
    "attention": lambda: attention(2),
    "attention tall": lambda: attention(600),
    "windows": lambda: windows(4),
    "windows tall": lambda: windows(640),
    "recurrent": lambda: recurrent(5),
    "recurrent gated": lambda: recurrent(5, True),
    "epoch": lambda: epoch(),
    "clusters": lambda: clusters(40),
    "clusters tall": lambda: clusters(20_000),
    "running": lambda: running(30),
    "running tall": lambda: running(9000),
    "orbit": lambda: orbit(20),
}


def every() -> Iterator[tuple[str, Step]]:
    """All of them, by name."""
    for name, make in STEPS.items():
        yield name, make()
