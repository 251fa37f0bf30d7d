"""chainrule: derivatives of NumPy code, and training by gradient descent, with the chain rule in sight."""

from __future__ import annotations

from chainrule import data, errors, nn, numpy, optim, random, testing, train
from chainrule._version import __version__
from chainrule.api.control import fori_loop, scan
from chainrule.api.derivatives import grad, jvp, linearize, value_and_grad, vjp
from chainrule.api.jit import graph, jit
from chainrule.api.values import stop_gradient, tap, value
from chainrule.explain import explain

__all__ = [
    "__version__",
    "data",
    "errors",
    "explain",
    "fori_loop",
    "grad",
    "graph",
    "jit",
    "jvp",
    "linearize",
    "nn",
    "numpy",
    "optim",
    "random",
    "scan",
    "stop_gradient",
    "tap",
    "testing",
    "train",
    "value",
    "value_and_grad",
    "vjp",
]
