"""`take_apart`: the arguments of one call of a staged function as traced leaves, and all else as one hashable form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from chainrule.errors import ArgumentError, DTypeError, message
from chainrule.tree import Structure, flatten, mark, same_static, unflatten
from chainrule.types import Type, type_of
from chainrule.where import user_location

STATIC: Final = (bool, int, str, bytes)
"""What is part of the program where it is an argument, and a constant where it is a result."""


class Form(NamedTuple):
    """What is static of a call's arguments, hashable, and so the same for many calls."""

    structure: Structure  # of (args, kwargs)
    exact: tuple[Any, ...]
    statics: tuple[Any, ...]
    places: tuple[int, ...]  # of the traced leaves

    def name(self, number: int) -> str:
        """The name of a traced leaf for people: the number or the keyword of its argument, and where it is in it."""
        return self.structure.paths()[self.places[number]].partition(".")[2]


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call, taken apart: traced leaves, and everything that is static."""

    arrays: tuple[Any, ...]
    types: tuple[Type, ...]
    form: Form
    leaves: list[Any]  # all leaves; those that are traced are None

    def rebuild(self, arrays: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other values in place of the traced leaves."""
        leaves = list(self.leaves)
        for place, array in zip(self.form.places, arrays, strict=True):
            leaves[place] = array
        return unflatten(self.form.structure, leaves)

    def statics(self) -> dict[int, Any]:
        """The leaves that are not traced, by place."""
        traced = set(self.form.places)
        return {place: leaf for place, leaf in enumerate(self.leaves) if place not in traced}


def take_apart(
    parameters: tuple[str, ...], static: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    """The arguments as traced leaves and the form of the rest."""
    fixed = tuple(
        _Static(x, parameters[i]) if i < len(parameters) and parameters[i] in static else x for i, x in enumerate(args)
    )
    named = {name: _Static(x, name) if name in static else x for name, x in kwargs.items()}
    leaves, structure = flatten((fixed, named))
    arrays: list[Any] = []
    types: list[Type] = []
    places: list[int] = []
    statics: list[Any] = []
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, _Static):
            statics.append(leaf)
            leaves[place] = leaf.value
        elif isinstance(leaf, STATIC):
            statics.append((type(leaf), leaf))
        else:
            types.append(_argument_type(leaf, structure, place, parameters))
            arrays.append(leaf)
            places.append(place)
            leaves[place] = None
    form = Form(structure, structure.exact, tuple(statics), tuple(places))
    return Call(tuple(arrays), tuple(types), form, leaves)


def check_results(leaves: list[Any]) -> None:
    """Raises a DTypeError where a function returned something that a graph cannot."""
    for leaf in leaves:
        if not isinstance(leaf, STATIC):
            type_of(leaf, " as a result of the function")


class _Static:
    """The value of an argument in static_argnames, compared and hashed. No dataclass, since those are trees."""

    __slots__ = ("value",)

    def __init__(self, value: Any, name: str) -> None:
        try:
            hash(value)
        except TypeError:
            hint = "a tuple in place of a list, or an argument that is traced"
            expected = f"a hashable value for the static argument `{name}`"
            raise ArgumentError(message(expected, type(value).__name__, user_location(), hint)) from None
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and same_static(self.value, other.value)

    def __hash__(self) -> int:
        return hash(mark(self.value) if isinstance(self.value, float) else self.value)


def _argument_type(leaf: Any, structure: Structure, place: int, parameters: tuple[str, ...]) -> Type:
    try:
        return type_of(leaf)
    except DTypeError:
        path = structure.paths()[place].partition(".")[2]
        hint = "static_argnames= for an option"
        if path == "0" and parameters[:1] == ("self",):  # static, it would hide what changes in its attributes
            hint = "self.method = cr.jit(self.method) in __init__, or making the class an nn.Module"
        return type_of(leaf, f" for argument `{path}`", hint)  # says the same of the place
