"""Trees: dicts, lists, tuples and dataclasses whose leaves are arrays.

`flatten` takes a tree apart into its leaves and a `Structure`; `unflatten` puts one together again. A dataclass field
is a `param` (trained), a `state` (carried along, no gradient) or `static` (part of the structure, hashed, compared).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from chainrule.errors import TreeError, message
from chainrule.where import user_location

__all__ = ["Structure", "flatten", "named_leaves", "tree_map", "unflatten"]

Kind = Literal["param", "state", "static"]
FIELD_KIND: Final = "chainrule.kind"


@dataclass(frozen=True, slots=True)
class Structure:
    """A tree without its leaves: the container's type, its keys, its static part, and the children's structures.

    A leaf has `container` None.
    """

    container: type | None
    keys: tuple[Any, ...]
    static: tuple[Any, ...]
    children: tuple[Structure, ...]
    size: int
    order: tuple[Any, ...] = field(default=(), compare=False)  # a dict's own order of its keys, which are sorted here
    exact: tuple[Any, ...] = field(default=(), compare=False)  # what == does not tell apart and a program may

    def paths(self) -> list[str]:
        """The name of every leaf, such as `layers.0.weight`; the name of a tree that is one leaf is empty."""
        return [".".join(map(str, path)) for path, _ in self._walk((), "param")]

    def kinds(self) -> list[Kind]:
        """The kind of every leaf: `param`, or `state` where it or a tree above it is declared as state."""
        if not is_record(self.container) and all(child is LEAF for child in self.children):
            return ["param"] * self.size
        return [kind for _, kind in self._walk((), "param")]

    def _walk(self, path: tuple[Any, ...], kind: Kind) -> Iterable[tuple[tuple[Any, ...], Kind]]:
        if self.container is None:
            yield path, kind
        for key, child in zip(self.keys, self.children, strict=True):
            own = _field_kinds(self.container).get(key, kind) if is_record(self.container) else kind
            yield from child._walk((*path, key), "state" if kind == "state" else own)

    def __str__(self) -> str:
        if self.container is None:
            return "*"
        inner = ", ".join(f"{key}: {child}" for key, child in zip(self.keys, self.children, strict=True))
        return f"{self.container.__name__}({inner})"


LEAF: Final = Structure(None, (), (), (), 1)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree, in order, and its structure. None is a tree without leaves."""
    leaves: list[Any] = []
    try:
        return leaves, _take_apart(tree, leaves)
    except RecursionError:
        got = f"a {type(tree).__name__} that is deeper, or holds itself"
        raise TreeError(message("a tree of at most some hundred levels", got, user_location(), "a flat list")) from None


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The tree with the given structure and leaves."""
    if len(leaves) != structure.size:
        raise TreeError(message(f"{structure.size} leaves for {structure}", len(leaves)))
    return _put_together(structure, iter(leaves))


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of `function(leaf, *leaves of the others at the same place)`."""
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        column, found = flatten(other)
        if found != structure:
            raise TreeError(message(f"a tree like {structure}", found))
        columns.append(column)
    return unflatten(structure, [function(*row) for row in zip(*columns, strict=True)])


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths."""
    leaves, structure = flatten(tree)
    return dict(zip(structure.paths(), leaves, strict=True))


def _take_apart(tree: Any, leaves: list[Any]) -> Structure:
    container = tree.__class__
    if container is tuple or container is list:
        return _node(container, tuple(range(len(tree))), (), tree, leaves)
    if container is dict:
        order = tuple(tree)
        keys = tuple(sorted(order)) if all(isinstance(key, str) for key in order) else order
        return _node(dict, keys, (), [tree[key] for key in keys], leaves, order)
    if tree is None:
        return _node(container, (), (), (), leaves)
    if is_record(container):
        names, statics = record_fields(container)
        static = tuple(getattr(tree, name) for name in statics)
        return _node(container, names, static, [getattr(tree, name) for name in names], leaves)
    if _is_namedtuple(container):
        return _node(container, container._fields, (), tree, leaves)
    leaves.append(tree)
    return LEAF


def _node(
    container: type,
    keys: tuple[Any, ...],
    static: tuple[Any, ...],
    children: Any,
    leaves: list[Any],
    order: tuple[Any, ...] = (),
) -> Structure:
    before = len(leaves)
    structures = tuple([_take_apart(child, leaves) for child in children])
    own = (() if order == keys else order, mark(static))
    nested = tuple([structure.exact for structure in structures])
    exact = (own, nested) if own != ((), ()) or any(nested) else ()
    return Structure(container, keys, static, structures, len(leaves) - before, order, exact)


def mark(value: Any) -> Any:
    """What == does not see of a static value: its type, and the sign of a zero; for a tuple that of its elements."""
    kind = value.__class__
    if kind is tuple:
        return tuple([mark(part) for part in value])
    return value.hex() if kind is float else kind


def same_static(a: Any, b: Any) -> bool:
    """Whether two static values are alike to any program: equal, and of one mark; of floats NaN is NaN."""
    return mark(a) == mark(b) and (isinstance(a, float) or bool(a == b))


def _put_together(structure: Structure, leaves: Any) -> Any:
    container: Any = structure.container
    if container is None:
        return next(leaves)
    children = [_put_together(child, leaves) for child in structure.children]
    if container is list:
        return children
    if container is tuple:
        return tuple(children)
    if container is dict:
        found = dict(zip(structure.keys, children, strict=True))
        return {key: found[key] for key in structure.order}
    if container is type(None):
        return None
    if is_record(container):
        record = object.__new__(container)
        for name, child in zip(structure.keys, children, strict=True):
            object.__setattr__(record, name, child)
        for name, value in zip(record_fields(container)[1], structure.static, strict=True):
            object.__setattr__(record, name, value)
        return record
    return container(*children)


@cache
def is_record(container: type | None) -> bool:
    """Whether a container is a dataclass."""
    return container is not None and dataclasses.is_dataclass(container)


def _is_namedtuple(container: type) -> bool:
    return hasattr(container, "_fields") and issubclass(container, tuple)


@cache
def _field_kinds(container: type) -> dict[str, Kind]:
    return {field.name: field.metadata.get(FIELD_KIND, "param") for field in dataclasses.fields(container)}


@cache
def record_fields(container: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a dataclass's fields: those that hold trees, and the static ones."""
    kinds = _field_kinds(container)
    return tuple(n for n, kind in kinds.items() if kind != "static"), tuple(
        n for n, kind in kinds.items() if kind == "static"
    )
