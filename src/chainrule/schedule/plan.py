"""`Plan`: what is run for a graph, as data: buffers, and steps that read and write them.

A step is a `Nest` (loops around scalar operations and reductions), a `Contraction`, a `Special` (an operation with a
kernel of its own) or a `Loop` around steps. What a step reads and writes are `Place`s: a buffer, an offset and a stride
for each axis, all counted in elements, so that transposed, reversed, broadcast and cut-out arrays are the same to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.op import Op

DType = np.dtype[Any]
Axes: TypeAlias = tuple[int, ...]

# --- numerics: what decides bits. Another value is another version of every result -----------------------------------

LANES: Final = {4: 16, 8: 8}
"""Elements that a vector holds, by the width of the widest dtype of a nest, on every machine: a reduction along the
vector has as many partial results, which are combined by halves (lane i with lane i + lanes / 2, and so on)."""

COLUMN_CHUNK: Final = 1024
"""Elements along the vector that one reduction takes; longer ones are cut, and the parts reduced again."""

ROW_CHUNK: Final = 128
"""Elements that are reduced one after the other, not along the vector, of those that are cut."""

ROW_WHOLE: Final = 512
"""Elements that are reduced one after the other, not along the vector, without a cut: so that the usual batches, and
what is left of them, are summed alike."""

SHORT: Final = 16
"""Columns up to which a reduction does not go along the vector, but one after the other, in many rows at once."""

CONTRACT_CHUNK: Final = 128
"""Products that a contraction adds up one after the other by fused multiply-adds, from zero, in the order of k; the
sums of the chunks are added one after the other."""

CONTRACT_STRIP: Final = 8192
"""Products along k that one worker may add up; longer ones are cut, and the strips added one after the other."""


def one_by_one(columns: Sequence[int], along: bool) -> int:
    """How many elements of the columns are reduced one after the other: all, or where the vector is `along` the last
    axis, those of a lane."""
    if not along or not columns:
        return math.prod(columns)
    return math.prod(columns[:-1]) * -(-columns[-1] // LANES[4])


# --- memory -----------------------------------------------------------------------------------------------------------

BufferKind: TypeAlias = Literal["input", "output", "arena", "constant", "slot"]


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory: a graph's input or output (`number` tells which), a place in the arena, a constant's elements, or the
    slice of another buffer that a loop is at."""

    kind: BufferKind
    nbytes: int
    number: int = -1
    array: np.ndarray[Any, Any] | None = None  # a constant's: a copy in row-major order is read where it lies otherwise

    def __repr__(self) -> str:
        return f"{self.kind}{self.number if self.number >= 0 else ''}[{self.nbytes}]"


@dataclass(frozen=True, eq=False)
class Place:
    """Where an array's elements are: element (i, j, ...) at `offset` + i `strides[0]` + j `strides[1]` + ..."""

    buffer: Buffer
    dtype: DType
    strides: Axes
    offset: int = 0


# --- nests ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Read:
    """The element of an array at the indices of the loops (0 along an axis where the stride is 0)."""

    place: Place


@dataclass(frozen=True, eq=False)
class Number:
    """A constant."""

    value: float | int | bool
    dtype: DType


@dataclass(frozen=True, eq=False)
class Position:
    """The index of a loop, int64: `axis` counts the nest's axes, rows first."""

    axis: int


@dataclass(frozen=True, eq=False)
class Compute:
    """A scalar operation on values by number; `dtypes` are those of its operands (weak ones taken as computed)."""

    op: Op
    operands: tuple[int, ...]
    attrs: Mapping[str, Any]
    dtype: DType


@dataclass(frozen=True, eq=False)
class Guarded:
    """The element of an array where the value `condition` (bool) holds; `other` elsewhere, and nothing is read."""

    place: Place
    condition: int
    other: int


Expression: TypeAlias = Read | Number | Position | Compute | Guarded


@dataclass(frozen=True, eq=False)
class Fold:
    """A value combined along the columns: add, multiply, maximum, minimum, logical_or, logical_and (by NumPy's rules:
    a NaN wins). Its result is a value of the rows, number `result`. Of no elements it is the operation's identity."""

    value: int
    combine: str
    dtype: DType
    result: int


@dataclass(frozen=True, eq=False)
class Store:
    """A value written to its place. The stored dtype is the place's; the value has it already."""

    value: int
    place: Place


@dataclass(frozen=True, eq=False)
class Stage:
    """One pass: over all columns of a row, or (`columns` False) once for the row.

    `values` are numbered expressions in an order in which they can be computed. A stage over columns reads values of
    rows (from `Fold`s and earlier stages that are not over columns) and its own; values of columns end with the stage.
    Strides of a stage that is not over columns speak of the rows' axes alone.
    """

    columns: bool
    values: tuple[tuple[int, Expression], ...]
    folds: tuple[Fold, ...] = ()
    stores: tuple[Store, ...] = ()


@dataclass(frozen=True, eq=False)
class Nest:
    """Loops over `rows`, and for each of their indices the stages in order, some of them loops over `columns`.

    `along` says which axis the vector lies along: the last of the columns, or the last of the rows. Without folds all
    stages are over columns, and the iterations are independent. `clip` is for reductions that were cut: the number of
    elements along the first axis of the columns is then min(columns[0], clip - i columns[0]) for index i of the FIRST
    axis of the rows. No element is written that another iteration reads, but by the same iteration.
    """

    rows: Axes
    columns: Axes
    stages: tuple[Stage, ...]
    along: Literal["rows", "columns"]
    clip: int | None = None
    nodes: tuple[Node, ...] = ()
    long: bool = False  # still to be cut: it is one pass


# --- contractions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Contraction:
    """out[b, m, n] = sum over k of left[b, m, k] right[b, k, n], then `epilogue` for each element before it is stored.

    Each of b, m, n, k may be several axes: `batch`, `rows`, `columns`, `inner` are their lengths, and the strides of
    the places list them in the orders (batch, rows, inner), (batch, inner, columns), (batch, rows, columns).
    The epilogue is a stage whose value number 0 is the sum; its reads and stores have strides over (batch, rows,
    columns), and it has no positions. Without stores the sum is written to `out`.
    """

    batch: Axes
    rows: Axes
    columns: Axes
    inner: Axes
    left: Place
    right: Place
    out: Place | None
    epilogue: Stage | None = None
    nodes: tuple[Node, ...] = ()


# --- operations with a kernel of their own, and loops -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Special:
    """One node by a kernel of its own: its operands and results as places with the node's own axes.

    Results are dense.
    """

    node: Node
    operands: tuple[Place, ...]
    results: tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class Slot:
    """A buffer that is a slice of another one in each iteration of a loop: `start` + i `step` bytes into it.

    One that `turns` is at `start` in the first iteration, the third and so on, and `step` bytes from it in the others.
    """

    buffer: Buffer
    source: Buffer
    start: int
    step: int
    turns: bool = False

    def at(self, i: int) -> int:
        """Bytes into the source: for index i, or where it turns, after i iterations."""
        return self.start + (i % 2 if self.turns else i) * self.step


@dataclass(frozen=True, eq=False)
class Loop:
    """Steps run `length` times, the slots moving on each time (from the end where `reverse`).

    The iterations of a `parallel` one know nothing of each other: each is run by one worker, for which what no step
    outside of the loop uses is memory of its own. `results` are where those of the node are: after each iteration what
    is carried, and the slices that there are so far.
    """

    length: int
    reverse: bool
    slots: tuple[Slot, ...]
    steps: tuple[Step, ...]
    node: Node | None = None
    parallel: bool = False
    results: tuple[Place, ...] = ()


Step: TypeAlias = Nest | Contraction | Special | Loop


@dataclass(frozen=True, eq=False)
class Plan:
    """The steps of a graph. Buffers in `renamed` are others: outputs, found to be so after they were named.

    `graph` is what the steps are of, spelled out; `nodes` are those of it, and of its loops, that are to be computed.
    """

    steps: tuple[Step, ...]
    inputs: Sequence[Buffer]
    outputs: Sequence[Buffer]
    renamed: Mapping[Buffer, Buffer]
    graph: Graph
    nodes: tuple[Node, ...]
