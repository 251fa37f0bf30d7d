"""`tile`: steps over one long axis, done for some rows after others, so that what is in between stays in the cache.

A *run* is a row of steps in which each row of what one step writes is made of the same row of what others wrote: layers
of a network over the examples of a batch, forward and backward. Its steps become the body of a parallel loop over
*tiles*: blocks of consecutive rows. A reduction over the rows gives a partial result for each tile, and a nest behind
the loop adds those up, in order. Whether and where there are tiles depends on the graph alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from chainrule.schedule.partial import SUM, Partial, combined, partial_places
from chainrule.schedule.plan import (
    ROW_CHUNK,
    ROW_WHOLE,
    Buffer,
    Contraction,
    Loop,
    Nest,
    Place,
    Position,
    Read,
    Slot,
    Special,
    Stage,
    Step,
    Store,
    one_by_one,
)

LARGE: Final = 1 << 19
"""Bytes of all rows from which on it pays to tile them."""

TILE: Final = 1 << 16
"""Bytes that the rows of a tile should have together."""

FEWEST: Final = 64
MOST: Final = 1024
"""Rows of a tile."""

FEWEST_TILES: Final = 8
"""Tiles, of which there are some for each of several workers."""

MOST_SKIPPED: Final = 8
"""Steps in a row that are left behind while the next one of a run is looked for."""

MOST_WHOLE: Final = 1 << 17
"""Bytes of what every tile reads whole, which has to stay in the cache as well."""

MOST_PARTIAL: Final = 1 << 16
"""Bytes of the partial results of a tile."""


Moved: TypeAlias = Callable[[Place], Place]


def tile(steps: Sequence[Step], renamed: Mapping[Buffer, Buffer]) -> tuple[Step, ...]:
    """The steps, runs among them as loops over tiles."""
    found: list[Step] = []
    first = 0
    while first < len(steps):
        run = _longest(steps, first, renamed)
        if run is None:
            found.append(steps[first])
            first += 1
        else:
            last = first + run.steps
            outside = [*steps[:first], *run.behind, *steps[last:]]
            reads, writes = _effects(outside, renamed)
            found += [*_tiled(run, reads.union(writes, *run.late)), *run.behind]
            first = last
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Part:
    """A step of a run, and which of its axes goes over the rows; `reduces` tells that it sums over them."""

    step: Nest | Contraction
    axis: int
    reduces: bool


@dataclass(eq=False)
class Run:
    """Steps over `length` rows: which buffers have rows, of how many elements, and which are read whole or reduced to.

    Steps between them that are none of the run, and that the run does not need, are `behind` it.
    """

    length: int
    renamed: Mapping[Buffer, Buffer]
    parts: list[Part] = field(default_factory=list)
    rows: dict[Buffer, tuple[int, int]] = field(default_factory=dict)  # elements to the next row, bytes of a row
    written: set[Buffer] = field(default_factory=set)
    whole: set[Buffer] = field(default_factory=set)
    partial: int = 0  # bytes of the partial results of a tile
    late: tuple[set[Buffer], set[Buffer]] = field(
        default_factory=lambda: (set(), set())
    )  # read, written after the loop
    behind: list[Step] = field(default_factory=list)
    steps: int = 0  # from the first to the last

    def buffer(self, place: Place) -> Buffer:
        return self.renamed.get(place.buffer, place.buffer)

    def add(self, step: Step, skipped: Sequence[Step]) -> bool:
        """Takes a step in, if one of its axes goes over the rows and it keeps to its own rows, before those skipped."""
        behind = [*self.behind, *skipped]
        if not isinstance(step, Nest | Contraction) or self._clashes(step, behind):
            return False
        if not any(self._add(part) for part in _ways(step, self.length)):
            return False
        self.behind = behind
        return True

    def _clashes(self, step: Nest | Contraction, behind: Sequence[Step]) -> bool:
        """Whether a step cannot be done before those that are left behind."""
        reads, writes = _effects([step], self.renamed)
        read, written = _effects(behind, self.renamed)
        return bool(reads & written or writes & (read | written))

    def _add(self, part: Part) -> bool:
        rows, whole, written = dict(self.rows), set(self.whole), set[Buffer]()
        late_reads, late_writes = self.late
        for place, lengths, is_store in _head_places(part):
            buffer = self.buffer(place)
            stride = place.strides[part.axis] if part.axis < len(place.strides) else 0
            if buffer.kind == "slot" or buffer in late_writes or (is_store and buffer in late_reads):
                return False
            if not stride:
                if is_store or buffer in self.written:
                    return False
                whole.add(buffer)
                continue
            row = (stride, stride * place.dtype.itemsize)
            if stride < 0 or rows.setdefault(buffer, row) != row or not _keeps_to_row(place, lengths, part):
                return False
            if is_store:
                written.add(buffer)
        partial = self.partial + _partial_bytes(part)
        if written & whole or set(rows) & whole or partial > MOST_PARTIAL:
            return False
        if sum(buffer.nbytes for buffer in whole) > MOST_WHOLE:
            return False
        self.rows, self.whole, self.partial = rows, whole, partial
        self.written |= written
        for place, _, is_store in _tail_places(part):
            self.late[is_store].add(self.buffer(place))
        self.parts.append(part)
        return True

    @property
    def row_bytes(self) -> int:
        return sum(nbytes for _, nbytes in self.rows.values())


def _longest(steps: Sequence[Step], first: int, renamed: Mapping[Buffer, Buffer]) -> Run | None:
    """The run that begins at a step and pays; None where there is none."""
    head = steps[first]
    lengths = {n for n in _lengths(head) if n > ROW_WHOLE} if isinstance(head, Nest | Contraction) else set[int]()
    for length in sorted(lengths, reverse=True):
        run = Run(length, renamed)
        skipped: list[Step] = []
        for number, step in enumerate(steps[first:], 1):
            if run.add(step, skipped):
                run.steps, skipped = number, []
            elif number == 1 or len(skipped) == MOST_SKIPPED or not isinstance(step, Nest | Contraction):
                break
            else:
                skipped.append(step)
        shared = len(run.parts) > 1 and any(buffer in run.written for buffer in run.rows)
        if shared and length * run.row_bytes >= LARGE and length >= FEWEST_TILES * _rows_of_tile(run):
            return run
    return None


def _lengths(step: Nest | Contraction) -> tuple[int, ...]:
    if isinstance(step, Nest):
        return (*step.rows, *step.columns)
    return (*step.batch, *step.rows, *step.columns, *step.inner)


def _ways(step: Nest | Contraction, length: int) -> Iterator[Part]:
    """The ways in which an axis of a step can go over the rows. A contraction's axes: batch, rows, columns, inner."""
    if isinstance(step, Contraction):
        free = len(step.batch) + len(step.rows) + len(step.columns)
        for axis, n in enumerate(_lengths(step)):
            single = axis < free or len(step.inner) == 1
            plain = step.epilogue is None or not _counts(step.epilogue, axis)
            if n == length and single and plain and step.nodes[0].types[0].is_float:
                yield Part(step, axis, axis >= free)
        return
    folds = any(stage.folds for stage in step.stages)
    once = sum(stage.columns for stage in step.stages) == 1 and step.stages[0].columns and step.clip is None
    for axis, n in enumerate(_lengths(step)):
        counted = any(_counts(stage, axis) for stage in step.stages)
        reduces = folds and axis >= len(step.rows)
        if n == length and not counted and step.clip is None and (once or not reduces):
            yield Part(step, axis, reduces)


def _counts(stage: Stage, axis: int) -> bool:
    """Whether a stage computes with the indices along an axis."""
    return any(isinstance(x, Position) and x.axis == axis for _, x in stage.values)


def _places(step: Nest | Contraction) -> Iterator[Access]:
    """What a step reads and writes: places with strides along all of its axes, their lengths, whether it is written."""
    if isinstance(step, Nest):
        for stage in step.stages:
            yield from _stage_places(stage, (*step.rows, *step.columns) if stage.columns else step.rows)
        return
    lengths = _lengths(step)
    yield _over(step, step.left, (True, True, False, True)), lengths, False
    yield _over(step, step.right, (True, False, True, True)), lengths, False
    results = (*step.batch, *step.rows, *step.columns)
    if step.out is not None:
        yield step.out, results, True
    if step.epilogue is not None:
        yield from _stage_places(step.epilogue, results)


Access: TypeAlias = tuple[Place, tuple[int, ...], bool]


def _head_places(part: Part) -> list[Access]:
    """What is read and written for each tile; of a reduction what is reduced."""
    step = part.step
    if not part.reduces:
        return list(_places(step))
    if isinstance(step, Contraction):
        return list(_places(replace(step, epilogue=None, out=None)))
    return list(_places(replace(step, stages=step.stages[:1])))


def _tail_places(part: Part) -> list[Access]:
    """What is read and written once a reduction is complete."""
    step = part.step
    if not part.reduces:
        return []
    if isinstance(step, Contraction):
        return list(_places(step))[2:]
    return list(_places(replace(step, stages=step.stages[1:])))


def _partial_bytes(part: Part) -> int:
    """The bytes of a tile's partial results."""
    step = part.step
    if not part.reduces:
        return 0
    if isinstance(step, Contraction):
        return math.prod((*step.batch, *step.rows, *step.columns)) * step.nodes[0].types[0].dtype.itemsize
    return math.prod(step.rows) * sum(fold.dtype.itemsize for fold in step.stages[0].folds)


def _stage_places(stage: Stage, lengths: tuple[int, ...]) -> Iterator[Access]:
    for _, x in stage.values:
        if isinstance(x, Read):
            yield x.place, lengths, False
    for store in stage.stores:
        yield store.place, lengths, True


def _over(step: Contraction, place: Place, has: Sequence[bool]) -> Place:
    """An operand with strides along batch, rows, columns and inner axes, in this order."""
    sizes = [len(step.batch), len(step.rows), len(step.columns), len(step.inner)]
    own = [0, 1, 3] if has[1] else [0, 3, 2]
    starts = dict(zip(own, (0, sizes[own[0]], sizes[own[0]] + sizes[own[1]]), strict=True))
    strides: list[int] = []
    for kind, size in enumerate(sizes):
        strides += place.strides[starts[kind] : starts[kind] + size] if has[kind] else [0] * size
    return Place(place.buffer, place.dtype, tuple(strides), place.offset)


def _keeps_to_row(place: Place, lengths: Sequence[int], part: Part) -> bool:
    """Whether the other axes stay within one row; those of a product if they were longer than 1, too.

    A product of one row with longer strides is one of a batch of one, and what looks like its rows are features.
    """
    row = place.strides[part.axis]
    others = [(n, s) for i, (n, s) in enumerate(zip(lengths, place.strides, strict=True)) if i != part.axis]
    if isinstance(part.step, Contraction) and any(s > row for _, s in others):
        return False
    last = place.offset + sum((n - 1) * s for n, s in others)
    return all(s >= 0 for _, s in others) and place.offset >= 0 and last < row


# --- tiles ------------------------------------------------------------------------------------------------------------


def _rows_of_tile(run: Run) -> int:
    """How many rows a tile has: a divisor of their number, if there is a good one."""
    wanted = min(MOST, max(FEWEST, TILE // max(1, run.row_bytes)))
    good = [n for n in range(wanted, wanted // 2, -1) if run.length % n == 0]
    return good[0] if good else wanted // 16 * 16


def _effects(steps: Sequence[Step], renamed: Mapping[Buffer, Buffer]) -> tuple[set[Buffer], set[Buffer]]:
    """The buffers that steps read, and those that they write to."""
    reads, writes = set[Buffer](), set[Buffer]()
    for step in steps:
        match step:
            case Nest() | Contraction():
                for place, _, is_store in _places(step):
                    (writes if is_store else reads).add(place.buffer)
            case Special(_, operands, results):
                reads.update(place.buffer for place in operands)
                writes.update(place.buffer for place in results)
            case Loop():
                inner, outer = _effects(step.steps, renamed)
                sliced = {slot.source for slot in step.slots}
                reads |= inner | sliced
                writes |= outer | sliced
    return {renamed.get(b, b) for b in reads}, {renamed.get(b, b) for b in writes}


def _tiled(run: Run, used: set[Buffer]) -> list[Step]:
    """The loop over whole tiles, one over what is left, and what adds up the partial results."""
    size = _rows_of_tile(run)
    count, rest = divmod(run.length, size)
    tiles = count + (rest > 0)
    reductions = [part.step for part in run.parts if part.reduces]
    partial = {key: place for step in reductions for key, place in partial_places(step, tiles).items()}
    loops = [_loop(run, used, partial, 0, count, size)]
    if rest:
        loops.append(_loop(run, used, partial, count, 1, rest, count * size))
    return [*loops, *[combined(step, tiles, partial) for step in reductions]]


def _loop(run: Run, used: set[Buffer], partial: Partial, tile: int, count: int, size: int, row: int = 0) -> Loop:
    """A loop over `count` tiles of `size` rows each, of which the first one is tile number `tile`, from `row` on."""
    slots: dict[Buffer, Slot] = {}
    for buffer, (_, nbytes) in run.rows.items():
        mine = buffer.kind == "arena" and buffer not in used and buffer in run.written
        new = Buffer("arena" if mine else "slot", size * nbytes)
        slots[buffer] = Slot(new, buffer, row * nbytes, size * nbytes)
    for place in partial.values():
        step = place.strides[0] * place.dtype.itemsize
        slots[place.buffer] = Slot(Buffer("slot", 0), place.buffer, tile * step, step)

    def moved(place: Place) -> Place:
        slot = slots.get(run.buffer(place))
        return place if slot is None else replace(place, buffer=slot.buffer)

    steps = tuple([_of_tile(part, size, moved, partial) for part in run.parts])
    outer = tuple([slot for slot in slots.values() if slot.buffer.kind == "slot"])
    return Loop(count, False, outer, steps, None, True)


def _of_tile(part: Part, size: int, moved: Moved, partial: Partial) -> Nest | Contraction:
    """A step for the rows of one tile."""
    step = part.step
    if isinstance(step, Contraction):
        return _contraction_of_tile(part, step, size, moved, partial)
    lengths = [size if axis == part.axis else n for axis, n in enumerate(_lengths(step))]
    rows, columns = tuple(lengths[: len(step.rows)]), tuple(lengths[len(step.rows) :])
    if not part.reduces:
        stages = tuple([_moved_stage(stage, moved) for stage in step.stages])
        return replace(step, rows=rows, columns=columns, stages=stages)
    first = _moved_stage(step.stages[0], moved)
    stores = tuple([Store(fold.result, moved(_each(partial[step, fold.result]))) for fold in first.folds])
    along = step.along == "columns"
    limit = ROW_CHUNK if along else MOST
    stages = (first, Stage(False, (), (), stores))
    return replace(step, rows=rows, columns=columns, stages=stages, long=one_by_one(columns, along) > limit)


def _contraction_of_tile(part: Part, step: Contraction, size: int, moved: Moved, partial: Partial) -> Contraction:
    lengths = iter([size if axis == part.axis else n for axis, n in enumerate(_lengths(step))])
    batch, rows, columns, inner = (
        tuple([next(lengths) for _ in axes]) for axes in (step.batch, step.rows, step.columns, step.inner)
    )
    out = moved(step.out) if step.out is not None else None
    epilogue = _moved_stage(step.epilogue, moved) if step.epilogue is not None else None
    if part.reduces:
        out, epilogue = moved(_each(partial[step, SUM])), None
    left, right = moved(step.left), moved(step.right)
    return Contraction(batch, rows, columns, inner, left, right, out, epilogue, step.nodes)


def _each(place: Place) -> Place:
    """One tile's partial result, of those that are stacked along the first axis."""
    return Place(place.buffer, place.dtype, place.strides[1:])


def _moved_stage(stage: Stage, moved: Moved) -> Stage:
    values = tuple([(number, Read(moved(x.place)) if isinstance(x, Read) else x) for number, x in stage.values])
    stores = tuple([Store(store.value, moved(store.place)) for store in stage.stores])
    return Stage(stage.columns, values, stage.folds, stores)
