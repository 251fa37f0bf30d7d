"""`Optimizer`: one step of gradient descent as a pure function over trees::

    opt = optim.adam(1e-3)
    state = opt.init(model)
    model, state = opt.update(model, state, grads)

Every optimizer is the same few lines, in which only the direction differs::

    g = gradient, scaled down where the norm of all of them exceeds max_norm; g = g + decay p (coupled decay, L2)
    d, moments = direction(g, moments);                                      d = d + decay p (decoupled decay)
    p = p - learning_rate d

Nothing is written in place: under `cr.jit(donate=(0, 1))` the new arrays take the old ones' memory.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule import numpy as cnp
from chainrule.errors import DTypeError, OptionError, ShapeError, TreeError, message
from chainrule.optim.schedules import Schedule
from chainrule.tree import FIELD_KIND, Structure, flatten, unflatten
from chainrule.types import dtype_of, shape_of, type_of
from chainrule.where import user_location

Direction = Callable[..., tuple[Any, ...]]
Mask = Callable[[str, Any], bool]


@dataclass(frozen=True, eq=False)
class State:
    """What an optimizer remembers: how many steps were made (int32), and for each moment a tree like the gradients."""

    step: Any = field(metadata={FIELD_KIND: "state"})
    moments: dict[str, Any] = field(metadata={FIELD_KIND: "state"})


@dataclass(frozen=True)
class Decay:
    """Weight decay: its rate, which parameters it is for, and whether it is added after the direction was found."""

    rate: float
    mask: Mask | None
    decoupled: bool


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer:
    """A way to step: `init(model)` gives the state, `update(model, state, grads)` the next model and state.

    `direction(t)`, with the number of the step t = 1, 2, ... as float64, gives the function
    `(g, *moments) -> (direction, *moments)` of one parameter's arrays.
    """

    text: str
    learning_rate: float | Schedule
    moments: tuple[str, ...]
    direction: Callable[[Any], Direction]
    decay: Decay | None = None
    max_norm: float | None = None

    def __repr__(self) -> str:
        return self.text

    def init(self, model: Any) -> State:
        """The state before the first step: no steps, and zeros."""
        leaves, structure = flatten(model)
        split = _split(structure)
        for place, path in zip(split.places, split.paths, strict=True):
            if not type_of(leaves[place]).is_float:
                expected, got = f"floating-point parameters for `{path}`", str(type_of(leaves[place]))
                raise DTypeError(message(expected, got, user_location(), "nn.state() or nn.static() for the field"))
        moments = {
            name: unflatten(split.gradient, [cnp.zeros_like(leaves[place]) for place in split.places])
            for name in self.moments
        }
        return State(np.zeros((), np.int32), moments)

    def update(self, model: Any, state: State, grads: Any) -> tuple[Any, State]:
        """`(model, state)` after one step along the gradients, which have None where the model has state."""
        leaves, structure = flatten(model)
        split = _split(structure)
        params = [leaves[place] for place in split.places]
        gradients = self._clipped(_matching(grads, params, split))
        columns = self._moments_of(state, params, split)
        rate = self.learning_rate(state.step) if callable(self.learning_rate) else self.learning_rate
        step = state.step + 1
        direction = self.direction(step.astype(np.float64))
        moved: list[tuple[Any, ...]] = []
        for path, p, g, *old in zip(split.paths, params, gradients, *columns, strict=True):
            decay = self.decay if self.decay and (self.decay.mask is None or self.decay.mask(path, p)) else None
            if decay and not decay.decoupled:
                g = g + decay.rate * p
            d, *new = direction(g, *old)
            if decay and decay.decoupled:
                d = d + decay.rate * p
            moved.append((_like(p - in_dtype_of(g, rate) * d, p), *new))
        for place, (p, *_) in zip(split.places, moved, strict=True):
            leaves[place] = p
        moments = {
            name: unflatten(split.gradient, [row[i] for row in moved]) for i, name in enumerate(self.moments, start=1)
        }
        return unflatten(structure, leaves), State(step, moments)

    def _moments_of(self, state: Any, params: list[Any], split: _Split) -> list[list[Any]]:
        """The leaves of each moment, checked to be those of this optimizer for such parameters."""
        hint = "the state that init or the update before returned for this model"
        if not isinstance(state, State) or state.moments.keys() != set(self.moments):
            kept = ", ".join(state.moments) or "nothing" if isinstance(state, State) else ""
            got = f"one of {kept}" if kept else type(state).__name__
            expected = f"a state of {', '.join(self.moments) or 'nothing'} for {self.text}"
            raise TreeError(message(expected, got, user_location(), hint))
        columns: list[list[Any]] = []
        for name in self.moments:
            leaves, found = flatten(state.moments[name])
            if found != split.gradient:
                expected = f"a state like the model's parameters, {split.gradient}"
                raise TreeError(message(expected, found, user_location(), hint))
            for path, p, moment in zip(split.paths, params, leaves, strict=True):
                if shape_of(p) != shape_of(moment):
                    expected = f"a state of shape {shape_of(p)} for `{path}`"
                    raise ShapeError(message(expected, shape_of(moment), user_location(), hint))
            columns.append(leaves)
        return columns

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        """The gradients times min(1, max_norm / their norm together)."""
        if self.max_norm is None or not gradients:
            return gradients
        squares = [cnp.astype(cnp.sum(cnp.square(g)), np.float64) for g in gradients]
        scale = cnp.minimum(self.max_norm / (cnp.sqrt(sum(squares[1:], squares[0])) + 1e-6), 1.0)
        return [g * in_dtype_of(g, scale) for g in gradients]


def weight_decay(optimizer: Optimizer, rate: float, mask: Mask | None = None, decoupled: bool = False) -> Optimizer:
    """The optimizer with weight decay: rate * p is added to the gradient (L2), or to the direction if `decoupled`.

    `mask(path, parameter)` says which parameters decay, such as `optim.matrices`; None means all, as in PyTorch.
    """
    check("a decay rate", rate, 0)
    if optimizer.decay is not None:
        hint = "one of the two decays"
        raise OptionError(message("an optimizer without weight decay", repr(optimizer), user_location(), hint))
    text = f"weight_decay({optimizer.text}, {rate!r}{', decoupled=True' if decoupled else ''})"
    return dataclasses.replace(optimizer, text=text, decay=Decay(rate, mask, decoupled))


def clip_by_global_norm(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """The optimizer whose gradients are scaled down together where their Euclidean norm exceeds `max_norm`.

    Source: Pascanu, Mikolov, Bengio (2013), On the difficulty of training recurrent neural networks, algorithm 1. The
    factor is min(1, max_norm / (norm + 1e-6)), before any weight decay is added, as in PyTorch's `clip_grad_norm_`.
    """
    check("a norm", max_norm, 0)
    text = f"clip_by_global_norm({optimizer.text}, {max_norm!r})"
    return dataclasses.replace(optimizer, text=text, max_norm=max_norm)


def matrices(path: str, parameter: Any) -> bool:
    """Whether a parameter has two axes or more: weights, but not biases and scales. A mask for weight decay."""
    return len(shape_of(parameter)) >= 2


def in_dtype_of(like: Any, x: Any) -> Any:
    """A number that was computed in float64, in the dtype of `like`; a Python number adapts by itself."""
    return x if isinstance(x, (int, float)) and not isinstance(x, np.generic) else x.astype(dtype_of(like))


def check(what: str, value: Any, low: float, high: float = math.inf) -> None:
    """Raises an OptionError unless low <= value < high."""
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__") or not low <= value < high:
        bound = f"from {low:g} to below {high:g}" if high < math.inf else f">= {low:g}"
        raise OptionError(message(f"{what} {bound}", repr(value), user_location(), "a number such as 0.001"))


@dataclass(frozen=True, slots=True)
class _Split:
    """Which leaves of a model are trained, their paths, and the structure of their gradients."""

    places: tuple[int, ...]
    paths: tuple[str, ...]
    gradient: Structure


@lru_cache(maxsize=256)
def _split(structure: Structure) -> _Split:
    trained = [kind == "param" for kind in structure.kinds()]
    marks = [True if is_trained else None for is_trained in trained]
    places = tuple(place for place, is_trained in enumerate(trained) if is_trained)
    paths = structure.paths()
    return _Split(places, tuple(paths[place] for place in places), flatten(unflatten(structure, marks))[1])


def _matching(grads: Any, params: list[Any], split: _Split) -> list[Any]:
    """The gradients' leaves, checked to be those of the parameters, in the parameters' dtypes."""
    gradients, found = flatten(grads)
    if found != split.gradient:
        expected, hint = f"gradients like the model's parameters, {split.gradient}", "cr.grad of a loss of this model"
        raise TreeError(message(expected, found, user_location(), hint))
    for path, p, g in zip(split.paths, params, gradients, strict=True):
        if shape_of(p) != shape_of(g):
            expected = f"a gradient of shape {shape_of(p)} for `{path}`"
            raise ShapeError(message(expected, shape_of(g), user_location(), "cr.grad of a loss of this model"))
    return [g if dtype_of(g) == dtype_of(p) else g.astype(dtype_of(p)) for p, g in zip(params, gradients, strict=True)]


def _like(new: Any, old: Any) -> Any:
    """The new value of a parameter; a Python float stays one, so that it goes on yielding to its partners' dtype."""
    return float(new) if type(old) is float and isinstance(new, np.float64) else new
