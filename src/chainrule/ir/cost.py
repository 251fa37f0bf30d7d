"""`cost`: what one call of a graph computes and moves, counted from its types."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chainrule.ir.kinds import Contract, Reduce, Scalar
from chainrule.ir.node import CONSTANT, Block, Node


@dataclass(frozen=True)
class Cost:
    """What one call of a graph computes and moves. A loop's body counts as often as it runs.

    Bytes are those of a graph that is run node by node: each node reads its inputs and writes its results, nothing is
    fused and nothing stays in a cache.
    """

    nodes: Mapping[str, int]  # by operation, those of loops' bodies once
    elementwise: int  # elements that elementwise operations compute
    reduced: int  # elements that reductions read
    multiply_adds: int  # of contractions
    bytes_read: int
    bytes_written: int

    def __str__(self) -> str:
        rows = [("operation", "nodes")]
        rows += [(name, f"{count:,}") for name, count in sorted(self.nodes.items(), key=lambda row: (-row[1], row[0]))]
        rows += [
            ("all nodes", f"{sum(self.nodes.values()):,}"),
            ("elementwise results", f"{self.elementwise:,}"),
            ("reduced elements", f"{self.reduced:,}"),
            ("multiply-adds", f"{self.multiply_adds:,}"),
            ("bytes read", f"{self.bytes_read:,}"),
            ("bytes written", f"{self.bytes_written:,}"),
        ]
        left, right = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{name:<{left}}  {figure:>{right}}" for name, figure in rows)


def cost(graph: Block) -> Cost:
    """What one call of the graph computes and moves."""
    nodes: Counter[str] = Counter()
    work: Counter[str] = Counter()
    pending = [(graph, 1)]
    while pending:
        block, times = pending.pop()
        for node in block.nodes:
            nodes[node.op.name] += 1
            bodies = [attr for attr in node.attrs.values() if isinstance(attr, Block)]
            pending += [(body, times * node.attrs.get("length", 1)) for body in bodies]
            if not bodies and node.op is not CONSTANT:
                _count(node, times, work)
    names = ("elementwise", "reduced", "multiply_adds", "bytes_read", "bytes_written")
    return Cost(MappingProxyType(dict(nodes)), *(work[name] for name in names))


def _count(node: Node, times: int, work: Counter[str]) -> None:
    """Adds what one node computes and moves when it is run `times` times."""
    made = sum(type.size for type in node.types)
    match node.op.lowering:
        case Scalar():
            work["elementwise"] += times * made
        case Reduce():
            work["reduced"] += times * node.inputs[0].type.size
        case Contract():
            axes: tuple[int, ...] = node.attrs["contract"][0]
            work["multiply_adds"] += times * made * math.prod(node.inputs[0].shape[axis] for axis in axes)
        case _:
            pass
    work["bytes_read"] += times * sum(value.type.nbytes for value in node.inputs)
    work["bytes_written"] += times * sum(type.nbytes for type in node.types)
