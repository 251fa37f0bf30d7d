"""`workloads`: graphs of all kinds with inputs, whose results are hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

import chainrule.numpy as cnp
from chainrule import nn, optim, random
from chainrule.api.control import scan
from chainrule.api.derivatives import value_and_grad
from chainrule.api.jit import graph
from chainrule.ir.graph import Graph
from chainrule.tree import flatten

Array = np.ndarray[Any, Any]

_LISTS: Final = {
    1: "exp exp2 expm1 log log2 log10 log1p sigmoid softplus sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh "
    "arccosh arctanh sinc erf erfc sqrt cbrt floor ceil trunc rint reciprocal sign square abs",
    2: "power arctan2 hypot logaddexp logaddexp2 xlogy floor_divide remainder fmod divide multiply add maximum minimum",
}
FUNCTIONS: Final = {name: count for count, names in _LISTS.items() for name in names.split()}
"""Elementwise functions, with the number of their arguments."""

FEW: Final = ("exp", "tanh", "log1p", "erf", "sin", "sqrt", "floor", "power", "fmod", "arctan2", "maximum")
"""The functions that a quick run looks at."""


@dataclass(frozen=True)
class Workload:
    """A function of arrays, to be run on these."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def staged(self) -> tuple[Graph, list[Array]]:
        """The graph, and its inputs."""
        leaves = flatten(self.arguments)[0]
        return graph(self.function)(*self.arguments), [np.asarray(x) for x in leaves if hasattr(x, "dtype")]


def workloads(quick: bool = False, only: Sequence[str] = ()) -> Iterator[Workload]:
    """Yields all workloads, or those with one of these texts in their names.

    With `quick` they are of fewer elements and fewer functions.
    """
    for kind in (_training, _products, _reductions, _special, _elementary):
        for workload in kind(quick):
            if not only or any(text in workload.name for text in only):
                yield workload


def _training(quick: bool) -> Iterator[Workload]:
    rng = np.random.default_rng(0)
    rows = 2560 if quick else 10_000
    yield _step("step 784-30-10 sigmoid sgd, 10 rows", [784, 30, 10], "sigmoid", optim.sgd(0.1), 10)
    yield _step("step 784-30-10 sigmoid sgd, 500 rows", [784, 30, 10], "sigmoid", optim.sgd(0.1), 500)
    yield _step("step 8-16-16-1 tanh adam, 32 rows", [8, 16, 16, 1], "tanh", optim.adam(1e-3), 32)
    yield _step(f"step 4-32-16-4 tanh adam, {rows} rows", [4, 32, 16, 4], "tanh", optim.adam(1e-3), rows)
    yield _step("step 8-16-3 relu adam float64, 64 rows", [8, 16, 3], "relu", optim.adam(1e-3), 64, np.float64)
    yield _epoch("epoch of 20 steps 20-16-4 tanh momentum", [20, 16, 4], 20, 16)
    n = 20_000 if quick else 1_000_000
    x, w = rng.standard_normal((n, 28), np.float32), rng.standard_normal(28, np.float32)
    y = (rng.random(n) > 0.5).astype(np.float32)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return nn.binary_cross_entropy_with_logits(x @ w, y)

    yield Workload(f"logistic regression {n}x28", value_and_grad(loss), (w, x, y))


def _network(
    sizes: list[int], activation: str, optimizer: Any, dtype: Any = np.float32
) -> tuple[Any, Any, Callable[..., Any]]:
    """A model, the optimizer's state, and the training step."""
    model = nn.MLP(sizes, activation=activation, rng=0, dtype=dtype)
    loss_of = nn.mse if sizes[-1] == 1 else nn.cross_entropy

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(model: Any) -> Any:
            return loss_of(model(x), y)

        value, grads = value_and_grad(loss)(model)
        return *optimizer.update(model, state, grads), value

    return model, optimizer.init(model), step


def _batch(sizes: list[int], rows: tuple[int, ...], dtype: Any = np.float32) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((*rows, sizes[0])).astype(dtype)
    return x, rng.random((*rows, 1)).astype(dtype) if sizes[-1] == 1 else rng.integers(0, sizes[-1], rows)


def _step(name: str, sizes: list[int], activation: str, optimizer: Any, rows: int, dtype: Any = np.float32) -> Workload:
    model, state, step = _network(sizes, activation, optimizer, dtype)
    return Workload(name, step, (model, state, *_batch(sizes, (rows,), dtype)))


def _epoch(name: str, sizes: list[int], batches: int, rows: int) -> Workload:
    model, state, step = _network(sizes, "tanh", optim.sgd(0.1, momentum=0.9))

    def epoch(model: Any, state: Any, xs: Any, ys: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            model, state, loss = step(*carry, *batch)
            return (model, state), loss

        return scan(body, (model, state), (xs, ys))

    return Workload(name, epoch, (model, state, *_batch(sizes, (batches, rows))))


def _products(quick: bool) -> Iterator[Workload]:
    rng = np.random.default_rng(2)
    shapes = [(17, 33, 65), (1, 300, 513), (257, 5, 3), (3, 1000, 7), (130, 70, 1), (129, 515, 127), (2, 20_000, 5)]
    for m, k, n in shapes if quick else [*shapes, (513, 1025, 511), (1000, 77, 999)]:
        for dtype in (np.float32, np.float64):
            for flips in ("nn", "tn", "nt", "tt") if m < 200 else ("nn",):
                a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
                given = tuple(np.ascontiguousarray(x.T) if t == "t" else x for x, t in zip((a, b), flips, strict=True))
                name = f"matmul {m}x{k}x{n} {flips} {np.dtype(dtype).name}"
                yield Workload(name, partial(_matmul, flips=flips), given)
    stack, other = rng.standard_normal((9, 31, 40), np.float32), rng.standard_normal((9, 40, 21), np.float32)
    yield Workload("matmul 9 of 31x40x21", cnp.matmul, (stack, other))


def _matmul(a: Any, b: Any, flips: str) -> Any:
    return cnp.matmul(a.T if flips[0] == "t" else a, b.T if flips[1] == "t" else b)


def _reductions(quick: bool) -> Iterator[Workload]:
    rng = np.random.default_rng(3)
    for n in (50_000,) if quick else (1_000_000, 10_000_000):
        x = rng.standard_normal(n, np.float32)
        for name in ("sum", "mean", "max", "logsumexp", "prod", "var"):
            yield Workload(f"{name} of {n} float32", getattr(cnp, name), (x,))
        yield Workload(f"sum and norm of {n} float64", _sum_and_norm, (x.astype(np.float64),))
    rows = rng.standard_normal((1601 if quick else 4001, 253), np.float32)
    yield Workload("softmax of rows", partial(cnp.softmax, axis=-1), (rows,))
    yield Workload("softmax of columns", partial(cnp.softmax, axis=0), (rows,))
    yield Workload("reductions along both axes", _both_axes, (rows,))
    yield Workload("running sums and products", _running, (rows,))


def _sum_and_norm(x: Any) -> Any:
    return x.sum(), cnp.linalg.norm(x)


def _both_axes(x: Any) -> Any:
    return x.sum(0), x.sum(1), x.min(0), x.argmax(1)


def _running(x: Any) -> Any:
    return cnp.cumsum(x, 1), cnp.cumprod(x, 0)


def _special(quick: bool) -> Iterator[Workload]:
    rng = np.random.default_rng(4)
    n = 20_000 if quick else 500_000
    x, table = rng.standard_normal(n, np.float32), rng.standard_normal((1000, 17), np.float32)
    places, key = rng.integers(0, 1000, n), random.key(5)
    rows = rng.standard_normal((n // 100, 100))
    yield Workload(f"sort of {n}", _sorted, (x,))
    yield Workload("sort of rows", partial(cnp.sort, axis=-1), (rows,))
    yield Workload(f"random numbers, {n}", partial(_draws, count=n), (key,))
    yield Workload("permutation", partial(random.permutation, x=n // 10), (key,))
    yield Workload("take", _taken, (table, places))
    yield Workload("add at", _added, (table, places, x))
    yield Workload("searchsorted", _searched, (x, rows[0].astype(np.float32)))


def _sorted(x: Any) -> Any:
    return cnp.sort(x), cnp.argsort(x)


def _draws(key: Any, count: int) -> Any:
    return random.normal(key, count), random.uniform(key, count)


def _taken(table: Any, places: Any) -> Any:
    return table[places]


def _added(table: Any, places: Any, x: Any) -> Any:
    return cnp.add_at(table, places, x[:, None])


def _searched(x: Any, y: Any) -> Any:
    return cnp.searchsorted(cnp.sort(x), y)


def _elementary(quick: bool) -> Iterator[Workload]:
    size = 5_000 if quick else 1 << 20
    for dtype in (np.float32, np.float64):
        x, y = _any_bits(dtype, size, 0), _any_bits(dtype, size, 1)
        for name, count in FUNCTIONS.items():
            if not quick or name in FEW:
                yield Workload(f"{name} {np.dtype(dtype).name}", getattr(cnp, name), (x, y)[:count])


def _any_bits(dtype: Any, size: int, seed: int) -> Array:
    """Numbers of any bits, and as many of the usual size."""
    rng = np.random.default_rng(seed)
    width = np.dtype(dtype).itemsize * 8
    bits = rng.integers(0, 1 << width, size // 2, np.dtype(f"uint{width}"))
    return np.concatenate([bits.view(dtype), rng.uniform(-9, 9, size - size // 2).astype(dtype)])
