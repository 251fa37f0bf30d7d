"""chainrule: derivatives of NumPy code, and training by gradient descent, with the chain rule in sight."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule import errors, numpy, tree
from chainrule._version import __version__
from chainrule.api.control import fori_loop, scan
from chainrule.api.derivatives import grad, jvp, linearize, value_and_grad, vjp
from chainrule.api.jit import graph, jit
from chainrule.api.values import stop_gradient, tap, value

if TYPE_CHECKING:
    from chainrule import data, nn, optim, random, testing, train
    from chainrule.explanation import explain

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
    "tree",
    "value",
    "value_and_grad",
    "vjp",
]

_ROOMS = frozenset({"data", "nn", "optim", "random", "testing", "train"})


def __getattr__(name: str) -> Any:
    """The rooms that a program may not need, imported when they are first asked for: `import chainrule` stays quick."""
    if name in _ROOMS:
        return import_module(f"chainrule.{name}")
    if name == "explain":
        return import_module("chainrule.explanation").explain
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
