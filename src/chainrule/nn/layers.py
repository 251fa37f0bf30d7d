"""Layers, and models made of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, overload

import numpy as np

from chainrule.errors import OptionError, ShapeError, message
from chainrule.nn.activations import Activation, activation_function, default_init
from chainrule.nn.init import Initializer, initializer
from chainrule.nn.module import Module, param, static
from chainrule.types import shape_of, supported, type_of
from chainrule.where import user_location

_LARGEST: Final = 2**31  # inputs or outputs of a layer

Seed = int | np.random.SeedSequence | np.random.Generator | None


class Linear(Module):
    """x @ weight.T + bias: y = A x + b for every row x; weight is (out, in), bias (out,).

    `init` draws the weight, by name or as a function of `chainrule.nn.init`: He's normal distribution by default, which
    fits a relu after it. The bias starts at zero. `rng` is a seed or a `numpy.random.Generator`; None draws a seed.
    """

    weight: Any = param()
    bias: Any = param()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool = True,
        *,
        rng: Seed = None,
        dtype: Any = np.float32,
        init: str | Initializer = "he_normal",
    ) -> None:
        dtype = _floating(dtype)
        shape = (_positive(outputs, "outputs"), _positive(inputs, "inputs"))
        weight = initializer(init)(_generator(rng), shape, dtype)
        if shape_of(weight) != shape:
            hint = "an init that returns an array of the shape it is given"
            raise ShapeError(message(f"initial weights of shape {shape}", shape_of(weight), user_location(), hint))
        self.weight = weight
        self.bias = np.zeros(outputs, dtype) if bias else None

    def __call__(self, x: Any) -> Any:
        outputs, inputs = self.weight.shape
        if shape_of(x)[-1:] != (inputs,):
            raise _misfit(x, inputs, outputs)
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Dense(Linear):
    """activation(x @ weight.T + bias): a linear layer and its activation as one layer.

    Unless `init` says otherwise, the weight is drawn from the distribution that fits the activation: He's normal before
    relu and its kind, Glorot's uniform before tanh, sigmoid and no activation.
    """

    activation: Activation = static()

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: str | Activation = "relu",
        bias: bool = True,
        *,
        rng: Seed = None,
        dtype: Any = np.float32,
        init: str | Initializer | None = None,
    ) -> None:
        self.activation = activation_function(activation)
        super().__init__(inputs, outputs, bias, rng=rng, dtype=dtype, init=init or default_init(self.activation))

    def __call__(self, x: Any) -> Any:
        return self.activation(super().__call__(x))


class Lambda(Module):
    """A function without parameters as a layer: `nn.Lambda(nn.relu)`."""

    function: Callable[..., Any] = static()

    def __call__(self, x: Any) -> Any:
        return self.function(x)


class Flatten(Module):
    """Every example as one row: (batch, ...) becomes (batch, the product of the rest)."""

    def __call__(self, x: Any) -> Any:
        shape = shape_of(x)
        if not shape:
            raise ShapeError(message("a batch of examples", str(type_of(x)), user_location(), "x[None]"))
        return x.reshape((shape[0], math.prod(shape[1:])))


class Sequential(Module):
    """The layers one after the other: layers[-1](...layers[1](layers[0](x))).

    A plain function among them, such as `nn.relu`, becomes a `Lambda`. An index gives a layer, a slice a `Sequential`.
    """

    layers: tuple[Module, ...] = param()

    def __init__(self, *layers: Module | Callable[..., Any]) -> None:
        wrong: list[Any] = [layer for layer in layers if not callable(layer)]
        if wrong:
            hint = "nn.Sequential(*layers)" if type(wrong[0]) in (list, tuple) else "nn.Linear(4, 3)"
            raise OptionError(message("layers that can be called", repr(wrong[0]), user_location(), hint))
        self.layers = tuple(layer if isinstance(layer, Module) else Lambda(layer) for layer in layers)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)


class MLP(Sequential):
    """A multi-layer perceptron: `Dense` layers between the given sizes, the last one a `Linear` without activation.

    `MLP([64, 128, 10])` is Linear(128, 10) of relu(Linear(64, 128)); `.layers[0].weight` is (128, 64). Unless `init`
    says otherwise, the weights start as in `Dense`, those of the last layer from Glorot's uniform distribution.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Activation = "relu",
        bias: bool = True,
        *,
        rng: Seed = None,
        dtype: Any = np.float32,
        init: str | Initializer | None = None,
    ) -> None:
        if not hasattr(sizes, "__len__") or len(sizes) < 2:
            expected = "at least two sizes, of the input and of the output"
            named: tuple[Any, ...] = (sizes, activation, bias)
            given = [n for n in named if isinstance(n, int) and not isinstance(n, bool)]
            hint = f"nn.MLP({given})" if len(given) > 1 else "nn.MLP([64, 128, 10])"
            raise OptionError(message(expected, repr(sizes), user_location(), hint))
        generator = _generator(rng)
        between = activation_function(activation)
        options: dict[str, Any] = {"bias": bias, "rng": generator, "dtype": dtype}
        hidden = [Dense(n, m, between, init=init, **options) for n, m in pairwise(sizes[:-1])]
        super().__init__(*hidden, Linear(sizes[-2], sizes[-1], init=init or "glorot_uniform", **options))


def _misfit(x: Any, inputs: int, outputs: int) -> ShapeError:
    """The error of an input whose rows are not as long as the layer expects."""
    shape = shape_of(x)
    got = str(type_of(x)) if hasattr(x, "dtype") else type(x).__name__
    hint = f"a layer made for it, such as nn.Linear({shape[-1]}, {outputs})" if shape else "an array of examples"
    if len(shape) == 2 and shape[0] == inputs:
        hint = "x.T, with one example in each row"
    elif len(shape) > 1 and math.prod(shape[1:]) == inputs:
        hint = "nn.Flatten() before it, or x.reshape(len(x), -1)"
    return ShapeError(message(f"(..., {inputs})", got, user_location(), hint))


def _positive(n: Any, what: str) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__") or not 1 <= n < _LARGEST:
        raise OptionError(message(f"{what} from 1 to below {_LARGEST}", repr(n), user_location(), f"{what}=64"))
    return operator.index(n)


def _generator(rng: Seed) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        expected = "rng: a seed of 0 or more, a numpy.random.Generator, or None"
        raise OptionError(message(expected, repr(rng), user_location(), "rng=0")) from None


def _floating(dtype: Any) -> np.dtype[Any]:
    found = supported(dtype)
    if found.kind != "f":
        raise OptionError(message("float32 or float64 for parameters", found.name, user_location(), "np.float32"))
    return found
