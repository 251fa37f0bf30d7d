"""The reference backend: each node by its NumPy meaning, in order. What every other backend is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, OutOfRangeError
from chainrule.ir.graph import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class Step:
    """One node, its operands and results as places in the list of values, and the places that are free after it."""

    node: Node
    operands: tuple[int, ...]
    attrs: dict[str, Any]
    results: tuple[int, ...]
    dying: tuple[int, ...]


class Program:
    """A graph ready to run."""

    def __init__(self, graph: Graph) -> None:
        places: dict[Value, int] = {value: place for place, value in enumerate(graph.inputs)}
        for node in graph.nodes:
            first = len(places)
            places.update((value, first + i) for i, value in enumerate(node.results))
        self.size = len(places)
        self.outputs = [places[value] for value in graph.outputs]
        self.steps = [
            Step(
                node,
                tuple(places[value] for value in node.inputs),
                dict(node.attrs),
                tuple(places[value] for value in node.results),
                tuple(places[value] for value in dying),
            )
            for node, dying in zip(graph.nodes, graph.last_uses, strict=True)
        ]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        values: list[Any] = [*inputs, *[None] * (self.size - len(inputs))]
        with np.errstate(all="ignore"):
            for step in self.steps:
                op = step.node.op
                try:
                    out = op(*[values[place] for place in step.operands], **step.attrs)
                except (ChainruleError, IndexError) as error:
                    raise _located(error, step.node) from error
                if op.several:
                    for place, result in zip(step.results, out, strict=True):
                        values[place] = result
                else:
                    values[step.results[0]] = out
                for place in step.dying:
                    values[place] = None
        return [values[place] for place in self.outputs]


class ReferenceBackend:
    """Runs graphs on NumPy."""

    name = "reference"

    def compile(self, graph: Graph) -> Program:
        """The graph as a list of steps."""
        return Program(graph)


def _located(error: Exception, node: Node) -> Exception:
    """The error with the line that the operation was written in."""
    kind = type(error) if isinstance(error, ChainruleError) else OutOfRangeError
    return kind(f"{error} (in `{node.op}` written at {node.where})")
