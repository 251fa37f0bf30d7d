"""NumPy as one writes it by hand: the derivatives worked out, buffers used again, all parameters in one vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.problems import Elementwise, Logistic, Product, Training
from benchmarks.program import NotThere, Program

B1, B2, EPS = 0.9, 0.999, 1e-8


class Network:
    """A perceptron with its gradient and the moments of Adam, each one vector with a view for every array."""

    def __init__(self, problem: Training, dtype: Any) -> None:
        self.problem = problem
        arrays = [x.astype(dtype) for w, b in problem.parameters for x in (w.T, b)]
        self.p, self.layers = _views(arrays)
        self.g, self.gradients = _views([np.zeros_like(x) for x in arrays])
        self.m, self.v, self.spare = (np.zeros_like(self.p) for _ in range(3))
        self.t = 0

    def step(self, x: Any, y: Any) -> Any:
        """The loss before the step."""
        hidden = [x]
        for w, b in self.layers[:-1]:
            z = hidden[-1] @ w
            z += b
            hidden.append(self._activate(z))
        w, b = self.layers[-1]
        z = hidden[-1] @ w
        z += b
        loss, dz = self._loss(z, y)
        for i in range(len(self.layers) - 1, -1, -1):
            dw, db = self.gradients[i]
            np.matmul(hidden[i].T, dz, out=dw)
            np.add.reduce(dz, axis=0, out=db)
            if i:
                dz = dz @ self.layers[i][0].T
                dz *= self._slope(hidden[i])
        self._update()
        return loss

    def _activate(self, z: Any) -> Any:
        match self.problem.activation:
            case "tanh":
                return np.tanh(z, out=z)
            case "relu":
                return np.maximum(z, 0, out=z)
            case _:
                np.negative(z, out=z)
                np.exp(z, out=z)
                z += 1
                return np.reciprocal(z, out=z)

    def _slope(self, a: Any) -> Any:
        match self.problem.activation:
            case "tanh":
                return 1 - a * a
            case "relu":
                return a > 0
            case _:
                return a * (1 - a)

    def _loss(self, z: Any, y: Any) -> tuple[Any, Any]:
        if self.problem.loss == "mse":
            z -= y
            loss = np.vdot(z, z) / z.size
            z *= 2 / z.size
            return loss, z
        z -= np.maximum.reduce(z, axis=1, keepdims=True)
        rows = np.arange(len(z))
        picked = z[rows, y]
        np.exp(z, out=z)
        total = np.add.reduce(z, axis=1, keepdims=True)
        loss = (np.log(total).sum() - picked.sum()) / len(z)
        z /= total
        z[rows, y] -= 1
        z /= len(z)
        return loss, z

    def _update(self) -> None:
        rate = self.problem.rate
        if self.problem.optimizer == "sgd":
            self.g *= rate
            self.p -= self.g
            return
        self.t += 1
        c1, c2 = 1 - B1**self.t, 1 - B2**self.t
        g, m, v, spare = self.g, self.m, self.v, self.spare
        np.multiply(g, g, out=spare)
        spare -= v
        spare *= 1 - B2
        v += spare
        g -= m
        g *= 1 - B1
        m += g
        np.sqrt(v, out=spare)
        spare *= 1 / math.sqrt(c2)
        spare += EPS
        np.divide(m, spare, out=spare)
        spare *= rate / c1
        self.p -= spare


def training(problem: Training, way: str, threads: int, dtype: Any = np.float32) -> Program:
    """Steps; an epoch is a loop of them in Python, since NumPy has nothing else."""
    network = Network(problem, dtype)
    xs, ys = problem.data
    batches = list(zip(xs.astype(dtype), ys if ys.dtype.kind == "i" else ys.astype(dtype), strict=True))

    def steps(n: int) -> None:
        for i in range(n):
            network.step(*batches[i % len(batches)])

    def check() -> list[float]:
        return [float(network.step(*batches[i % len(batches)])) for i in range(problem.checked)]

    if way == "epoch":
        return Program(lambda n: steps(n * len(batches)), check, units=len(batches))
    return Program(steps, check)


def logistic(problem: Logistic, way: str, threads: int) -> Program:
    """Two passes over the rows: the logits, and the gradient."""
    x, y, w = problem.data
    z, e = np.empty_like(y), np.empty_like(y)

    def call() -> tuple[Any, ...]:
        np.matmul(x, w, out=z)
        np.add(z, np.float32(0.25), out=z)
        np.abs(z, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)  # of -|z|, for the loss and the sigmoid both
        loss = (np.log1p(e).sum(dtype=np.float64) + np.maximum(z, 0).sum(dtype=np.float64) - np.dot(y, z)) / len(y)
        np.divide(np.where(z >= 0, np.float32(1), e), 1 + e, out=z)
        np.subtract(z, y, out=z)
        return loss, z @ x / len(y), z.sum(dtype=np.float64) / len(y)

    return Program(lambda n: [call() for _ in range(n)][-1], lambda: np.hstack(call()))


def product(problem: Product, way: str, threads: int) -> Program:
    """OpenBLAS: a call into a given array; or NumPy's own loop over a stack whose operands are all the same."""
    a, b = problem.turned(*problem.data)
    out = np.empty((problem.rows, problem.columns), np.float32)
    if way == "loop":
        a, b, target = (np.broadcast_to(x, (problem.turns, *x.shape)) for x in (a, b, out))
        target = np.lib.stride_tricks.as_strided(out, target.shape, target.strides)  # every product into the same place
    else:
        target = out

    def run(n: int) -> None:
        for _ in range(n):
            np.matmul(a, b, out=target)

    def check() -> Any:
        run(1)
        return problem.sample(out)

    return Program(run, check, units=problem.turns if way == "loop" else 1)


def elementwise(problem: Elementwise, way: str, threads: int) -> Program:
    """The function into a given array; erf is SciPy's, since NumPy has none."""
    x, out = problem.data, np.empty_like(problem.data)

    def sigmoid(x: Any, out: Any) -> None:
        np.negative(x, out=out)
        np.exp(out, out=out)
        np.add(out, 1, out=out)
        np.reciprocal(out, out=out)

    if problem.function == "erf":
        try:
            from scipy.special import erf
        except ImportError:
            raise NotThere("NumPy has no erf, and SciPy is not installed") from None
    else:
        erf = None
    call: Any = {"exp": np.exp, "tanh": np.tanh, "erf": erf, "sigmoid": sigmoid}[problem.function]

    def run(n: int) -> None:
        for _ in range(n):
            call(x, out=out)

    def check() -> Any:
        run(1)
        return problem.sample(out)

    return Program(run, check)


def _views(arrays: list[np.ndarray]) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """One vector of all the numbers, and in it a view for each array, in pairs."""
    flat = np.concatenate([x.ravel() for x in arrays])
    ends = np.cumsum([x.size for x in arrays])
    views = [flat[end - x.size : end].reshape(x.shape) for x, end in zip(arrays, ends, strict=True)]
    return flat, list(zip(views[::2], views[1::2], strict=True))
