"""The reference backend: each node by its NumPy meaning, in order. What every other backend is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backend.base import Array, Backend, Donations, Memory, Misfit
from chainrule.backend.fits import fits
from chainrule.backend.overlap import unusable
from chainrule.backend.pieces import Pieces
from chainrule.ir.evaluate import evaluate, give
from chainrule.ir.graph import CONSTANT, Graph, Value


@dataclass(frozen=True)
class Report:
    """What the reference backend runs: the nodes of a graph, one after the other."""

    graph: Graph

    def __str__(self) -> str:
        return f"reference backend: NumPy, node by node, each a call of NumPy's\n{self.graph}\n{self.graph.cost()}"

    __repr__ = __str__


class Interpreted:
    """A graph that is run node by node. NumPy's floating-point warnings are off, as they are in compiled code."""

    compiled = 1  # each graph is laid out anew

    def __init__(self, graph: Graph, donations: Donations) -> None:
        self._graph = graph
        self._donations = donations
        self._donated = {place for place, _ in donations}
        self._types = tuple([value.type for value in graph.inputs])

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs; all are computed before the first input is written over."""
        if not all(map(fits, inputs, self._types)) or unusable(inputs, self._donated) is not None:
            raise Misfit
        with np.errstate(all="ignore"):
            return self._given(evaluate(self._graph, inputs), inputs)

    def _given(self, outs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """What was computed as the caller has it; donated inputs are written over."""
        over = {out: inputs[place] for place, out in self._donations}
        given = iter(give((x for i, x in enumerate(outs) if i not in over), held=inputs))
        computed = {out: outs[out].copy() if _aliases(outs[out], inputs) else outs[out] for out in over}
        for out, x in over.items():
            np.copyto(x, computed[out])
        return [over[i] if i in over else next(given) for i in range(len(outs))]

    def begin(self, inputs: tuple[Any, ...]) -> Pieces:
        """The call in pieces; see backend/base.py."""
        if not all(map(fits, inputs, self._types)) or unusable(inputs, self._donated) is not None:
            raise Misfit
        return Pieces(self._graph, inputs, lambda outs: self._given(outs, inputs))

    def bind(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Callable[[], None]:
        """The call with these buffers: what is computed is copied into them."""
        weak = [type.weak for type in self._types]

        def run() -> None:
            values = [x.item() if is_weak else x for x, is_weak in zip(inputs, weak, strict=True)]
            with np.errstate(all="ignore"):
                computed = [np.array(x) for x in evaluate(self._graph, values)]
            for x, out in zip(computed, outputs, strict=True):
                np.copyto(out, x)

        return run

    def report(self) -> Report:
        """The nodes."""
        return Report(self._graph)

    def memory(self) -> Memory:
        """The bytes of the values, of those in between the most that are alive at once; NumPy's own are not counted."""
        written = {out for _, out in self._donations}
        outputs = sum(value.type.nbytes for i, value in enumerate(self._graph.outputs) if i not in written)
        nodes = [node for node in self._graph.nodes if node.op is CONSTANT]
        constants = sum(type.nbytes for node in nodes for type in node.types)
        return Memory(sum(type.nbytes for type in self._types), outputs, constants, _most_alive(self._graph))


class ReferenceBackend(Backend):
    """Runs graphs on NumPy."""

    name = "reference"

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> Interpreted:
        """The graph itself, ready to run. `threads` are NumPy's own affair."""
        del threads
        return Interpreted(graph, donations)


def _aliases(x: Any, inputs: Sequence[Any]) -> bool:
    return isinstance(x, np.ndarray) and any(isinstance(y, np.ndarray) and np.may_share_memory(x, y) for y in inputs)


def _most_alive(graph: Graph) -> int:
    """The largest sum of bytes of values, neither inputs, outputs nor constants, that are needed at one time."""
    fixed = {*graph.inputs, *graph.outputs}
    alive: dict[Value, int] = {}
    most = 0
    for node, dying in zip(graph.nodes, graph.last_uses, strict=True):
        if node.op is not CONSTANT:
            alive.update((value, value.type.nbytes) for value in node.results if value not in fixed)
        most = max(most, sum(alive.values()))
        for value in dying:
            alive.pop(value, None)
    return most
