"""A model's architecture as plain data (what JSON can hold), and back: layers by name, arrays by dtype and shape.

    layer        {"class": "Linear", "weight": ..., "bias": ...}   one entry a field
    array        {"array": "float32", "shape": [128, 64]}
    tuple        [...]              list   {"list": [...]}          dict   {"dict": {...}}
    function     {"function": "relu"}, an activation of chainrule.nn, or {"function": "numpy.tanh"}
    dtype        {"dtype": "float32"}
    otherwise    a string, a number, true, false or null

Reading runs no code of the file's choosing: a name stands for a layer of chainrule.nn or for one that the caller gave.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.errors import SaveError, message
from chainrule.train.kinds import is_array, is_dict, is_dtype, is_list, is_tuple
from chainrule.tree import FIELD_KIND, flatten
from chainrule.types import SHORT_NAMES
from chainrule.where import user_location

_FLOATS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Slot:
    """The place of an array in a model that was read: what has to come there."""

    __slots__ = ("dtype", "shape")

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, shape

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


class UnknownLayer(ValueError):
    """A layer's name that stands for nothing."""


class Registry:
    """The classes and functions that a name in a file can stand for."""

    def __init__(self, layers: Iterable[type] = ()) -> None:
        named = {name: getattr(nn, name) for name in nn.__all__}
        self.layers: dict[str, Any] = {
            name: layer for name, layer in named.items() if isinstance(layer, type) and dataclasses.is_dataclass(layer)
        }
        self.layers.update((layer.__name__, layer) for layer in layers)
        self.functions: dict[str, Callable[..., Any]] = dict(nn.ACTIVATIONS)
        self.functions.update((f"numpy.{name}", value) for name, value in vars(np).items() if _is_elementwise(value))

    def name_of(self, function: Callable[..., Any]) -> str:
        """The name of a function of chainrule.nn; a SaveError for any other."""
        for name, known in self.functions.items():
            if known is function:
                return name
        got = f"the function {getattr(function, '__qualname__', function)}"
        raise _cannot_save(got, "an activation of chainrule.nn, or a subclass of nn.Module that calls it")


def describe(model: Any, registry: Registry) -> Any:
    """The model as plain data, arrays by dtype and shape; SaveError for what has no such form."""
    if model is None or isinstance(model, (bool, int, str)):
        return model
    if is_array(model):
        return {"array": model.dtype.name, "shape": list(model.shape)}
    if isinstance(model, float):
        return model if math.isfinite(model) else {"float": repr(model)}
    if is_list(model) or is_tuple(model):
        parts = [describe(part, registry) for part in model]
        return {"list": parts} if is_list(model) else parts
    if is_dict(model):
        return {"dict": {key: describe(part, registry) for key, part in model.items()}}
    if dataclasses.is_dataclass(model) and not isinstance(model, type):
        fields = {field.name: describe(getattr(model, field.name), registry) for field in dataclasses.fields(model)}
        return {"class": type(model).__name__, **fields}
    if is_dtype(model):
        return {"dtype": np.dtype(model).name}
    if callable(model):
        return {"function": registry.name_of(model)}
    raise _cannot_save(f"{type(model).__name__} {model!r}", "fields that are layers, arrays, numbers or strings")


def rebuild(data: Any, registry: Registry) -> Any:
    """The model that plain data describes, with a Slot where each array goes; ValueError where it makes no sense."""
    if is_list(data):
        return tuple(rebuild(part, registry) for part in data)
    if not is_dict(data):
        return data
    if "class" in data:
        return _rebuild_layer(data, registry)
    match tuple(data.items()):
        case (("array", str(dtype)), ("shape", shape)) if is_list(shape):
            return Slot(_dtype(dtype), tuple(_length(n) for n in shape))
        case (("list", parts),) if is_list(parts):
            return [rebuild(part, registry) for part in parts]
        case (("dict", parts),) if is_dict(parts):
            return {key: rebuild(part, registry) for key, part in parts.items()}
        case (("float", str(name)),) if name in _FLOATS:
            return _FLOATS[name]
        case (("function", str(name)),) if name in registry.functions:
            return registry.functions[name]
        case (("dtype", str(name)),):
            return _dtype(name)
        case _:
            raise ValueError(f"{str(data)[:80]!r} in the architecture")


def _rebuild_layer(data: dict[str, Any], registry: Registry) -> Any:
    """The layer with the fields as they are in the file; no constructor runs."""
    name, fields = str(data["class"]), {key: value for key, value in data.items() if key != "class"}
    if name not in registry.layers:
        raise UnknownLayer(name)
    layer = registry.layers[name]
    kinds = {field.name: field.metadata.get(FIELD_KIND, "param") for field in dataclasses.fields(layer)}
    expected = kinds.keys()
    if fields.keys() != expected:
        odd = ", ".join(sorted(fields.keys() ^ expected))
        raise ValueError(f"a {name} whose fields differ from the layer's in {odd}")
    record: Any = object.__new__(layer)
    for field in kinds:
        value = rebuild(fields[field], registry)
        if kinds[field] == "static":
            _check_static(value, f"{name}.{field}")
        object.__setattr__(record, field, value)
    return record


def _check_static(value: Any, name: str) -> None:
    """Raises ValueError unless the value can be an option of a layer: hashable, without arrays."""
    try:
        hash(value)
    except TypeError:
        raise ValueError(f"a list or dict as {name}") from None
    if any(isinstance(leaf, Slot) for leaf in flatten(value)[0]):
        raise ValueError(f"an array as {name}")


def _is_elementwise(value: Any) -> bool:
    return isinstance(value, np.ufunc) and (value.nin, value.nout) == (1, 1)


def _dtype(name: str) -> np.dtype[Any]:
    for dtype in SHORT_NAMES:
        if dtype.name == name:
            return dtype
    raise ValueError(f"the dtype {name!r}")


def _length(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"the length {value!r} in a shape")
    return value


def _cannot_save(got: str, hint: str) -> SaveError:
    return SaveError(message("a model of layers, arrays and plain options", got, user_location(), hint))
