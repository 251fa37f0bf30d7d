"""Plans run by NumPy, step by step: what a schedule means, without a backend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

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


def run(plan: Plan, graph: Graph, inputs: Sequence[Any]) -> list[Array]:
    """The outputs of a plan. Memory that nothing wrote to holds garbage."""
    return Interpreter(plan, graph, inputs).outputs()


class Interpreter:
    """The memory of one call."""

    def __init__(self, plan: Plan, graph: Graph, inputs: Sequence[Any]) -> None:
        self.plan, self.graph = plan, graph
        self.memory: dict[Buffer, Array] = {}
        for buffer, value, x in zip(plan.inputs, graph.inputs, inputs, strict=True):
            data = np.array(x, value.dtype, order="C").reshape(-1)
            self.memory[buffer] = data.view(np.uint8).copy()
        self.steps(plan.steps)

    def outputs(self) -> list[Array]:
        return [
            self.bytes(buffer)[: value.type.nbytes].copy().view(value.dtype).reshape(value.shape)
            for buffer, value in zip(self.plan.outputs, self.graph.outputs, strict=True)
        ]

    def bytes(self, buffer: Buffer) -> Array:
        buffer = self.plan.renamed.get(buffer, buffer)
        if buffer not in self.memory:
            if buffer.array is not None:
                plain = np.array(buffer.array, buffer.array.dtype.newbyteorder("="), order="C")
                self.memory[buffer] = plain.reshape(-1).view(np.uint8)
                return self.memory[buffer]
            self.memory[buffer] = np.full(buffer.nbytes, 0xA5, np.uint8)
        return self.memory[buffer]

    def view(self, place: Place, shape: Sequence[int]) -> Array:
        """The elements of a place."""
        buffer = self.plan.renamed.get(place.buffer, place.buffer)
        if not math.prod(shape):
            return np.zeros(shape, place.dtype)
        size = place.dtype.itemsize
        lowest = place.offset + sum(min(0, s * (n - 1)) for s, n in zip(place.strides, shape, strict=True))
        highest = place.offset + sum(max(0, s * (n - 1)) for s, n in zip(place.strides, shape, strict=True))
        data = self.bytes(buffer)
        assert lowest >= 0 and (highest + 1) * size <= data.size, f"{place} reaches outside of its buffer"
        first = data[place.offset * size :][:size].view(place.dtype)
        return np.lib.stride_tricks.as_strided(first, shape, [s * size for s in place.strides])

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
        rows: dict[int, Any] = {}
        inside: Any = True
        if nest.clip is not None:
            index = np.indices(shape, sparse=True)
            inside = index[0] * nest.columns[0] + index[len(nest.rows)] < nest.clip
        for stage in nest.stages:
            self.stage(stage, nest, shape, rows, inside)

    def stage(self, stage: Stage, nest: Nest, shape: Sequence[int], rows: dict[int, Any], inside: Any) -> None:
        lengths = shape if stage.columns else nest.rows
        count = len(nest.columns)
        if stage.columns:
            known = {n: np.reshape(x, (*np.shape(x), *[1] * count)) for n, x in rows.items()}
        else:
            known = dict(rows)
        for number, expression in stage.values:
            known[number] = self.value(expression, known, lengths, inside if stage.columns else True)
        for fold in stage.folds:
            rows[fold.result] = self.fold(fold, known[fold.value], shape, count, inside)
            known[fold.result] = rows[fold.result]
        if not stage.columns:
            rows.update({number: known[number] for number, _ in stage.values})
        for store in stage.stores:
            target = self.view(store.place, self.clipped(store.place, lengths, inside))
            value = np.broadcast_to(known[store.value], lengths)
            assert value.dtype == store.place.dtype, f"{value.dtype} stored as {store.place.dtype}"
            if inside is True or not stage.columns:
                target[...] = value
            else:
                for index in np.argwhere(np.broadcast_to(inside, lengths)):
                    self.view(self.at(store.place, index), ())[...] = value[tuple(index)]

    def clipped(self, place: Place, lengths: Sequence[int], inside: Any) -> Sequence[int]:
        return lengths if inside is True else (0,)

    def at(self, place: Place, index: Any) -> Place:
        offset = place.offset + sum(int(i) * s for i, s in zip(index, place.strides, strict=True))
        return Place(place.buffer, place.dtype, (), offset)

    def value(self, expression: Any, known: dict[int, Any], lengths: Sequence[int], inside: Any) -> Any:
        match expression:
            case Read(place) if inside is True:
                return self.view(place, lengths).copy()
            case Read(place):
                out = np.zeros(lengths, place.dtype)
                for index in np.argwhere(np.broadcast_to(inside, lengths)):
                    out[tuple(index)] = self.view(self.at(place, index), ())
                return out
            case Number(value, dtype):
                return dtype.type(value)
            case Position(axis):
                return np.indices(lengths, sparse=True)[axis].astype(np.int64)
            case Compute(op, operands, attrs, dtype):
                with np.errstate(all="ignore"):
                    found = op.numpy(*[known[n] for n in operands], **attrs)
                return np.asarray(found, dtype)
            case _:
                raise AssertionError(expression)

    def fold(self, fold: Fold, value: Any, shape: Sequence[int], count: int, inside: Any) -> Any:
        ufunc = FOLDS[fold.combine]
        full = np.broadcast_to(value, shape)
        axes = tuple(range(len(shape) - count, len(shape)))
        where = np.broadcast_to(inside, shape)
        if fold.combine in ("maximum", "minimum"):
            lowest = {"f": -np.inf, "i": np.iinfo(np.int64).min, "u": 0, "b": False}[full.dtype.kind]
            highest = {"f": np.inf, "i": np.iinfo(np.int64).max, "u": 255, "b": True}[full.dtype.kind]
            if full.dtype == np.int32:
                lowest, highest = np.iinfo(np.int32).min, np.iinfo(np.int32).max
            start = lowest if fold.combine == "maximum" else highest
            return ufunc.reduce(full, axis=axes, where=where, initial=start).astype(fold.dtype)
        return np.asarray(ufunc.reduce(full, axis=axes, where=where, dtype=fold.dtype))

    def contraction(self, step: Contraction) -> None:
        b, m, n, k = (len(axes) for axes in (step.batch, step.rows, step.columns, step.inner))
        left = self.view(step.left, (*step.batch, *step.rows, *step.inner))
        right = self.view(step.right, (*step.batch, *step.inner, *step.columns))
        x = left.reshape(math.prod(step.batch), math.prod(step.rows), math.prod(step.inner))
        y = right.reshape(math.prod(step.batch), math.prod(step.inner), math.prod(step.columns))
        shape = (*step.batch, *step.rows, *step.columns)
        total = np.matmul(x, y).reshape(shape)
        assert b + m + n + k == len(step.batch + step.rows + step.columns + step.inner)
        if step.out is not None:
            self.view(step.out, shape)[...] = total
        if step.epilogue is not None:
            known: dict[int, Any] = {0: total}
            for number, expression in step.epilogue.values:
                known[number] = self.value(expression, known, shape, True)
            for store in step.epilogue.stores:
                self.view(store.place, shape)[...] = known[store.value]

    def special(self, step: Special) -> None:
        shapes = [value.shape for value in step.node.inputs]
        given = [self.view(place, shape).copy() for place, shape in zip(step.operands, shapes, strict=True)]
        found = step.node.op.numpy(*given, **step.node.attrs)
        results = found if step.node.op.several else (found,)
        for place, value, x in zip(step.results, step.node.results, results, strict=True):
            self.view(place, value.shape)[...] = x

    def loop(self, step: Loop) -> None:
        order = range(step.length)
        for i in reversed(order) if step.reverse else order:
            for slot in step.slots:
                source = self.plan.renamed.get(slot.source, slot.source)
                data = self.bytes(source)
                self.memory[slot.buffer] = data[slot.start + i * slot.step :]
            self.steps(step.steps)
