"""The problems: what is computed, from which numbers, what the result is, and the least work that it takes.

Data come from NumPy's generator with a fixed seed, so that every process of every contender has the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

TRANSCENDENTAL = 30
"""Operations of one exp, tanh, erf or sigmoid: a reduced range, a polynomial, a division."""

ADAM, SGD = 14, 2
"""Operations of an update, for each parameter."""


@dataclass(frozen=True)
class Training:
    """Steps of gradient descent on a multi-layer perceptron: forward, backward and update, batch by batch."""

    kind: ClassVar[str] = "training"
    sizes: tuple[int, ...]
    activation: str  # tanh, sigmoid or relu, between the layers
    loss: str  # cross_entropy of integer labels, or mse
    optimizer: str  # adam or sgd
    rate: float
    batch: int
    batches: int
    checked: int = 20  # losses that are compared before anything is timed

    @cached_property
    def parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The weight (outputs, inputs) and bias of each layer before the first step."""
        rng = np.random.default_rng(0)
        pairs = zip(self.sizes, self.sizes[1:], strict=False)
        scaled = [rng.normal(size=(n, m)) * math.sqrt(1.5 / m) for m, n in pairs]
        return [(w.astype(np.float32), np.zeros(len(w), np.float32)) for w in scaled]

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (batches, batch, inputs) and targets: labels (batches, batch), or (batches, batch, outputs).

        Inputs are centred. With positive ones the first steps of Adam overshoot, which makes 1e-3 of a difference in
        the 20th loss out of the rounding of optax, whose bias correction is in float32.
        """
        rng = np.random.default_rng(1)
        x = rng.random((self.batches, self.batch, self.sizes[0]), np.float32) - np.float32(0.5)
        target = x[..., :: max(1, self.sizes[0] // self.sizes[-1])][..., : self.sizes[-1]]
        if self.loss == "cross_entropy":
            return x, target.argmax(-1).astype(np.int64)
        return x, np.sin(3 * target) * x.sum(-1, keepdims=True) / self.sizes[0]

    @property
    def operations(self) -> float:
        """Of one step: products forward, for the weights and for the inputs of all layers but the first."""
        products = [m * n for m, n in zip(self.sizes, self.sizes[1:], strict=False)]
        contractions = 2 * self.batch * (3 * sum(products) - products[0])
        curved = self.batch * sum(self.sizes[1:-1]) * (1 if self.activation == "relu" else TRANSCENDENTAL)
        curved += self.batch * self.sizes[-1] * (TRANSCENDENTAL if self.loss == "cross_entropy" else 2)
        update = (ADAM if self.optimizer == "adam" else SGD) * (sum(products) + sum(self.sizes[1:]))
        return contractions + curved + update

    @property
    def bytes(self) -> float:
        """The batch is read; the parameters may stay in a cache."""
        return 4 * self.batch * self.sizes[0]

    def expected(self) -> np.ndarray:
        """The first losses, in float64."""
        from benchmarks.peers import numpy_by_hand

        return np.asarray(numpy_by_hand.training(self, "step", 1, np.float64).check())


@dataclass(frozen=True)
class Logistic:
    """Loss and full gradient of a logistic regression."""

    kind: ClassVar[str] = "logistic"
    rows: int
    columns: int

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows, their labels 0.0 and 1.0, and the weights."""
        rng = np.random.default_rng(2)
        x = rng.standard_normal((self.rows, self.columns), np.float32)
        w = (rng.normal(size=self.columns) / math.sqrt(self.columns)).astype(np.float32)
        y = (x @ w + rng.standard_normal(self.rows, np.float32) > 0).astype(np.float32)
        return x, y, (w * np.float32(0.5)).astype(np.float32)

    @property
    def operations(self) -> float:
        return self.rows * (4 * self.columns + 2 * TRANSCENDENTAL)

    @property
    def bytes(self) -> float:
        return 4 * self.rows * (self.columns + 1)

    def expected(self) -> np.ndarray:
        """The loss, and the derivatives by the weights and the bias, which is 0.25, in float64."""
        x, y, w = self.data
        z = x.astype(np.float64) @ w.astype(np.float64) + 0.25
        error = (1 / (1 + np.exp(-z)) - y) / self.rows
        return np.array([np.mean(np.logaddexp(0, z) - y * z), *(error @ x.astype(np.float64)), error.sum()])


@dataclass(frozen=True)
class Product:
    """A matrix product op(a) @ op(b) of float32 arrays, (rows, inner) by (inner, columns), op being .T or nothing."""

    kind: ClassVar[str] = "product"
    rows: int
    inner: int
    columns: int
    flips: str = "nn"  # t for an operand whose transpose is what lies in memory
    turns: int = 1  # products in one call

    @property
    def square(self) -> bool:
        return self.rows == self.inner == self.columns

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """The operands as they lie in memory.

        A square a is I - 2 v v.T / (v.T v), whose square is I: a chain of products neither grows nor vanishes.
        """
        rng = np.random.default_rng(3)
        if self.square:
            v = rng.normal(size=self.rows)
            a = np.eye(self.rows) - np.outer(v, v * (2 / (v @ v)))
        else:
            a = rng.normal(size=(self.rows, self.inner)) / math.sqrt(self.inner)
        b = rng.normal(size=(self.inner, self.columns))
        pair = (x.T if flip == "t" else x for x, flip in zip((a, b), self.flips, strict=True))
        a, b = (np.ascontiguousarray(x, np.float32) for x in pair)
        return a, b

    def turned(self, a: Any, b: Any) -> tuple[Any, Any]:
        """op(a) and op(b), as views; the last two axes count."""
        return (
            a.swapaxes(-1, -2) if self.flips[0] == "t" else a,
            b.swapaxes(-1, -2) if self.flips[1] == "t" else b,
        )

    def sample(self, c: Any) -> Any:
        """The first and the last row of a result."""
        return np.asarray(c)[[0, -1]].ravel()

    @property
    def operations(self) -> float:
        return 2 * self.rows * self.inner * self.columns

    @property
    def bytes(self) -> float:
        return 0

    def expected(self) -> np.ndarray:
        """Two rows of the product, in float64; of a chain too, since it is of one product more than a multiple of 4."""
        a, b = self.turned(*(x.astype(np.float64) for x in self.data))
        return (a[[0, -1]] @ b).ravel()


@dataclass(frozen=True)
class Elementwise:
    """exp, tanh, erf or sigmoid of every element of an array of float32."""

    kind: ClassVar[str] = "elementwise"
    function: str
    size: int

    @cached_property
    def data(self) -> np.ndarray:
        return np.random.default_rng(4).uniform(-6, 6, self.size).astype(np.float32)

    def sample(self, y: Any) -> Any:
        """Some elements of a result."""
        return np.asarray(y)[:: max(1, self.size // 97)]

    @property
    def operations(self) -> float:
        """None: how few an accurate function takes is not known, so that the floor is memory."""
        return 0

    @property
    def bytes(self) -> float:
        return 8 * self.size

    def expected(self) -> np.ndarray:
        functions = {
            "exp": math.exp,
            "tanh": math.tanh,
            "erf": math.erf,
            "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
        }
        return np.array([functions[self.function](x) for x in self.sample(self.data).tolist()])


@dataclass(frozen=True)
class Leaves:
    """A step whose work is next to nothing, on many small arrays: what remains is the call."""

    kind: ClassVar[str] = "leaves"
    count: int
    size: int = 8
    turns: int = 1000  # more of them inside of the longer call

    @cached_property
    def data(self) -> list[np.ndarray]:
        return [np.full(self.size, i, np.float32) for i in range(self.count)]

    @property
    def operations(self) -> float:
        return 0

    @property
    def bytes(self) -> float:
        return 0

    def expected(self) -> np.ndarray:
        """The first element of every array after one step, x * 0.5 + 1."""
        return np.arange(self.count) * 0.5 + 1


Problem = Training | Logistic | Product | Elementwise | Leaves
