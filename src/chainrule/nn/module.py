"""`Module`: the base of layers and models, which are callable trees of arrays::

    class Scale(nn.Module):
        weight: np.ndarray = nn.param()
        power: int = nn.static(default=1)

        def __call__(self, x):
            return x**self.power * self.weight

    model = Scale(np.ones(3, np.float32))

A subclass is a dataclass: its `__init__` is made from the fields unless it has one of its own, which sets each field
once. A model is never changed after that; `model.replace(weight=w)` is another one.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, cast, dataclass_transform

import numpy as np

from chainrule.errors import DTypeError, TreeError, message
from chainrule.nn.calls import as_layer_call
from chainrule.tree import FIELD_KIND, Kind
from chainrule.types import FLOAT32, type_of
from chainrule.where import user_location

_LINE: Final = 100  # the length at which a printed model is broken into lines
_STATIC_TYPES: Final = frozenset({"int", "bool", "str", "bytes", "None"})


def param(*, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING) -> Any:
    """A field that is trained: an array, a layer, or a tuple, list or dict of them. A plain float becomes float32."""
    return _field("param", default, default_factory)


def state(*, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING) -> Any:
    """A field of arrays that are carried along without a gradient, such as running means."""
    return _field("state", default, default_factory)


def static(*, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING) -> Any:
    """A field that is part of the structure, such as a size or a function: hashable, compared, never traced."""
    return _field("static", default, default_factory)


def _field(kind: Kind, default: Any, default_factory: Any) -> Any:
    return dataclasses.field(default=default, default_factory=default_factory, metadata={FIELD_KIND: kind})


@dataclass_transform(eq_default=False, field_specifiers=(param, state, static))
class Module:
    """The base of layers and models: a frozen dataclass whose fields are `param`, `state` or `static`.

    A field declared without one of the three is static if its annotation holds no array (int, bool, str, bytes, a
    Callable, a Literal, or a union or tuple of such), else a param. Two modules are equal if they are the same object.
    """

    _kinds: ClassVar[dict[str, Kind]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited, has_init = cls._kinds, "__init__" in cls.__dict__
        record: Any = dataclasses.dataclass(eq=False, repr=False)(cls)
        fields = dataclasses.fields(record)
        for field in fields:
            if FIELD_KIND not in field.metadata:
                kind: Kind = "static" if holds_no_array(field.type) else "param"
                field.metadata = MappingProxyType({**field.metadata, FIELD_KIND: kind})
        cls._kinds = {field.name: field.metadata[FIELD_KIND] for field in fields}
        if cls._kinds == inherited and not has_init:
            del cls.__init__  # nothing new to set: the base's own __init__, if it has one, goes on
        if "__call__" in cls.__dict__:
            cls.__call__ = as_layer_call(cls.__dict__["__call__"])

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self._kinds.get(name)
        own = type(self).__name__
        if kind is None:
            hint = f"`{name}: ... = nn.param()`, nn.state() or nn.static() in the body of the class"
            raise AttributeError(message(f"a declared field of {own}", f"`{name}`", user_location(), hint))
        if name in self.__dict__:
            hint = f"model.replace({name}=...), which returns another {own}"
            got = f"an assignment to `{name}`"
            raise dataclasses.FrozenInstanceError(message(f"a {own} that stays as it is", got, user_location(), hint))
        if kind == "static":
            _check_hashable(own, name, value)
        elif type(value) is float:
            value = np.asarray(value, FLOAT32)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(
            message(f"a {type(self).__name__} that stays as it is", f"a deletion of `{name}`", user_location())
        )

    def replace(self, **changes: Any) -> Self:
        """The same module with other values in the named fields."""
        unknown = sorted(set(changes) - set(self._kinds))
        if unknown:
            known = ", ".join(self._kinds)
            raise TreeError(message(f"fields of {type(self).__name__} ({known})", ", ".join(unknown), user_location()))
        new = object.__new__(type(self))
        for name in self._kinds:
            setattr(new, name, changes[name] if name in changes else getattr(self, name))
        return new

    def __repr__(self) -> str:
        return describe(self)


def holds_no_array(annotation: Any) -> bool:
    """Whether a field's annotation, as text or as a type, names nothing but plain Python values and functions."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    names = re.findall(r"(?:\w+\.)*(\w+)", text)
    return names[:1] in (["Callable"], ["Literal"]) or (set(names) <= {*_STATIC_TYPES, "tuple"} and names != ["tuple"])


def describe(value: Any, indent: str = "") -> str:
    """A model, or a part of one, as text: arrays by their types, on one line if that is short enough."""
    inner = indent + "  "
    if isinstance(value, Module):
        opening, closing = f"{type(value).__name__}(", ")"
        record: Any = value
        names = [field.name for field in dataclasses.fields(record)]
        parts = [f"{name}={describe(getattr(value, name, None), inner)}" for name in names]
    elif isinstance(value, dict):
        opening, closing = "{", "}"
        parts = [f"{key!r}: {describe(x, inner)}" for key, x in cast("dict[Any, Any]", value).items()]
    elif isinstance(value, (tuple, list)):
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        parts = [describe(x, inner) for x in cast("Iterable[Any]", value)]
    else:
        return _describe_leaf(value)
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(indent) + len(line) <= _LINE and "\n" not in line:
        return line
    return "\n".join([opening, *(f"{indent}  {part}," for part in parts), f"{indent}{closing}"])


def _describe_leaf(value: Any) -> str:
    if hasattr(value, "dtype"):
        try:
            return str(type_of(value))
        except DTypeError:
            return f"{value.dtype}{list(value.shape)}"
    return getattr(value, "__name__", None) or repr(value)


def _check_hashable(owner: str, name: str, value: Any) -> None:
    try:
        hash(value)
    except TypeError:
        got = type(value).__name__
        hint = "a tuple in place of a list, nn.state() for an array that is not trained"
        expected = f"a hashable value for the static field `{name}` of {owner}"
        raise TreeError(message(expected, got, user_location(), hint)) from None
