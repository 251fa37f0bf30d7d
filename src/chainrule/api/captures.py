"""What a function finds outside its arguments: globals, closure cells, attributes, elements of containers.

A staged function is traced once. What it read then may be something else at the next call: arrays are read again, and
a number, a string or a function that has changed makes the function be traced anew. `find_captures` lists the places
that it can read from (api/places.py).

The search follows code: the attributes that the functions, methods and properties of the user's ask for, of whatever
object, are looked up in every object, class and module that they can reach, until nothing new is found. It may find
more than is read, which costs a comparison; what code reaches in other ways than these (iterators that are held, weak
references, other processes) it does not see.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import sys
import warnings
from array import array
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import BuiltinMethodType, CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Final, Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from chainrule.api.effects import source_of
from chainrule.api.places import PLAIN, Captures, Group, attributes, elements, group, items
from chainrule.errors import CaptureWarning, message
from chainrule.ir.op import Traced
from chainrule.where import is_users

_LIMIT: Final = 10_000  # objects looked at; a data set held as a list of lists is not a constant of a model
_ENGINE: Final = tuple(f"chainrule.{room}" for room in ("ir", "ops", "trace", "transform", "numpy", "backend"))
_GLOBALS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_MAKING: Final = frozenset({"__init__", "__new__", "__post_init__"})
_WRAPPERS: Final[Any] = (UserDict, UserList, ChainMap)
_OF_FUNCTIONS: Final = ("__code__", "__defaults__", "__kwdefaults__")
_BY_STRING: Final = frozenset({"getattr", "vars", "__dict__", "attrgetter"})  # these take attributes' names as strings


def find_captures(function: Callable[..., Any]) -> Captures:
    """The places that `function`, and the functions of the user's that it can reach, can read from."""
    walk = _Walk()
    walk.note(function)
    walk.run()
    if walk.pending:
        got = f"more than {_LIMIT:,}; a change of the others is not seen"
        hint = "an array for a list of lists, or passing it as an argument"
        text = message(f"a function that reaches at most {_LIMIT:,} objects outside itself", got, hint=hint)
        warnings.warn(text, CaptureWarning, stacklevel=3)
    return walk.captures


class _Names(NamedTuple):
    """What a code object, with those nested in it, reads by name."""

    variables: frozenset[str]
    attributes: frozenset[str]
    modules: frozenset[str]
    strings: frozenset[str]  # which may be the names of attributes where something takes them by strings


@dataclasses.dataclass(slots=True, eq=False)
class _Space:
    """Names and their values: the globals of a module, the attributes of an object or of a class."""

    held: Mapping[str, Any]
    always: set[str]  # looked up whether code asks for these names or not
    counted: bool  # whether a name more may hide another: one of an object that of its class
    found: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    asked: int = -1  # how many names were asked for when it was last looked at

    def group(self) -> Group:
        """The places that were found, to be read at once."""
        if isinstance(self.held, _Slots):
            return attributes(*[(self.held.owner, name) for name in self.found])
        return elements(self.held, self.found, self.counted)


class _Slots(Mapping[str, Any]):
    """The attributes that an object has in slots."""

    def __init__(self, held: Any) -> None:
        self.owner = held
        slots = [vars(kind).get("__slots__", ()) for kind in type(held).__mro__]
        self._names = {name for names in slots for name in ((names,) if isinstance(names, str) else names)}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        try:
            return getattr(self.owner, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Walk:
    """The search: every object once, and every space again for names that were not known before."""

    def __init__(self) -> None:
        self.captures = Captures()
        self.attributes: set[str] = set()
        self.strings: set[str] = set()
        self.by_string = False  # whether code takes attributes by strings
        self.home = ""  # the package of the function that is searched
        self.spaces: dict[int, _Space] = {}  # by id of what they belong to
        self.pending: list[Any] = []
        self.seen: dict[int, Any] = {}  # objects by id, kept alive

    def run(self) -> None:
        """Looks until nothing new is found."""
        while self.pending and len(self.seen) < _LIMIT:
            while self.pending and len(self.seen) < _LIMIT:
                self.visit(self.pending.pop())
            if self.by_string:
                self.attributes |= self.strings
            for space in list(self.spaces.values()):
                if space.asked < len(self.attributes) + len(space.always):
                    space.asked = len(self.attributes) + len(space.always)
                    names = (self.attributes & space.held.keys()) | space.always
                    for name in names - space.found.keys():
                        space.found[name] = space.held[name]
                        self.note(space.found[name])
        self.captures.groups.extend(space.group() for space in self.spaces.values() if space.found or space.counted)

    def note(self, value: Any) -> None:
        """Takes up what a place holds."""
        held: Any = value  # as which it is not narrowed to an array of an unknown dtype
        if isinstance(value, np.generic):
            self.captures.numbers[id(held)] = held
        elif isinstance(value, np.ndarray):
            self.captures.arrays[id(held)] = held
        elif isinstance(value, Traced):
            self.captures.traced.append(value)
        elif not isinstance(value, PLAIN) and id(value) not in self.seen:
            self.seen[id(value)] = value
            self.pending.append(value)

    def group(self, found: Group) -> None:
        """Takes up places that are read together."""
        if found.values:
            self.captures.groups.append(found)
        self._each(*found.values)

    def space(self, owner: Any, held: Mapping[str, Any], always: Iterable[str] = (), counted: bool = False) -> None:
        """Takes up names and values that belong to an object."""
        space = self.spaces.setdefault(id(owner), _Space(held, set(), counted))
        space.always |= set(always)

    def visit(self, value: Any) -> None:
        """Looks into a function, container, module, class or object."""
        held: Any = value  # as which it is not narrowed to a container of unknown things
        match value:
            case FunctionType():
                self._function(value)
            case MethodType():
                self._each(held.__func__, held.__self__)
            case functools.partial():
                self._each(held.func, held.args, held.keywords)
            case tuple():
                self._each(*held)
            case list() | deque():
                self.group(items(held))
            case dict() | MappingProxyType():
                self.group(group(lambda: (*held, *held.values())))
            case AbstractSet():
                self.group(group(lambda: (frozenset(held),)))
            case bytearray() | array():
                self.group(group(lambda: (bytes(held),)))
            case property() | staticmethod() | classmethod() | functools.cached_property():
                self._each(*[getattr(held, name, None) for name in ("fget", "__func__", "func")])
            case BuiltinMethodType():
                self._each(held.__self__)
            case ModuleType():
                if _owner(value.__name__, getattr(value, "__file__", None)) != "python":
                    self.space(vars(value), vars(value))
            case type():
                self._class(value, made=True)
            case _:
                pass
        if _module(held) != "builtins" and not isinstance(value, type):
            self._object(held)

    def _each(self, *parts: Any) -> None:
        for part in parts:
            self.note(part)

    def _function(self, function: FunctionType) -> None:
        cells = [(cell, "cell_contents") for cell in function.__closure__ or () if _is_filled(cell)]
        self.note(vars(function).get("__wrapped__"))
        code = function.__code__
        owner = _owner(function.__module__, code.co_filename)
        if owner == "python":
            self.group(attributes(*cells))
            return
        self.group(attributes(*[(function, name) for name in _OF_FUNCTIONS], *cells))
        self.home = self.home or _root(function.__module__)
        names = names_in(code)
        variables = elements(function.__globals__, names.variables)
        if owner == "library" and _root(function.__module__) != self.home:
            self._library(variables, names.attributes)
            return
        self.attributes |= names.attributes
        self.strings |= names.strings
        self.by_string = self.by_string or bool(_BY_STRING & (names.variables | names.attributes))
        self._each(*[sys.modules.get(name) for name in names.modules])
        self.space(function, vars(function))
        self.group(variables)

    def _library(self, variables: Group, names: frozenset[str]) -> None:
        """Takes up the variables of a function of an installed package, and of its modules, and looks no further."""
        modules = [x for x in variables.values if isinstance(x, ModuleType)]
        self.captures.groups += [variables, *[elements(vars(module), names) for module in modules]]

    def _class(self, kind: type, made: bool) -> None:
        """Takes up a class's attributes, with the code that runs unnamed: when an object is used, or `made`, too."""
        for base in kind.__mro__:
            if self._is_users(base.__module__):
                special = [name for name, part in vars(base).items() if _is_special(name, part)]
                special = special if made else [name for name in special if name not in _MAKING]
                self.space(base, vars(base), special, counted=True)

    def _is_users(self, module: Any) -> bool:
        """Whether a module's code is the user's: neither Python's nor of a package installed beside his own."""
        if not isinstance(module, str):  # a class may have an attribute of the name __module__
            return True
        owner = _owner(module, getattr(sys.modules.get(module), "__file__", None))
        return owner == "user" or (owner == "library" and _root(module) == self.home)

    def _object(self, value: Any) -> None:
        if _module(value).startswith(_ENGINE):
            return
        source = source_of(value)
        if source is not None:
            self.captures.sources.append(source)
            return
        attributes: dict[str, Any] | None = getattr(value, "__dict__", None)
        if attributes is not None and "__wrapped__" in attributes:
            self.note(attributes["__wrapped__"])
            return
        always = {"data", "maps"} if isinstance(value, _WRAPPERS) else set[str]()
        always |= getattr(value, "__dataclass_fields__", {}).keys()  # a model's parameters, read by code of ours
        slots = _Slots(value)
        if len(slots):
            self.space(slots, slots, always & slots.keys())
            self.seen[id(slots)] = slots
        if attributes is not None:
            self.space(attributes, attributes, always & attributes.keys(), counted=True)
        self._class(value.__class__, made=False)


_NAMES: Final[WeakKeyDictionary[CodeType, _Names]] = WeakKeyDictionary()


def names_in(code: CodeType) -> _Names:
    """What a code object, with those nested in it, reads by name."""
    known = _NAMES.get(code)
    if known is not None:
        return known
    variables, attributes, modules, strings = set[str](), set[str](), set[str](), set[str]()
    for step in dis.get_instructions(code):
        if step.opcode in dis.hasname and step.opname.startswith(("LOAD_", "IMPORT_")):
            kind = variables if step.opname in _GLOBALS else modules if step.opname == "IMPORT_NAME" else attributes
            kind.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for own, nested in zip((variables, attributes, modules, strings), names_in(constant), strict=True):
                own |= nested
        elif isinstance(constant, str) and constant.isidentifier():
            strings.add(constant)
    found = _NAMES[code] = _Names(*map(frozenset, (variables, attributes, modules, strings)))
    return found


def _is_filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 (asked for the error)
    except ValueError:
        return False
    return True


def _is_special(name: str, value: Any) -> bool:
    """Whether an attribute of a class is code that runs without being named, such as __call__ or __getitem__."""
    code = isinstance(value, (FunctionType, staticmethod, classmethod))
    return code and name.startswith("__") and name.endswith("__")


def _module(value: Any) -> str:
    """The name of the module that an object's class is of."""
    name: Any = type(value).__module__
    return name if isinstance(name, str) else ""  # a class may have an attribute of that name


def _root(module: str | None) -> str:
    """The package that a module is in."""
    return (module or "").partition(".")[0]


def _owner(module: str | None, file: str | None) -> Literal["python", "library", "user"]:
    """Whose a module, or a file of code in it, is; chainrule and NumPy count as Python's own."""
    if file is None:
        return "python" if _root(module) in sys.stdlib_module_names else "user"
    if _root(module) in ("numpy", "chainrule") or not (is_users(file) or file == "<string>"):
        return "python"
    return "library" if "-packages" in file else "user"
