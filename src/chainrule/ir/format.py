"""The text form of a graph, printed: `%7: f32[5,11] = tanh(%6)`. ir/text.py reads it back and has the grammar."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, cast

import numpy as np

from chainrule.ir.node import ArrayRef, Block, Node, Value, reachable
from chainrule.types import SHORT_NAMES, type_of

WIDTH: Final = 110
INDENT: Final = "    "
DEEPEST: Final = 64
"""Graphs, and tuples in their text, may be nested so deep: no walk overflows Python's stack."""


def format_graph(graph: Block, where: bool = False) -> str:
    """The text of a graph; with `where`, each node's line ends with its place in the user's program."""
    printer = _Printer(where)
    lines = [printer.block(graph, "")]
    lines += [f"@{name}: {type_of(ref.array)}" for name, ref in printer.constants.items()]
    return "\n".join(lines)


def format_node(graph: Block, node: Node) -> str:
    """The line of one node as it stands in the graph's text, graphs among its attributes left out."""
    nodes = reachable(graph.outputs, [value.node for value in graph.inputs])
    return _Printer(where=False, nested=False).node(node, _names(graph, nodes), "")


def constant_arrays(graph: Block) -> dict[str, np.ndarray[Any, Any]]:
    """The side table of the graph's text: the array behind each `@c0`, by the name without the `@`."""
    printer = _Printer(where=False)
    printer.block(graph, "")
    return {name: ref.array for name, ref in printer.constants.items()}


class _Printer:
    """Writes graphs as text; `constants` are the arrays met on the way, by name."""

    def __init__(self, where: bool, nested: bool = True) -> None:
        self.where = where
        self.nested = nested
        self.constants: dict[str, ArrayRef] = {}
        self._names: dict[int, str] = {}  # of arrays, by id

    def block(self, graph: Block, indent: str) -> str:
        """`graph(%0: f32[3]) { ... }`, its lines but the first indented."""
        inner = indent + INDENT
        names = _names(graph, graph.nodes)
        inputs = [
            f"{names[value]}: {value.type}{' donated' if place in graph.donated else ''}"
            for place, value in enumerate(graph.inputs)
        ]
        head = f"graph({', '.join(inputs)}) {{"
        if len(indent) + len(head) > WIDTH:
            head = "graph(\n" + "".join(f"{inner}{text},\n" for text in inputs) + f"{indent}) {{"
        lines = [head]
        for node in graph.nodes:
            place = f"  # {_one_line(str(node.where))}" if self.where and node.where is not None else ""
            lines.append(inner + self.node(node, names, inner) + place)
        outputs = ", ".join(names[value] for value in graph.outputs)
        lines.append(f"{inner}return {outputs}" if outputs else f"{inner}return")
        return "\n".join([*lines, indent + "}"])

    def node(self, node: Node, names: dict[Value, str], indent: str) -> str:
        """`%7: f32[3] = multiply(%1, %2)`; what has no name is `%?`."""
        results = ", ".join(names.get(value, "%?") for value in node.results)
        types = ", ".join(map(str, node.types))
        given = [names.get(value, "%?") for value in node.inputs]
        given += [f"{name}={self.literal(value, indent)}" for name, value in node.attrs.items()]
        return f"{results}: {types} = {node.op}({', '.join(given)})"

    def literal(self, value: Any, indent: str) -> str:
        """An attribute's value. NaN is NaN, whatever its bits; what text cannot hold is `<its name>`."""
        match value:
            case None | bool():
                return str(value).lower()
            case str():
                return json.dumps(value)
            case np.generic() if cast(Any, value).dtype in SHORT_NAMES:
                return _scalar(value)
            case int() | float() if type(value) in (int, float):
                return repr(value)
            case tuple():
                inner = [self.literal(part, indent) for part in cast("tuple[Any, ...]", value)]
                return f"({inner[0]},)" if len(inner) == 1 else f"({', '.join(inner)})"
            case ArrayRef():
                return "@" + self._constant(value)
            case Block():
                return self.block(value, indent) if self.nested else "graph(...) {...}"
            case _:
                name = getattr(value, "__qualname__", type(value).__qualname__)
                return f"<{name.translate({ord('<'): None, ord('>'): None})}>"

    def _constant(self, ref: ArrayRef) -> str:
        name = self._names.setdefault(id(ref.array), f"c{len(self._names)}")
        self.constants.setdefault(name, ref)
        return name


def _names(graph: Block, nodes: Iterable[Node]) -> dict[Value, str]:
    """`%0`, `%1`, ... for the inputs, then for the results of each node."""
    found: dict[Value, str] = {}
    for value in (*graph.inputs, *(value for node in nodes for value in node.results)):
        found.setdefault(value, f"%{len(found)}")
    return found


def _scalar(value: Any) -> str:
    """A NumPy scalar such as `f32(0.1)`: the shortest number that gives it again."""
    short = SHORT_NAMES[value.dtype]
    if value.dtype.kind != "f":
        return f"{short}({str(value.item()).lower()})"
    shortest, exact = float(str(value)), float(value)
    return f"{short}({shortest if value.dtype.type(shortest) == value else exact!r})"


def _one_line(text: str) -> str:
    return " ".join(text.split())
