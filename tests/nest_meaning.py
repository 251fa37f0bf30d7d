"""What a nest means, in NumPy: the specification that its machine code is held to, bit by bit for sums.

A collapsed nest is run on memory: for each buffer an array of bytes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.schedule.plan import Buffer, Compute, Fold, Guarded, Nest, Number, Place, Position, Read, Stage

Memory = dict[Buffer, np.ndarray]
Array = np.ndarray[Any, Any]

COMBINE = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "logical_or": np.logical_or,
    "logical_and": np.logical_and,
}
START = {"add": 0, "multiply": 1, "logical_or": False, "logical_and": True}


def view(memory: Memory, place: Place, index: tuple[int, ...], lengths: tuple[int, ...]) -> Array:
    """The elements of a place along its last axes, at an index of its first ones."""
    size = place.dtype.itemsize
    first = place.offset + sum(i * step for i, step in zip(index, place.strides, strict=False))
    steps = [step * size for step in place.strides[len(index) :]]
    if 0 in lengths:
        return np.zeros(lengths, place.dtype)
    start = memory[place.buffer][first * size :][: size if size else 1].view(place.dtype)
    return as_strided(start, lengths, steps)


def guarded(memory: Memory, x: Guarded, index: tuple[int, ...], holds: Array, other: Array) -> Array:
    """The elements where the condition holds; the others may lie outside of memory."""
    size, out = x.place.dtype.itemsize, np.array(other)
    for at in zip(*np.nonzero(holds), strict=True) if holds.ndim else [()] * bool(holds):
        element = x.place.offset + sum(i * step for i, step in zip((*index, *at), x.place.strides, strict=True))
        out[at] = memory[x.place.buffer][element * size : (element + 1) * size].view(x.place.dtype)[0]
    return out


def start(fold: Fold) -> Any:
    """What a fold starts from."""
    if fold.combine in START:
        return fold.dtype.type(START[fold.combine])
    low = fold.combine == "maximum"
    if fold.dtype.kind == "f":
        return fold.dtype.type(-np.inf if low else np.inf)
    if fold.dtype.kind == "b":
        return np.bool_(not low)
    info = np.iinfo(fold.dtype)
    return fold.dtype.type(info.min if low else info.max)


def folded(fold: Fold, x: Array, lanes: int) -> Any:
    """Elements combined: one after the other without lanes, else by lanes, whose results are combined by halves."""
    combine, x = COMBINE[fold.combine], x.astype(fold.dtype)
    if not lanes or not x.ndim:
        acc = np.array(start(fold))
        for element in x.reshape(-1):
            acc = combine(acc, element)
        return acc[()]
    acc = np.full(lanes, start(fold), fold.dtype)
    rows = x.reshape(-1, x.shape[-1]) if x.size else np.zeros((0, 1), fold.dtype)
    for row in rows:
        for first in range(0, len(row), lanes):
            piece = row[first : first + lanes]
            acc[: len(piece)] = combine(acc[: len(piece)], piece)
    while len(acc) > 1:
        half = len(acc) // 2
        acc = combine(acc[:half], acc[half:])
    return acc[0]


def run_stage(memory: Memory, stage: Stage, index: tuple[int, ...], columns: tuple[int, ...], env: Any) -> Any:
    """The values of a stage, its folds not among them, at an index of the rows."""
    lengths = columns if stage.columns else ()
    out = dict(env)

    def spread(number: int) -> Array:
        return np.broadcast_to(out[number], lengths)

    for number, x in stage.values:
        match x:
            case Read(place):
                out[number] = np.array(view(memory, place, index, lengths))
            case Number(value, dtype):
                out[number] = np.full(lengths, value, dtype)
            case Position(axis):
                inner = axis - len(index)
                found = index[axis] if inner < 0 else np.indices(lengths)[inner]
                out[number] = np.full(lengths, found, np.int64)
            case Compute(op, operands, attrs, dtype):
                found = np.asarray(op.numpy(*[spread(operand) for operand in operands], **attrs))
                out[number] = found.astype(dtype)
            case Guarded():
                out[number] = guarded(memory, x, index, spread(x.condition), spread(x.other))
    for store in stage.stores:
        target = view(memory, store.place, index, lengths)
        target[...] = out[store.value]
    return out


def run(nest: Nest, memory: Memory, lanes: int) -> None:
    """Does to the memory what the nest does; `lanes` of vectors along the columns, 0 where folds are sequential."""
    with np.errstate(all="ignore"):
        for index in product(*map(range, nest.rows)):
            columns = nest.columns
            if nest.clip is not None:
                columns = (min(columns[0], nest.clip - index[0] * columns[0]), *columns[1:])
            env: dict[int, Any] = {}
            for stage in nest.stages:
                found = run_stage(memory, stage, index, columns, env)
                if not stage.columns:
                    env = found
                for fold in stage.folds:
                    values = np.broadcast_to(found[fold.value], columns)
                    env[fold.result] = folded(fold, values, lanes)
