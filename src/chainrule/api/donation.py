"""Donation: which result is written over which array that the caller gives up, and what of his trees stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.api.call import Call
from chainrule.api.written import Path
from chainrule.backend.overlap import unusable
from chainrule.errors import OwnershipError, message
from chainrule.ir.graph import Value
from chainrule.tree import Structure, is_record, same_static
from chainrule.types import type_of
from chainrule.where import user_location


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """What a staged function returns: a tree whose leaves are outputs of the graph, by number, or constants."""

    structure: Structure
    leaves: dict[int, int]
    constants: dict[int, Any]

    @classmethod
    def of(cls, structure: Structure, constants: dict[int, Any]) -> Result:
        """The result whose leaves that are no constants are outputs, in order."""
        places = [place for place in range(structure.size) if place not in constants]
        return cls(structure, {place: number for number, place in enumerate(places)}, constants)


def pair_up(call: Call, numbers: Sequence[int], result: Result, outputs: Sequence[Value]) -> dict[int, int]:
    """Which input each output is written over, where it is; `numbers` are those of the arguments that are given up.

    A part of the result that is a tree like a whole argument goes over that one, leaf by leaf. What is left goes, in
    order, over the first array of its type.
    """
    inputs = {place: number for number, place in enumerate(call.form.places)}
    arguments = list(_arguments(call.form.structure, numbers))
    leaves = [leaf for _, first, structure in arguments for leaf in range(first, first + structure.size)]
    free = {leaf: inputs[leaf] for leaf in leaves if leaf in inputs and not call.types[inputs[leaf]].weak}
    over: dict[int, int] = {}
    for place, part in _parts(result.structure):
        for _, first, structure in arguments:
            pairs = _leaf_by_leaf(result, place, part, first, structure)
            fits = all(leaf in free and call.types[free[leaf]] == outputs[out].type for leaf, out in pairs)
            if fits and not any(out in over for _, out in pairs):
                over.update((out, free.pop(leaf)) for leaf, out in pairs)
    for out, value in enumerate(outputs):
        leaf = next((leaf for leaf, number in free.items() if call.types[number] == value.type), None)
        if out not in over and leaf is not None:
            over[out] = free.pop(leaf)
    return over


def kept_objects(
    call: Call, numbers: Sequence[int], over: Mapping[int, int], result: Result
) -> Callable[[Structure, int], Path | None]:
    """What says where the object is that can stand for a part of the result: all its leaves were written over in place.

    Then it is that part: the same tree, its arrays holding the new numbers.
    """
    objects: dict[tuple[int, int], list[tuple[Structure, Path]]] = {}
    for number, first, structure in _arguments(call.form.structure, numbers):
        for place, part, path in _reached(structure, first, (("element", number),)):
            objects.setdefault((place, part.size), []).append((part, path))
    homes = {leaf: call.form.places[over[out]] for leaf, out in result.leaves.items() if out in over}
    statics = call.statics()

    def stays(leaf: int, home: int) -> bool:
        if leaf in result.constants:
            return home in statics and same_static(statics[home], result.constants[leaf])
        return homes.get(leaf) == home

    def kept(part: Structure, place: int) -> Path | None:
        written = next((leaf for leaf in range(place, place + part.size) if leaf in homes), None)
        if written is None:
            return None
        home = homes[written] - (written - place)
        if not all(stays(place + i, home + i) for i in range(part.size)):
            return None
        return next((path for found, path in objects.get((home, part.size), ()) if _is_like(found, part)), None)

    return kept


def check_donated(inputs: Sequence[Any], over: Mapping[int, int]) -> None:
    """Raises where a donated array cannot be overwritten or is passed twice."""
    number = unusable(inputs, set(over.values()))
    if number is None:
        return
    if not inputs[number].flags.writeable:
        expected, got, hint = "a donated array that is writable", "a read-only one", "x.copy()"
    else:
        expected, hint = "a donated array that nothing else uses", "passing a copy, or not donating it"
        got = f"one of type {type_of(inputs[number])} that is passed twice"
    raise OwnershipError(message(expected, got, user_location(), hint))


def _is_like(a: Structure, b: Structure) -> bool:
    return a == b and a.exact == b.exact


def _arguments(structure: Structure, numbers: Sequence[int]) -> Iterator[tuple[int, int, Structure]]:
    """Number, first leaf and structure of each positional argument that is given up."""
    place = 0
    for number, child in enumerate(structure.children[0].children):
        if number in numbers:
            yield number, place, child
        place += child.size


def _leaf_by_leaf(
    result: Result, place: int, part: Structure, first: int, structure: Structure
) -> list[tuple[int, int]]:
    """Pairs of a leaf of an argument and an output at the same place in trees that are alike; no trees, no pairs."""
    if part.container is None or not _is_like(part, structure):
        return []
    return [(first + i, result.leaves[place + i]) for i in range(part.size) if place + i in result.leaves]


def _parts(structure: Structure, place: int = 0) -> Iterator[tuple[int, Structure]]:
    """Each part of a tree after that which it is in, with its first leaf."""
    yield place, structure
    for child in structure.children:
        yield from _parts(child, place)
        place += child.size


def _reached(structure: Structure, place: int, path: Path) -> Iterator[tuple[int, Structure, Path]]:
    """Each part of a tree with its first leaf, and how it is reached."""
    yield place, structure, path
    by_name = is_record(structure.container)
    elements = structure.keys if structure.container is dict or by_name else range(len(structure.keys))
    for key, child in zip(elements, structure.children, strict=True):
        yield from _reached(child, place, (*path, ("attribute" if by_name else "element", key)))
        place += child.size
