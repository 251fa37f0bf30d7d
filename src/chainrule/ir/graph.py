"""`Graph`: a program over arrays that prints itself and counts what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from chainrule.ir.cost import Cost, cost
from chainrule.ir.format import format_graph
from chainrule.ir.node import (
    CONSTANT,
    INPUT,
    ArrayRef,
    Block,
    Node,
    Value,
    constant_value,
    input_value,
    reachable,
)

__all__ = [
    "CONSTANT",
    "INPUT",
    "ArrayRef",
    "Graph",
    "Node",
    "Value",
    "constant_value",
    "input_value",
    "reachable",
]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Graph(Block):
    """A function of arrays: inputs, outputs, and which inputs' memory the caller gives up (`donated`, positions)."""

    def cost(self) -> Cost:
        """What one call computes and moves: operations, multiply-adds of contractions, bytes."""
        return cost(self)

    def __str__(self) -> str:
        return format_graph(self)

    __repr__ = __str__
