"""Plans run by NumPy, step by step: what a schedule means, without a backend.

What a backend relies on is checked on the way: nothing is read that was not written, or that lies outside of its
buffer; no iteration of a nest writes what another one reads or writes; a product writes to none of its operands; no
iteration of a parallel loop needs another one; what a loop alone uses is forgotten between its iterations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from plan_memory import Access, Memory

from chainrule.ir.graph import Graph
from chainrule.schedule.plan import (
    Buffer,
    Compute,
    Contraction,
    Fold,
    Loop,
    Nest,
    Number,
    Place,
    Plan,
    Position,
    Read,
    Special,
    Stage,
    Step,
)

Array = np.ndarray[Any, Any]

FOLDS: dict[str, Any] = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "logical_or": np.logical_or,
    "logical_and": np.logical_and,
}

SHARED = -2
"""The reader of what several iterations read."""

Spot = tuple[Memory, int]


def run(plan: Plan, graph: Graph, inputs: Sequence[Any], spots: Mapping[Buffer, Spot] | None = None) -> list[Array]:
    """The outputs of a plan. Memory that nothing wrote to holds garbage. `spots` are where buffers of the arena are."""
    return Interpreter(plan, graph, inputs, spots).outputs()


class Interpreter:
    """The memory of one call."""

    def __init__(
        self, plan: Plan, graph: Graph, inputs: Sequence[Any], spots: Mapping[Buffer, Spot] | None = None
    ) -> None:
        self.plan, self.graph = plan, graph
        self.spots: dict[Buffer, Spot] = dict(spots or {})
        self.iteration: int | None = None
        self.touched: list[Memory] = []
        for buffer, value, x in zip(plan.inputs, graph.inputs, inputs, strict=True):
            self.fill(buffer, np.array(x, value.dtype, order="C"))
        self.own = loops_own(plan)
        self.steps(plan.steps)

    def fill(self, buffer: Buffer, x: Array) -> None:
        memory = Memory(x.nbytes)
        memory.data[: x.nbytes] = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
        memory.known[: x.nbytes] = True
        self.spots[buffer] = memory, 0

    def outputs(self) -> list[Array]:
        found: list[Array] = []
        for buffer, value in zip(self.plan.outputs, self.graph.outputs, strict=True):
            memory, start = self.spot(buffer)
            part = slice(start, start + value.type.nbytes)
            assert memory.known[part].all(), "an output was not written"
            found.append(memory.data[part].copy().view(value.dtype).reshape(value.shape))
        return found

    def spot(self, buffer: Buffer) -> Spot:
        """Where a buffer begins."""
        buffer = self.plan.renamed.get(buffer, buffer)
        if buffer not in self.spots:
            if buffer.array is not None:
                self.fill(buffer, np.array(buffer.array, buffer.array.dtype.newbyteorder("="), order="C"))
            else:
                assert buffer.kind != "slot"
                self.spots[buffer] = Memory(buffer.nbytes), 0
        return self.spots[buffer]

    # --- elements -----------------------------------------------------------------------------------------------------

    def first_bytes(self, place: Place, lengths: Sequence[int], inside: Any = True) -> tuple[Memory, Array]:
        """The byte at which the element of each iteration begins; 0 where there is no such iteration."""
        memory, start = self.spot(place.buffer)
        size = place.dtype.itemsize
        assert len(place.strides) == len(lengths), f"{place} over {lengths}"
        found = np.full((), start + place.offset * size, np.int64)
        for axis, (stride, n) in enumerate(zip(place.strides, lengths, strict=True)):
            step = np.arange(n, dtype=np.int64) * (stride * size)
            found = found + step.reshape([-1 if i == axis else 1 for i in range(len(lengths))])
        found = np.broadcast_to(found, lengths)
        if inside is not True:
            found = np.where(inside, found, 0)
        if found.size:
            end = found.max() + size
            whole = memory.data.size if self.plan.renamed.get(place.buffer, place.buffer).kind == "slot" else None
            most = start + self.size(place.buffer) if whole is None else whole
            assert found.min() >= 0 and (inside is not True or found.min() >= start or whole), (
                f"{place} is before {start}"
            )
            assert end <= most, f"{place} reaches outside of its buffer"
            assert not (found % size).any()
        return memory, found

    def size(self, buffer: Buffer) -> int:
        return self.plan.renamed.get(buffer, buffer).nbytes

    def load(self, place: Place, lengths: Sequence[int], inside: Any = True) -> Array:
        """The elements of a place, each of which was written before."""
        memory, first = self.first_bytes(place, lengths, inside)
        real = first if inside is True else first[np.broadcast_to(inside, first.shape)]
        assert memory.known[real].all(), f"{place} is read before it was written"
        if self.iteration is not None and real.size:
            writer, reader = self.marks(memory)
            assert np.isin(writer[real], (-1, self.iteration)).all(), f"{place} is of another iteration"
            reader[real] = np.where(np.isin(reader[real], (-1, self.iteration)), self.iteration, SHARED)
        return memory.data.view(place.dtype)[first // place.dtype.itemsize]

    def save(self, place: Place, lengths: Sequence[int], value: Any, inside: Any = True) -> None:
        assert np.asarray(value).dtype == place.dtype, f"{np.asarray(value).dtype} stored as {place.dtype}"
        memory, first = self.first_bytes(place, lengths, inside)
        full = np.broadcast_to(value, lengths)
        if inside is not True:
            chosen = np.broadcast_to(inside, first.shape)
            first, full = first[chosen], full[chosen]
        assert np.unique(first).size == first.size, f"{place} is written twice"
        if self.iteration is not None and first.size:
            writer, reader = self.marks(memory)
            free = np.isin(writer[first], (-1, self.iteration)) & np.isin(reader[first], (-1, self.iteration))
            assert free.all(), f"{place} is used by another iteration"
            writer[first] = self.iteration
        memory.data.view(place.dtype)[first // place.dtype.itemsize] = full
        for i in range(place.dtype.itemsize):
            memory.known[first + i] = True

    def marks(self, memory: Memory) -> tuple[Array, Array]:
        if memory.writer is None or memory.reader is None:
            memory.writer, memory.reader = (np.full(memory.data.size, -1, np.int32) for _ in range(2))
            self.touched.append(memory)
        return memory.writer, memory.reader

    # --- steps --------------------------------------------------------------------------------------------------------

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Nest():
                    self.nest(step)
                case Contraction():
                    self.contraction(step)
                case Special():
                    self.special(step)
                case Loop():
                    self.loop(step)

    def nest(self, nest: Nest) -> None:
        """All rows and columns at once, stage by stage."""
        shape = (*nest.rows, *nest.columns)
        inside: Any = True
        if nest.clip is not None:
            index = np.indices(shape, sparse=True)
            inside = index[0] * nest.columns[0] + index[len(nest.rows)] < nest.clip
        self.check_iterations(nest, shape, inside)
        rows: dict[int, Any] = {}
        for stage in nest.stages:
            self.stage(stage, nest, shape, rows, inside)

    def stage(self, stage: Stage, nest: Nest, shape: Sequence[int], rows: dict[int, Any], inside: Any) -> None:
        lengths = shape if stage.columns else nest.rows
        count = len(nest.columns)
        inside = inside if stage.columns else True
        known = dict(rows)
        if stage.columns:
            known = {n: np.reshape(x, (*np.shape(x), *[1] * count)) if np.ndim(x) else x for n, x in rows.items()}
        for number, expression in stage.values:
            assert number not in known
            known[number] = self.value(expression, known, lengths, inside)
        for fold in stage.folds:
            rows[fold.result] = fold_columns(fold, known[fold.value], shape, count, inside)
        if not stage.columns:
            rows.update({number: known[number] for number, _ in stage.values})
        for store in stage.stores:
            self.save(
                store.place,
                lengths,
                {**known, **rows}[store.value] if not stage.columns else known[store.value],
                inside,
            )

    def value(self, expression: Any, known: dict[int, Any], lengths: Sequence[int], inside: Any) -> Any:
        match expression:
            case Read(place):
                return self.load(place, lengths, inside)
            case Number(value, dtype):
                return dtype.type(value)
            case Position(axis):
                return np.broadcast_to(np.indices(lengths, sparse=True)[axis].astype(np.int64), lengths)
            case Compute(op, operands, attrs, dtype):
                with np.errstate(all="ignore"):
                    found = op.numpy(*[known[n] for n in operands], **attrs)
                return np.asarray(found, dtype)
            case _:
                raise AssertionError(expression)

    def check_iterations(self, nest: Nest, shape: Sequence[int], inside: Any) -> None:
        """That what an iteration reads and writes no other one writes: of a row, or of a pass its own columns."""
        accesses = [
            x for number, stage in enumerate(nest.stages) for x in self.accesses(nest, number, stage, shape, inside)
        ]
        rows = math.prod(nest.rows)
        folds = any(stage.folds for stage in nest.stages)
        for store in [x for x in accesses if x.store and x.first.size]:
            for other in accesses:
                if other is store or other.memory is not store.memory or not store.overlaps(other):
                    continue
                alike = other.columns == store.columns and (other.stage == store.stage or not folds)
                if alike and np.array_equal(store.first, other.first):
                    continue
                written, numbers = store.ids(0 if alike else rows)
                touched, others = other.ids(0 if alike else rows)
                owner = np.full(store.memory.data.size, -1, np.int64)
                owner[written] = numbers
                assert ((owner[touched] == -1) | (owner[touched] == others)).all(), f"iterations share memory: {nest}"

    def accesses(self, nest: Nest, number: int, stage: Stage, shape: Sequence[int], inside: Any) -> Iterator[Access]:
        lengths = shape if stage.columns else nest.rows
        inside = inside if stage.columns else True
        places = [(x.place, False) for _, x in stage.values if isinstance(x, Read)]
        for place, store in [*places, *[(store.place, True) for store in stage.stores]]:
            memory, first = self.first_bytes(place, lengths, inside)
            yield Access(memory, first, number, stage.columns, inside, store)

    def contraction(self, step: Contraction) -> None:
        lengths = ((*step.batch, *step.rows, *step.inner), (*step.batch, *step.inner, *step.columns))
        left, right = self.load(step.left, lengths[0]), self.load(step.right, lengths[1])
        x = np.ascontiguousarray(left.reshape(math.prod(step.batch), math.prod(step.rows), math.prod(step.inner)))
        y = np.ascontiguousarray(right.reshape(math.prod(step.batch), math.prod(step.inner), math.prod(step.columns)))
        shape = (*step.batch, *step.rows, *step.columns)
        with np.errstate(all="ignore"):
            total = np.matmul(x, y).reshape(shape).astype(step.nodes[0].types[0].dtype)
        values = step.epilogue.values if step.epilogue is not None else ()
        assert all(isinstance(value, Read | Number | Compute) for _, value in values), "an epilogue of something else"
        stage = step.epilogue or Stage(True, ((0, Number(0, total.dtype)),))
        known: dict[int, Any] = {0: total}
        for number, expression in stage.values:
            known[number] = self.value(expression, known, shape, True) if number else total
        nest = Nest(shape, (), (stage,), "rows")
        self.check_iterations(nest, shape, True)
        stores = [(store.place, known[store.value]) for store in stage.stores]
        stores += [(step.out, total)] if step.out is not None else []
        for place, value in stores:
            memory, first = self.first_bytes(place, shape)
            for operand, over in zip((step.left, step.right), lengths, strict=True):
                other, read = self.first_bytes(operand, over)
                assert other is not memory or not np.isin(first, read).any(), "a product writes to its operand"
            self.save(place, shape, value)

    def special(self, step: Special) -> None:
        shapes = [value.shape for value in step.node.inputs]
        given = [self.load(place, shape) for place, shape in zip(step.operands, shapes, strict=True)]
        with np.errstate(all="ignore"):
            found = step.node.op.numpy(*given, **step.node.attrs)
        results = found if step.node.op.several else (found,)
        for place, value, x in zip(step.results, step.node.results, results, strict=True):
            self.save(place, value.shape, np.asarray(x, value.dtype))

    def loop(self, step: Loop) -> None:
        order = range(step.length)
        assert self.iteration is None or not step.parallel, "parallel loops within one another"
        for iteration, i in enumerate(reversed(order) if step.reverse else order):
            if step.parallel:
                self.iteration = i
            for buffer in self.own[step]:
                memory, start = self.spot(buffer)
                memory.forget(start, buffer.nbytes)
            for slot in step.slots:
                memory, start = self.spot(slot.source)
                self.spots[slot.buffer] = memory, start + slot.at(iteration if slot.turns else i)
            self.steps(step.steps)
        if step.parallel:
            self.iteration = None
            for memory in self.touched:
                memory.writer = memory.reader = None
            self.touched = []


def fold_columns(fold: Fold, value: Any, shape: Sequence[int], count: int, inside: Any) -> Array:
    """A value combined along the last axes."""
    ufunc = FOLDS[fold.combine]
    full = np.broadcast_to(value, shape)
    axes = tuple(range(len(shape) - count, len(shape)))
    where = np.broadcast_to(inside, shape)
    if fold.combine in ("maximum", "minimum"):
        start: Any = np.inf if full.dtype.kind == "f" else True
        least: Any = -np.inf if full.dtype.kind == "f" else False
        if full.dtype.kind in "iu":
            start, least = np.iinfo(full.dtype).max, np.iinfo(full.dtype).min
        start = least if fold.combine == "maximum" else start
        return np.asarray(ufunc.reduce(full, axis=axes, where=where, initial=start), fold.dtype)
    with np.errstate(all="ignore"):
        return np.asarray(ufunc.reduce(full, axis=axes, where=where, dtype=fold.dtype))


def loops_own(plan: Plan) -> dict[Loop, list[Buffer]]:
    """For each loop the buffers of the arena that nothing outside of it uses."""
    users: dict[Buffer, list[tuple[Loop, ...]]] = {}

    def use(buffer: Buffer, path: tuple[Loop, ...]) -> None:
        users.setdefault(plan.renamed.get(buffer, buffer), []).append(path)

    def walk(steps: Sequence[Step], path: tuple[Loop, ...]) -> None:
        for step in steps:
            if isinstance(step, Loop):
                for slot in step.slots:
                    use(slot.source, path)
                walk(step.steps, (*path, step))
            for buffer in () if isinstance(step, Loop) else buffers(step):
                use(buffer, path)

    walk(plan.steps, ())
    loops = {loop for paths in users.values() for path in paths for loop in path}
    found: dict[Loop, list[Buffer]] = {loop: [] for loop in loops}
    for buffer, paths in users.items():
        for loop in set.intersection(*[set(path) for path in paths]) if buffer.kind == "arena" else ():
            found[loop].append(buffer)
    return found


def buffers(step: Nest | Contraction | Special) -> list[Buffer]:
    """What a step reads and writes."""
    match step:
        case Nest():
            return [buffer for stage in step.stages for buffer in _of_stage(stage)]
        case Contraction():
            found = [place.buffer for place in (step.left, step.right, step.out) if place is not None]
            return found + (_of_stage(step.epilogue) if step.epilogue is not None else [])
        case Special():
            return [place.buffer for place in (*step.operands, *step.results)]


def _of_stage(stage: Stage) -> list[Buffer]:
    reads = [x.place.buffer for _, x in stage.values if isinstance(x, Read)]
    return reads + [store.place.buffer for store in stage.stores]
