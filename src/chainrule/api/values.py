"""Marks inside a function: a value's numbers, a value without derivative, a value whose gradient is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.api.leaves import own
from chainrule.numpy.array import Tracer
from chainrule.observers import tapped_tape
from chainrule.ops import identity
from chainrule.tree import tree_map
from chainrule.types import type_of


def value(x: Any) -> Any:
    """The numbers behind a traced array, as a plain array of its own; anything else as it is.

    The derivative does not see what is done with them. Staged values have no numbers: a StagingError.
    """
    return np.array(x.concrete("number", "returning it from the function"))[()] if isinstance(x, Tracer) else x


def stop_gradient(x: Any) -> Any:
    """x (an array or a tree of arrays) with the derivative zero."""

    def stopped(leaf: Any) -> Any:
        return identity.stop_gradient(leaf) if isinstance(leaf, Tracer) else leaf

    return tree_map(stopped, x)


def tap(x: Any, name: str) -> Any:
    """x, marked so that `value_and_grad(..., taps=True)` returns the gradient of the loss at this place by name.

    x may be a plain array, such as a network's input.
    """
    tape = tapped_tape()
    if tape is None or not type_of(x).is_float:
        return x
    inside = isinstance(x, Tracer) and x.owner.level >= tape.level
    return identity.tap(x if inside else tape.input(own(x)), name=name)
