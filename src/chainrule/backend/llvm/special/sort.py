"""Kernels of `sort` and `argsort`: chunks are sorted by merging in the cache, then merged with each other.

Each part of a merge finds by halving where its piece of the result begins in the two runs (the merge path of Green,
McColl and Bader, 2012), so that one long row, too, is sorted by all workers. A stable order is the only one there is:
no split changes a bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.special.copy import copy_kernel
from chainrule.backend.llvm.special.elements import RAW, each, lanes, order_key
from chainrule.backend.llvm.special.layout import PART, Record, dense, split, without
from chainrule.backend.llvm.special.merging import EIGHT, Merger, Run
from chainrule.backend.llvm.special.walk import kernel, smaller
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import Axes, Buffer, DType, Place, Special
from chainrule.types import Shape

_CHUNK: Final = 16384
"""Elements that are sorted by one worker: with their places and the memory beside them 512 KB of float64."""


@dataclass(frozen=True)
class Chunks:
    """Sorts chunks of rows where they are; `places`, counted from the beginning of a row, are what goes with keys."""

    dtype: str
    carried: int
    places: bool

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        merger = Merger(self.dtype, self.carried)
        merger.write_merge(module, name)
        merger.write_merge_equal(module, name)
        with kernel(module, name) as frame:
            f = frame.f
            data = merger.run(f, [frame.pointer() for _ in merger.types])
            first, last = frame.share(frame.word(), frame.word())
            n, chunk, chunks = frame.words(3)
            room = [frame.scratch, f.element(frame.scratch, chunk, I64)]  # keys have 8 bytes or fewer
            other = merger.run(f, room[: len(merger.types)])
            with f.loop(first, last) as loop:
                place = loop.index.urem(chunks) * chunk
                length = smaller(f, n - place, chunk)
                run = data.at(loop.index.udiv(chunks) * n + place)
                self._eights(f, merger, run, length, place)
                self._merges(f, merger, name, (run, other), length)

    def _eights(self, f: Function, merger: Merger, run: Run, length: Val, place: Val) -> None:
        whole = length - length.urem(EIGHT)
        with f.loop(0, whole, EIGHT) as loop:
            places = f.iota(I64.of(EIGHT)) + (place + loop.index) if self.places else None
            merger.sort_eight(f, run.at(loop.index), places)
        if self.places:
            with f.loop(whole, length) as loop:
                f.store(place + loop.index, run.at(loop.index).pointers[1])
        merger.insert(f, run, whole, length)

    def _merges(self, f: Function, merger: Merger, name: str, runs: tuple[Run, Run], length: Val) -> None:
        data, other = runs
        count = len(merger.types)
        with f.endless([f.constant(EIGHT, I64), *data.pointers, *other.pointers]) as loop:
            width, *pointers = loop.carried
            f.leave(loop, width.ge(length))
            source, target = merger.run(f, pointers[:count]), merger.run(f, pointers[count:])
            with f.loop(0, length, width * 2) as pairs:
                start, left = pairs.index, length - pairs.index
                there, here = target.at(start), source.at(start)
                both = left.ge(width * 2)
                with f.when(both):
                    merger.merge_equal(f, name, there, here, width)
                with f.when(~both):
                    lefts = smaller(f, left, width)
                    merger.merge(f, name, there, here, here.at(width), (lefts, left - lefts))
            loop.next = [width * 2, *target.pointers, *source.pointers]
        found = merger.run(f, loop.results[1 : 1 + count])
        with f.when(f.compare("ne", found.pointers[0], data.pointers[0])):
            data.put(found, length)


@dataclass(frozen=True)
class Merge:
    """Merges neighbouring runs of rows from one memory to another, a chunk of the result at a time."""

    dtype: str
    carried: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        merger = Merger(self.dtype, self.carried)
        merger.write_merge(module, name)
        with kernel(module, name) as frame:
            f = frame.f
            source, target = (merger.run(f, [frame.pointer() for _ in merger.types]) for _ in range(2))
            n, chunk, chunks, width = frame.words(4)
            with f.loop(frame.begin, frame.end) as loop:
                place = loop.index.urem(chunks) * chunk
                row = loop.index.udiv(chunks) * n
                start = place - place.urem(width * 2)
                lefts = smaller(f, n - start, width)
                rights = smaller(f, n - start - lefts, width)
                left = source.at(row + start)
                right = left.at(lefts)
                first = place - start
                last = smaller(f, first + chunk, lefts + rights)
                i = merger.cut(f, left, right, (lefts, rights), first)
                k = merger.cut(f, left, right, (lefts, rights), last)
                lengths = k - i, last - first - k + i
                merger.merge(f, name, target.at(row + place), left.at(i), right.at(first - i), lengths)


@dataclass(frozen=True)
class Keys:
    """Computes integers that are ordered as floats are."""

    dtype: str

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        dtype = np.dtype(self.dtype)
        ty = RAW[dtype.itemsize]
        with kernel(module, name) as frame:
            f = frame.f
            x, keys = frame.pointer(), frame.pointer()
            first, last = frame.share(frame.word(), frame.word())
            x, keys = f.element(x, first, ty), f.element(keys, first, ty)

            def write(index: Val, count: int) -> None:
                key = order_key(f, f.load(ty.of(count), f.element(x, index, ty)), dtype)
                f.store(key, f.element(keys, index, ty))

            each(f, last - first, lanes(dtype), write)


def sort_kernels(step: Special, allocate: Callable[[int], Buffer]) -> list[Kernel]:
    """The kernels of a sort or argsort: a copy in which rows lie side by side, the sorting, and a copy back."""
    (x,), (out,) = step.operands, step.results
    shape, axis = step.node.types[0].shape, int(step.node.attrs["axis"])
    count = math.prod(shape)
    if not count:
        return []
    strides = _in_rows(shape, axis)

    def room(dtype: DType) -> Place:
        return Place(allocate(count * dtype.itemsize), dtype, strides)

    last = axis == len(shape) - 1
    result = out if last else room(out.dtype)
    places, floats = step.node.op.name == "argsort", x.dtype.kind == "f"
    passes = math.ceil(math.log2(split(shape[axis], _CHUNK)))
    data = [[result, room(out.dtype) if passes else result]]
    if places or floats:
        keys = room(x.dtype)
        data.insert(0, [keys, room(x.dtype) if passes else keys])
    if passes % 2:
        data = [pair[::-1] for pair in data]  # what is merged an odd number of times begins in the other memory
    copied = data[0 if places else -1][0]
    kernels = [copy_kernel(x, copied, shape)]
    if floats:
        kernels.append(_keys(copied, data[0][0], count))
    dtype = {1: "uint8", 4: "int32", 8: "int64"}[x.dtype.itemsize]
    kernels += _sorted(data, dtype, places, (count // shape[axis], shape[axis], passes))
    return kernels if last else [*kernels, copy_kernel(result, out, shape)]


def _in_rows(shape: Shape, axis: int) -> Axes:
    """Strides by which the elements along the axis lie side by side."""
    rest = iter(dense((*without(shape, (axis,)), shape[axis])))
    return tuple(1 if at == axis else next(rest) for at in range(len(shape)))


def _keys(x: Place, keys: Place, count: int) -> Kernel:
    record = Record()
    record.point(x, keys)
    record.count(PART, count)
    return record.kernel(Keys(str(x.dtype.name)), split(count, PART), "keys", 2 * count * x.dtype.itemsize)


def _sorted(data: list[list[Place]], dtype: str, places: bool, extents: tuple[int, int, int]) -> list[Kernel]:
    """The sorting of chunks and the merges; `data` are keys and what goes with them, with memory to merge to."""
    rows, n, passes = extents
    here, there = [pair[0] for pair in data], [pair[1] for pair in data]
    carried = here[1].dtype.itemsize if len(here) > 1 else 0
    name = "argsort" if places else "sort"
    record = Record()
    record.point(*here)
    chunk = min(n, _CHUNK)
    chunks = split(n, chunk)
    together = max(1, PART // chunk)
    record.count(together, rows * chunks, n, chunk, chunks)
    nbytes = 2 * rows * n * sum(place.dtype.itemsize for place in here)
    parts = split(rows * chunks, together)
    found = [record.kernel(Chunks(dtype, carried, places), parts, name, nbytes, 8 * chunk * len(here))]
    for number in range(passes):
        record = Record()
        record.point(*here, *there)
        record.count(n, chunk, chunks, chunk << number)
        found.append(record.kernel(Merge(dtype, carried), rows * chunks, f"{name}, merging", nbytes))
        here, there = there, here
    return found
