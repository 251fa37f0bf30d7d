"""`Node`, `Value`, `Block`: operations applied to values, and their order, as immutable data.

Users meet a `Block` as `Graph` (ir/graph.py), which adds what a program can say of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from chainrule.errors import GraphError, message
from chainrule.ir.kinds import Case, IndexMap
from chainrule.ir.op import Op
from chainrule.types import Shape, Type, type_of
from chainrule.where import Where

_SERIALS: Final = count()


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Value:
    """An edge: result `index` of `node`."""

    node: Node
    index: int

    @property
    def type(self) -> Type:
        return self.node.types[self.index]

    @property
    def shape(self) -> Shape:
        return self.node.types[self.index].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.node.types[self.index].dtype

    def __repr__(self) -> str:
        return f"Value({self.type}, result {self.index} of {self.node.op})"


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Node:
    """One operation applied to values. `where` is the user's line; it takes no part in any comparison of nodes."""

    op: Op
    inputs: tuple[Value, ...]
    attrs: Mapping[str, Any]
    types: tuple[Type, ...]
    where: Where | None = None
    results: tuple[Value, ...] = field(init=False)
    serial: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attrs", MappingProxyType(dict(self.attrs)))
        object.__setattr__(self, "results", tuple(Value(self, index) for index in range(len(self.types))))
        object.__setattr__(self, "serial", next(_SERIALS))

    def __repr__(self) -> str:
        return f"Node({', '.join(map(str, self.types))} = {self.op} of {len(self.inputs)} inputs)"


@dataclass(frozen=True, eq=False, repr=False)
class Block:
    """Inputs, outputs, and which inputs' memory the caller gives up (`donated`, positions)."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    donated: frozenset[int] = frozenset()

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the outputs depend on, without the inputs, in the order in which they were made."""
        given = {value.node for value in self.inputs}
        reached = reachable(self.outputs, given)
        free = next((node for node in reached if node.op is INPUT and node not in given), None)
        if free is not None:
            got = f"a free input of type {free.types[0]}"
            raise GraphError(message("a graph whose inputs are all listed", got, free.where))
        return tuple(node for node in reached if node not in given)

    @cached_property
    def last_uses(self) -> tuple[tuple[Value, ...], ...]:
        """For each node: the values that nothing after it reads."""
        user: dict[Value, Node] = {}
        for node in self.nodes:
            user.update((value, node) for value in (*node.results, *node.inputs))
        for value in self.outputs:
            user.pop(value, None)
        dying: dict[Node, list[Value]] = {node: [] for node in self.nodes}
        for value, node in user.items():
            dying[node].append(value)
        return tuple(tuple(dying[node]) for node in self.nodes)


def reachable(outputs: Iterable[Value], stop: Iterable[Node] = ()) -> list[Node]:
    """The nodes that `outputs` depend on, not looking behind the nodes in `stop`, in the order they were made."""
    seen = set[Node]()
    behind = set(stop)
    pending = [value.node for value in outputs]
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            if node not in behind:
                pending.extend(value.node for value in node.inputs)
    return sorted(seen, key=lambda node: node.serial)


@dataclass(frozen=True, eq=False)
class ArrayRef:
    """An array that a traced function found outside itself: read at every call, since NumPy arrays are mutable."""

    array: np.ndarray[Any, Any]


def constant_value(value: Any) -> Any:
    """The array or the number that a `constant` node holds."""
    return value.array if isinstance(value, ArrayRef) else value


def input_value(type: Type, where: Where | None = None) -> Value:
    """A new input of a graph."""
    return Node(INPUT, (), {}, (type,), where).results[0]


def _no_input_type(**_: Any) -> Type:
    raise GraphError(message("the type of an input from the graph it belongs to", "nothing"))


INPUT: Final = Op(
    "input",
    _no_input_type,
    _no_input_type,
    None,
    IndexMap(),
    (Case(()),),
    "An input of a graph; it has no inputs itself.",
)


def _constant_type(*, value: Any) -> Type:
    return type_of(constant_value(value))


def _constant_array(*, value: Any) -> Any:
    return constant_value(value)


CONSTANT: Final = Op(
    "constant",
    _constant_type,
    _constant_array,
    None,
    IndexMap(),
    (Case((), {"value": 2.5}), Case((), {"value": ArrayRef(np.arange(3.0))})),
    "A number, or an array from outside the traced function (printed `@c0`, read at every call).",
)
