"""What a backend is: it turns a graph into an `Executable`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from chainrule.ir.graph import Graph


class Executable(Protocol):
    """A compiled graph: called with its inputs (arrays, or Python floats where an input is weak) it gives its outputs.

    Inputs are only read; an output may be one of them or share memory with one.
    """

    def __call__(self, inputs: Sequence[Any]) -> list[Any]: ...


class Backend(Protocol):
    """Compiles graphs."""

    name: str

    def compile(self, graph: Graph) -> Executable: ...
