"""Functions that are written for one structure, as text: they do what `flatten` and `unflatten` do without a walk.

A staged function that trains a network is called again and again with trees of one structure. What takes such a call
apart checks classes, lengths, keys and static values in the order of the tree, and reads attributes and elements:

    if type(t1) is not k3: return None
    t4 = t1.weight
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from chainrule.tree import Structure, is_record, record_fields, same_static

Take: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any], Sequence[Any]], tuple[Any, ...] | None]
Build: TypeAlias = Callable[[Sequence[Any], tuple[Any, ...]], Any]
Path: TypeAlias = tuple[tuple[Literal["element", "attribute"], Any], ...]
"""How a part of a tree is reached from its root."""

GONE: Final = (ValueError, LookupError, AttributeError, TypeError, RuntimeError)
"""What reading a place raises that is no longer there: an empty cell, a deleted name, a set that changed meanwhile."""


class Text:
    """The lines of a function, and the objects that they name."""

    def __init__(self, **names: Any) -> None:
        self.names: dict[str, Any] = {**names, "GONE": GONE}
        self._lines: list[str] = []
        self._known: dict[int, str] = {}
        self._variables = 0

    def name(self, value: Any) -> str:
        """A name for an object, by which the function knows it."""
        found = self._known.setdefault(id(value), f"k{len(self._known)}")
        self.names[found] = value
        return found

    def variable(self) -> str:
        """The name of a new local variable."""
        self._variables += 1
        return f"t{self._variables}"

    def line(self, text: str) -> None:
        """Adds a line."""
        self._lines.append(f"        {text}\n")

    def function(self, parameters: str, gone: str = "") -> Any:
        """The function of these lines; where `gone` is given, it is what is returned when something is not there."""
        lines = "".join(self._lines)
        guarded = f"    try:\n{lines}    except GONE:\n        return {gone}\n" if gone else f"    if True:\n{lines}"
        exec(compile(f"def written({parameters}):\n{guarded}", "<written>", "exec"), self.names)
        return self.names["written"]


def write_take(structure: Structure, statics: Mapping[int, Any], captures: bool) -> Take:
    """`take(args, kwargs, captured)`: the traced leaves, then what was captured; None where the arguments differ.

    `structure` is that of (args, kwargs); `statics` are the values of the leaves that are not traced, by place.
    """
    writer = _Taker(statics)
    for child, variable in zip(structure.children, ("args", "kwargs"), strict=True):
        writer.tree(child, variable)
    found = [*writer.found, *(["*captured"] if captures else [])]
    writer.text.line(f"return ({''.join(f'{x}, ' for x in found)})")
    take: Take = writer.text.function("args, kwargs, captured", gone="None")
    return take


class _Taker:
    """The text of what takes trees apart. Lines that read are followed by those that check what was read."""

    def __init__(self, statics: Mapping[int, Any]) -> None:
        self.text = Text(same=same_static)
        self.found: list[str] = []  # variables that hold the traced leaves
        self._statics = statics
        self._place = 0

    def tree(self, structure: Structure, x: str) -> None:
        """Takes the tree apart that the variable x holds."""
        container = structure.container
        if container is None:
            self._leaf(x)
        elif container is type(None):
            self._require(f"{x} is None")
        else:
            self._require(f"type({x}) is {self.text.name(container)}")
            parts = self._fields(structure, x) if is_record(container) else self._elements(structure, x)
            for part, child in zip(parts, structure.children, strict=True):
                self.tree(child, part)

    def _leaf(self, x: str) -> None:
        if self._place in self._statics:
            self._static(self._statics[self._place], x)
        else:
            self.found.append(x)
        self._place += 1

    def _static(self, value: Any, x: str) -> None:
        name = self.text.name(value)
        self._require(f"{x} is {name} or same({x}, {name})")

    def _fields(self, structure: Structure, x: str) -> list[str]:
        for name, value in zip(record_fields(structure.container)[1], structure.static, strict=True):
            self._static(value, f"{x}.{name}")
        parts = [self.text.variable() for _ in structure.keys]
        for part, name in zip(parts, structure.keys, strict=True):
            self.text.line(f"{part} = {x}.{name}")
        return parts

    def _elements(self, structure: Structure, x: str) -> list[str]:
        parts = {key: self.text.variable() for key in structure.keys}
        order = structure.order if structure.container is dict else structure.keys
        if structure.container is dict and order:
            self._require(f"[*{x}] == {self.text.name(list(order))}")
            x = f"{x}.values()"
        if order:
            self.text.line(f"{''.join(f'{parts[key]}, ' for key in order)} = {x}")
        else:
            self._require(f"not {x}")
        return list(parts.values())

    def _require(self, condition: str) -> None:
        self.text.line(f"if not ({condition}): return None")


def write_build(
    structure: Structure,
    leaves: Mapping[int, int],
    constants: Mapping[int, Any],
    kept: Callable[[Structure, int], Path | None],
) -> Build:
    """`build(outs, args)`: the tree whose leaf number i is output number `leaves[i]`, or `constants[i]`.

    `kept(part, place)`: where among the arguments there is an object that stands for a part, whose first leaf is number
    `place`.
    """
    writer = _Builder(leaves, constants, kept)
    writer.text.line(f"return {writer.tree(structure)}")
    build: Build = writer.text.function("outs, args")
    return build


class _Builder:
    """The text of what puts a tree together. Each part is an expression."""

    def __init__(
        self,
        leaves: Mapping[int, int],
        constants: Mapping[int, Any],
        kept: Callable[[Structure, int], Path | None],
    ) -> None:
        self.text = Text(new=object.__new__, set=object.__setattr__)
        self._leaves, self._constants, self._kept = leaves, constants, kept
        self._place = 0

    def tree(self, structure: Structure) -> str:
        """What a part is, after lines that make it."""
        container = structure.container
        if container is None:
            place = self._place
            self._place += 1
            return f"outs[{self._leaves[place]}]" if place in self._leaves else self.text.name(self._constants[place])
        path = self._kept(structure, self._place)
        if path is not None:
            self._place += structure.size
            return self._follow(path)
        if container is type(None):
            return "None"
        parts = [self.tree(child) for child in structure.children]
        return self._assign(self._fresh(structure, container, parts))

    def _follow(self, path: Path) -> str:
        steps = [f".{key}" if how == "attribute" else f"[{self.text.name(key)}]" for how, key in path]
        return f"args{''.join(steps)}"

    def _fresh(self, structure: Structure, container: Any, parts: list[str]) -> str:
        if container is list:
            return f"[{', '.join(parts)}]"
        if container is tuple:
            return f"({''.join(f'{part}, ' for part in parts)})"
        if container is dict:
            by_key = dict(zip(structure.keys, parts, strict=True))
            return f"{{{', '.join(f'{self.text.name(key)}: {by_key[key]}' for key in structure.order)}}}"
        if not is_record(container):
            return f"{self.text.name(container)}({', '.join(parts)})"
        record = self._assign(f"new({self.text.name(container)})")
        for name, part in zip(structure.keys, parts, strict=True):
            self.text.line(f"set({record}, {name!r}, {part})")
        for name, value in zip(record_fields(container)[1], structure.static, strict=True):
            self.text.line(f"set({record}, {name!r}, {self.text.name(value)})")
        return record

    def _assign(self, expression: str) -> str:
        variable = self.text.variable()
        self.text.line(f"{variable} = {expression}")
        return variable
