"""The reference backend: each node by its NumPy meaning, in order. What every other backend is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backend.base import Backend
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph


@dataclass(frozen=True, eq=False)
class Interpreted:
    """A graph that is run node by node. NumPy's floating-point warnings are off, as they are in compiled code."""

    graph: Graph

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return evaluate(self.graph, inputs)


class ReferenceBackend(Backend):
    """Runs graphs on NumPy."""

    name = "reference"

    def compile(self, graph: Graph) -> Interpreted:
        """The graph itself, ready to run."""
        return Interpreted(graph)
