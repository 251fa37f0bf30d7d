"""Initialisers: functions `(rng, shape, dtype) -> array` that draw a layer's first weights.

A shape is (out, in) or `(out, in, *kernel)`; fan_in is in times the kernel's size, fan_out out times the kernel's size.
The draws are made in float64 and rounded, so a float32 and a float64 model of one seed start from the same numbers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import OptionError, ShapeError, message
from chainrule.where import user_location

__all__ = [
    "BY_NAME",
    "constant",
    "fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "initializer",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "orthogonal",
    "uniform",
    "zeros",
]

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]
Initializer = Callable[[np.random.Generator, Shape, Any], Array]


def he_normal(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """N(0, 2 / fan_in): keeps the variance through layers of relu.

    Source: He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, eq. 10.
    """
    return _normal(rng, shape, dtype, 2 / fans(shape)[0])


def he_uniform(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """U(-a, a) with a = sqrt(6 / fan_in), which has the variance of `he_normal`."""
    return _uniform(rng, shape, dtype, 2 / fans(shape)[0])


def glorot_normal(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """N(0, 2 / (fan_in + fan_out)): keeps the variance of values and of gradients, for tanh, sigmoid and no activation.

    Source: Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, eq. 12.
    """
    return _normal(rng, shape, dtype, 2 / sum(fans(shape)))


def glorot_uniform(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)). Source: Glorot, Bengio (2010), eq. 16."""
    return _uniform(rng, shape, dtype, 2 / sum(fans(shape)))


def lecun_normal(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """N(0, 1 / fan_in): a layer's sums have the variance of its inputs.

    Source: LeCun, Bottou, Orr, Müller (1998), Efficient BackProp, section 4.6.
    """
    return _normal(rng, shape, dtype, 1 / fans(shape)[0])


def lecun_uniform(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """U(-a, a) with a = sqrt(3 / fan_in), which has the variance of `lecun_normal`."""
    return _uniform(rng, shape, dtype, 1 / fans(shape)[0])


def orthogonal(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """A matrix (out, in * kernel) with orthonormal rows or columns, whichever are fewer, uniformly distributed.

    It is Q of the QR decomposition of a normal matrix, its columns times the signs of R's diagonal.
    Sources: Saxe, McClelland, Ganguli (2014), Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks; Mezzadri (2007), How to generate random matrices from the classical compact groups (the signs).
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q if rows >= columns else q.T).reshape(shape).astype(dtype)


def zeros(rng: np.random.Generator, shape: Shape, dtype: Any = np.float32) -> Array:
    """Zeros: for biases. A layer whose weights are equal learns equal features."""
    return np.zeros(shape, dtype)


def normal(std: float = 0.01, mean: float = 0.0) -> Initializer:
    """The initialiser that draws from N(mean, std**2)."""
    if not 0 <= std < math.inf:
        raise OptionError(message("a standard deviation >= 0", std, user_location()))
    return lambda rng, shape, dtype=np.float32: (mean + std * rng.standard_normal(shape)).astype(dtype)


def uniform(low: float = -0.05, high: float = 0.05) -> Initializer:
    """The initialiser that draws from U(low, high)."""
    if not -math.inf < low <= high < math.inf:
        raise OptionError(message("low <= high", f"low {low}, high {high}", user_location()))
    return lambda rng, shape, dtype=np.float32: rng.uniform(low, high, shape).astype(dtype)


def constant(value: float) -> Initializer:
    """The initialiser that gives `value` everywhere."""
    return lambda rng, shape, dtype=np.float32: np.full(shape, value, dtype)


def fans(shape: Shape) -> tuple[int, int]:
    """`(fan_in, fan_out)` of weights of the given shape: how many inputs a sum has, how many sums an input enters."""
    if len(shape) < 2 or 0 in shape:
        hint = "nn.init.zeros or nn.init.normal(0.01) for a bias"
        raise ShapeError(message("weights of shape (out, in) or (out, in, *kernel)", shape, user_location(), hint))
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


BY_NAME: Final[dict[str, Initializer]] = {
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "kaiming_normal": he_normal,
    "kaiming_uniform": he_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "xavier_normal": glorot_normal,
    "xavier_uniform": glorot_uniform,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "orthogonal": orthogonal,
    "zeros": zeros,
}
"""The initialisers that need no options, by name, as `Linear(..., init="he_normal")` takes them."""


def initializer(name: str | Initializer) -> Initializer:
    """The initialiser of a name; a function is returned as it is."""
    return choose(name, BY_NAME, "initialisers")


def choose(name: Any, table: dict[str, Any], what: str) -> Any:
    """What a name stands for in a table; what can be called is returned as it is. An OptionError otherwise."""
    if callable(name):
        return name
    if name not in table:
        close = difflib.get_close_matches(str(name).lower(), table, n=1)
        hint = repr(close[0]) if close else ""
        raise OptionError(message(f"one of the {what} {', '.join(table)}", repr(name), user_location(), hint))
    return table[name]


def _normal(rng: np.random.Generator, shape: Shape, dtype: Any, variance: float) -> Array:
    return (math.sqrt(variance) * rng.standard_normal(shape)).astype(dtype)


def _uniform(rng: np.random.Generator, shape: Shape, dtype: Any, variance: float) -> Array:
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape).astype(dtype)
