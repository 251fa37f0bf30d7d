"""Activations: functions of an array, element by element (softmax and log_softmax: along an axis).

They are right where their formulas overflow, and each says what its derivative is at a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from chainrule import numpy as cnp
from chainrule.nn.init import choose

Activation = Callable[[Any], Any]


def identity(x: Any) -> Any:
    """x."""
    return x


def relu(x: Any) -> Any:
    """max(x, 0); the derivative at 0 is 0, and NaN stays NaN."""
    return cnp.where(x <= 0, 0, x)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, else slope x; the derivative at 0 is the slope. Source: Maas, Hannun, Ng (2013), section 2."""
    return cnp.where(x > 0, x, slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (e**x - 1); the derivative at 0 is alpha.

    Source: Clevert, Unterthiner, Hochreiter (2016), eq. 15.
    """
    positive = x > 0
    return cnp.where(positive, x, alpha * cnp.expm1(cnp.where(positive, 0, x)))  # no overflow on the other side


def gelu(x: Any, approximate: bool = False) -> Any:
    """x Φ(x) with the normal distribution function Φ(x) = (1 + erf(x / √2)) / 2 = erfc(-x / √2) / 2.

    `approximate`: x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which differs by less than 5e-4.
    Source: Hendrycks, Gimpel (2016), section 2.
    """
    if approximate:
        return 0.5 * x * (1 + cnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
    return 0.5 * x * cnp.erfc(x * -math.sqrt(0.5))


def silu(x: Any) -> Any:
    """x σ(x), also called swish. Source: Elfwing, Uchibe, Doya (2018), eq. 10."""
    return x * cnp.sigmoid(x)


def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e**-x), without overflow."""
    return cnp.sigmoid(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return cnp.tanh(x)


def softplus(x: Any) -> Any:
    """log(1 + e**x), without overflow."""
    return cnp.softplus(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """e**x / Σ e**x along the axis: positive and with the sum 1, without overflow."""
    return cnp.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log softmax(x) = x - log Σ e**x along the axis, without overflow and without log(0)."""
    return x - cnp.logsumexp(x, axis=axis, keepdims=True)


ACTIVATIONS: Final[dict[str, Activation]] = {
    function.__name__: function
    for function in (
        identity,
        relu,
        leaky_relu,
        elu,
        gelu,
        silu,
        sigmoid,
        tanh,
        softplus,
        softmax,
        log_softmax,
    )
} | {"swish": silu}
"""Every activation by its name, as `MLP(..., activation="relu")` takes it."""

_EVEN: Final = frozenset({identity, sigmoid, tanh, softmax, log_softmax})


def activation_function(name: str | Activation) -> Activation:
    """The activation of a name; a function is returned as it is."""
    return choose(name, ACTIVATIONS, "activations")


def default_init(activation: Activation) -> str:
    """The name of the initialiser that fits: He's for what is flat on one side (relu and its kind), else Glorot's."""
    return "glorot_uniform" if activation in _EVEN else "he_normal"
