"""What a backend is: it turns a graph into an `Executable`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from chainrule.ir.graph import Graph

Array: TypeAlias = np.ndarray[Any, Any]

Donations: TypeAlias = tuple[tuple[int, int], ...]
"""Pairs (input, output), by their numbers in the graph: the output is written over the input. Both have one type, and
neither is in two pairs. The inputs in them are those in `graph.donated`."""


class Misfit(Exception):
    """Inputs that an executable was not made for; nothing was read or written. The caller finds out what is wrong."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that one call uses: of what it is given and returns, of constants, and of what it needs in between."""

    inputs: int
    outputs: int  # donated inputs that are overwritten do not count again
    constants: int
    arena: int

    @property
    def total(self) -> int:
        return self.inputs + self.outputs + self.constants + self.arena

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {getattr(self, name):,}" for name in ("inputs", "outputs", "constants", "arena"))
        return f"{self.total:,} bytes: {parts}"


class Course(Protocol):
    """A call that is made in pieces, by one thread at a time."""

    @property
    def iterations(self) -> int:
        """How many iterations are done of the graph's loop; of several, none in another, of the one that is run."""
        ...

    def proceed(self, seconds: float) -> bool:
        """Whether all is done, after going on for about so long.

        It stops between two iterations of a loop that is in no other one: after the first one that ends later than
        that. What is not in such a loop is done in one go. Where it raises, donated inputs may hold anything.
        """
        ...

    def outputs(self) -> list[Any]:
        """What the call gives, once all is done.

        Before that, for a graph with one loop, as if it had no more iterations than are done: of what it carries the
        last, of what it stacks those that there are; copies, but for donated inputs in which the loop keeps an output:
        they are the output. A StagingError where no iteration is done, or for an output that is made after the loop.
        """
        ...


class Executable(Protocol):
    """A compiled graph. It may be called from several threads at once.

    `compiled` is how many pieces of machine code had to be made for it: 0 where all of them were known.
    """

    compiled: int

    def __call__(self, inputs: tuple[Any, ...]) -> Sequence[Any]:
        """The outputs, in the graph's order.

        An input is an array of the graph's shape and dtype; where its type is weak, a Python number, and of its very
        class (a NumPy scalar is none). All that is C-contiguous, aligned, in this machine's byte order and no subclass
        has to be taken. Other layouts (memory-mapped arrays and NumPy scalars, for an input without axes, among them)
        may be taken; refused with a Misfit, the caller gives copies. Inputs of other types, such as a traced array,
        raise a Misfit, and so does a donated one that is no array, that is read-only, or whose memory overlaps (by its
        bounds, as `np.may_share_memory` has it) with that of another input.

        An output that is donated to is that input, overwritten. Every other one is the caller's: a new array that is
        contiguous, writable and shares no memory with anything; a NumPy scalar where it has no axes; a Python number
        where its type is weak. Where computing raises, donated inputs may hold anything.
        """
        ...

    def bind(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Callable[[], None]:
        """The call with these buffers, to be made any number of times, but by one thread at a time.

        It reads the inputs, as they are at each call, and writes the outputs, and looks at neither again. All are plain
        arrays of the graph's shapes and dtypes: aligned, C-contiguous, in this machine's byte order; numbers are arrays
        without axes, weak ones too. Of a donation both are the same array. Outputs are writable, and none overlaps with
        another one, or with an input but the one that is donated to it. What is returned keeps them alive.
        """
        ...

    def begin(self, inputs: tuple[Any, ...]) -> Course:
        """The call with these inputs, to be made in pieces; nothing is computed yet.

        What is said of inputs, Misfits and outputs of a call holds. The inputs are read until all is done, and are not
        to be changed before that; donated ones are written to from the first piece on.
        """
        ...

    def report(self) -> object:
        """What is run, node by node or kernel by kernel; printed, it is a table."""
        ...

    def memory(self) -> Memory:
        """The bytes that a call uses."""
        ...


class Backend(Protocol):
    """Compiles graphs."""

    name: str

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> Executable:
        """The graph, ready to run on at most so many threads; None: as many as the process may use."""
        ...
