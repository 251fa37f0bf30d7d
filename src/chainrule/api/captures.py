"""What a function finds outside its arguments: globals, closure cells, attributes, elements of containers.

A staged function is traced once. What it read then may be something else at the next call: arrays are read again, and
a number, a string or a function that has changed makes the function be traced anew. `find_captures` lists the places
that it can read from; `Captures.changed` compares them.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from chainrule.api.effects import Source, source_of
from chainrule.ir.op import Traced

_LIMIT: Final = 10_000  # places looked at; a data set held as a list of numbers is not a constant of a model
_PLAIN: Final = (int, float, complex, bool, str, bytes, type(None), np.generic)
_ENGINE: Final = tuple(f"chainrule.{room}" for room in ("ir", "ops", "trace", "transform", "numpy", "backend"))
_OWN_MODULES: Final = frozenset({"numpy", "chainrule", *sys.stdlib_module_names})


@dataclass(slots=True)
class Place:
    """Somewhere a value was found: `read()` finds what is there now."""

    read: Callable[[], Any]
    expected: Any


@dataclass(slots=True)
class Captures:
    """The places that a function can read from besides its arguments."""

    numbers: list[Place] = field(default_factory=list)  # compared by value
    arrays: list[Place] = field(default_factory=list)  # read at every call
    objects: list[Place] = field(default_factory=list)  # containers and functions: compared by identity
    sources: list[Source] = field(default_factory=list)  # of random numbers

    def changed(self) -> bool:
        """Whether anything but the contents of arrays is not what it was."""
        for place in self.objects:
            if _now(place) is not place.expected:
                return True
        for place in self.numbers:
            now = _now(place)
            if now is not place.expected and (type(now) is not type(place.expected) or now != place.expected):
                return True
        return False

    def found_arrays(self) -> list[Any]:
        """The arrays themselves."""
        return [place.expected for place in self.arrays]

    def rebound(self) -> list[tuple[Any, Any]]:
        """Pairs of an array that was found and what is in its place now, where that is another one.

        Where names that had one array in common have different ones now, the second is no array.
        """
        pairs: dict[int, tuple[Any, Any]] = {}
        for place in self.arrays:
            now = _now(place)
            _, new = pairs.setdefault(id(place.expected), (place.expected, now))
            if new is not now:
                pairs[id(place.expected)] = place.expected, _GONE
        for place in self.arrays:
            place.expected = pairs[id(place.expected)][1]
        return [(old, new) for old, new in pairs.values() if new is not old]


def find_captures(function: Callable[..., Any]) -> Captures:
    """The places that `function`, and the functions of the user's that it names, can read from."""
    walk = _Walk()
    walk.visit(function)
    while walk.pending and len(walk.seen) < _LIMIT:
        walk.pending.pop()()
    return walk.captures


class _Walk:
    """The search: every object once, deepest last."""

    def __init__(self) -> None:
        self.captures = Captures()
        self.pending: list[Callable[[], None]] = []
        self.seen: dict[int, tuple[Any, frozenset[str]]] = {}  # the object, kept alive, and the names asked for

    def place(self, read: Callable[[], Any], names: frozenset[str]) -> None:
        """Notes what a place holds, and looks into it."""
        try:
            value = read()
        except (ValueError, KeyError, IndexError, AttributeError):  # an empty cell, a global not there yet
            return
        if isinstance(value, _PLAIN):
            self.captures.numbers.append(Place(read, value))
        elif isinstance(value, np.ndarray):
            self.captures.arrays.append(Place(read, value))
        elif not isinstance(value, Traced):
            if not isinstance(value, ModuleType):
                self.captures.objects.append(Place(read, value))
            self.pending.append(lambda: self.visit(value, names))

    def visit(self, value: Any, names: frozenset[str] = frozenset()) -> None:
        """Looks into a function, container, module or object; `names` are the attributes that code asks for."""
        _, known = self.seen.get(id(value), (value, None))
        if known is not None and (names <= known or isinstance(value, FunctionType)):
            return
        self.seen[id(value)] = value, names | (known or frozenset())
        held: Any = value  # as which it is not narrowed to a container of unknown things
        match value:
            case FunctionType():
                self._function(value)
            case MethodType():
                self.visit(value.__func__)
                self.pending.append(lambda: self.visit(value.__self__, _names(value.__func__.__code__)))
            case functools.partial():
                self.visit(held.func)
                for part in (*held.args, *held.keywords.values()):
                    self.place(lambda part=part: part, names)
            case dict():
                self._elements(held, held, names)
            case list() | tuple() | deque():
                self._elements(held, range(len(held)), names)
            case set() | frozenset():
                self.captures.numbers.append(Place(lambda: frozenset(held), frozenset(held)))
            case ModuleType():
                if _is_users(value.__name__):
                    for name in names & value.__dict__.keys():
                        self.place(functools.partial(getattr, value, name), names)
            case type():
                self._attributes(held, held, names)
            case _:
                source = source_of(value)
                if source is not None:
                    self.captures.sources.append(source)
                else:
                    self._object(value, names)

    def _function(self, function: FunctionType) -> None:
        if not _is_users(function.__module__ or ""):
            return
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped)
        names = _names(function.__code__)
        for name in names & function.__globals__.keys():
            self.place(functools.partial(function.__globals__.__getitem__, name), names)
        for name in names & sys.modules.keys() - function.__globals__.keys():  # imported inside
            self.visit(sys.modules[name], names)
        for cell in function.__closure__ or ():
            self.place(lambda cell=cell: cell.cell_contents, names)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.place(lambda default=default: default, names)

    def _elements(self, held: Any, keys: Iterable[Any], names: frozenset[str]) -> None:
        self.captures.numbers.append(Place(lambda: len(held), len(held)))
        for key in keys:
            self.place(functools.partial(held.__getitem__, key), names)

    def _object(self, value: Any, names: frozenset[str]) -> None:
        kind = value.__class__
        if kind.__module__.startswith(_ENGINE):
            return
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped, names)
            return
        call = getattr(kind, "__call__", None)  # noqa: B004 (its code is wanted, not whether it is callable)
        if isinstance(call, FunctionType):
            self.visit(call)
            names = names | _names(call.__code__)
        if dataclasses.is_dataclass(kind):  # a model: its parameters are read by code that is not searched
            names = names | {field.name for field in dataclasses.fields(kind)}
        self._attributes(value, value.__class__, names)

    def _attributes(self, value: Any, kind: type, names: frozenset[str]) -> None:
        """The attributes of a user's object or class: its own, its classes', and those that its methods ask for."""
        users = [base for base in kind.__mro__ if _is_users(base.__module__)]
        own = {slot for base in users for slot in _slots(base)}
        if value is not kind:
            own |= getattr(value, "__dict__", {}).keys()
        asked = set(names)
        pending = list(names)
        while pending:
            name = pending.pop()
            held = name in own
            for found in (vars(base)[name] for base in users if name in vars(base)):
                function = getattr(found, "fget", getattr(found, "func", getattr(found, "__func__", found)))
                if isinstance(function, FunctionType):  # a method, a property
                    self.visit(function)
                    pending += _names(function.__code__) - asked
                    asked |= _names(function.__code__)
                held = held or not hasattr(found, "__get__")
            if held:
                self.place(functools.partial(getattr, value, name), names)


def _slots(kind: type) -> tuple[str, ...]:
    slots: Any = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_users(module: str) -> bool:
    """Whether a module is neither Python's, NumPy's nor chainrule's."""
    return module.partition(".")[0] not in _OWN_MODULES


def _names(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in a code object and in those nested in it; strings may name attributes."""
    nested = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    strings = (constant for constant in code.co_consts if isinstance(constant, str) and constant.isidentifier())
    return frozenset(code.co_names).union(strings, *nested)


def _now(place: Place) -> Any:
    try:
        return place.read()
    except (ValueError, KeyError, IndexError, AttributeError):
        return _GONE


_GONE: Final = object()
