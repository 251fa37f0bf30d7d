"""`Items`: what a region runs, in order: groups, products, copies, calls and loops, while they are put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from chainrule.ir.graph import Graph, Node
from chainrule.schedule.group import Group
from chainrule.schedule.plan import Buffer, Place, Slot
from chainrule.schedule.views import Base, View

Pairs: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]

FIRST: Final = -(3 << 39)
EARLIEST: Final = -(1 << 40)
"""The first position of what is done before all else, and of what depends on the region's inputs alone; that of the
others is 0."""


@dataclass(frozen=True, eq=False)
class Copy:
    """A view written to a place of its shape, for a node that joins or pads arrays."""

    source: View
    target: Place
    node: Node | None = None


@dataclass(frozen=True, eq=False)
class Product:
    """A contraction; what is made of its elements before they are stored is in its group."""

    node: Node
    left: View
    right: View
    contract: Pairs
    batch: Pairs
    group: Group


@dataclass(frozen=True, eq=False)
class Call:
    """An operation with a kernel of its own."""

    node: Node
    operands: tuple[View, ...]
    results: tuple[Base, ...]


@dataclass(frozen=True, eq=False)
class Repeat:
    """A loop; the items of its body, and which buffers in it are others; `reads` are what it reads around it.

    `block` is the body's graph, spelled out; `results` are where the loop's results are.
    """

    node: Node
    body: Items
    renamed: Mapping[Buffer, Buffer]
    slots: tuple[Slot, ...]
    reads: tuple[Place, ...]
    block: Graph
    results: tuple[Place, ...]


Item: TypeAlias = Group | Product | Copy | Call | Repeat


class Items:
    """Items with their positions: early ones first, then the others, each in the order in which they came.

    `known` are the nodes whose results are numbers that are known already.
    """

    def __init__(self) -> None:
        self.known: set[Node] = set()
        self._first: list[Item] = []
        self._early: list[Item] = []
        self._late: list[Item] = []

    def position(self, early: bool = False) -> int:
        """The position of the next item."""
        return EARLIEST + len(self._early) if early else len(self._late)

    def add(self, item: Item, early: bool = False) -> None:
        (self._early if early else self._late).append(item)

    def add_first(self, item: Item) -> None:
        """Adds what is done before all that is there by now."""
        self._first.append(item)

    def __iter__(self) -> Iterator[tuple[int, Item]]:
        yield from enumerate(self._first, FIRST)
        yield from enumerate(self._early, EARLIEST)
        yield from enumerate(self._late)


@dataclass(frozen=True, eq=False)
class Target:
    """Where an output goes; `replaces` is the input whose memory that is, which must have been read by then.

    Where it has not been, the output may be written to the buffer `instead`, if there is one.
    """

    place: Place
    replaces: Base | None = None
    instead: Buffer | None = None
