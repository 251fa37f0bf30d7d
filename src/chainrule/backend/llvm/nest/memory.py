"""Vectors of elements read from memory and written to it, whole ones and the last one of an axis, which is partial.

Whether a vector is whole is a branch around the accesses alone, so that what is computed stands in the code once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.nest.form import SCATTERED, Access
from chainrule.backend.llvm.nest.tile import TILE
from chainrule.backend.llvm.scalar import memory_type
from chainrule.backend.llvm.values import I8, I32, I64, Ty, Val


@dataclass(frozen=True, eq=False)
class Chunk:
    """Where in its axis a vector lies (several of them in a row: `copies`), and how many elements there are from it."""

    f: Function
    lanes: int
    copies: int
    index: Val
    remaining: Val
    full: Val
    ahead: Sequence[Access] = ()  # what is read on and on, so that it pays to fetch it before

    def start(self, copy: int) -> Val:
        """The index of the first lane."""
        return self.index + copy * self.lanes if copy else self.index

    def count(self, copy: int) -> Val:
        """How many lanes of a partial vector there are: of the first one at least 1, of others 0 up to all."""
        if self.copies == 1:
            return self.remaining
        left = self.remaining - copy * self.lanes if copy else self.remaining
        left = self.f.select(left.lt(self.lanes), left, self.lanes)
        return self.f.select(left.gt(0), left, 0)

    def mask(self, copy: int) -> Val:
        """The lanes of a partial vector that there are."""
        left = self.remaining - copy * self.lanes if copy else self.remaining
        return self.f.iota(I32.of(self.lanes)).lt(self.f.splat(left.cast("trunc", I32), self.lanes))


@dataclass(frozen=True, eq=False)
class Site:
    """An access at the place of a chunk: the address of its first element, and its stride where that is a number."""

    access: Access
    pointer: Val
    stride: Val | None = None

    @property
    def ty(self) -> Ty:
        return memory_type(self.access.dtype)

    def at(self, lane: Val | int) -> Val:
        """The address of the element of a lane."""
        f = self.pointer.code
        index = lane * self.stride if self.stride is not None else lane * self.access.lane
        return f.element(self.pointer, index, self.ty)


def moved(f: Function, site: Site, lanes: int, copy: int) -> Site:
    """The same access for a later one of the vectors that are in flight."""
    return Site(site.access, site.at(f.constant(copy * lanes, I64)), site.stride) if copy else site


def _masks_well(site: Site) -> bool:
    """Whether processors have masked accesses to it: elements side by side, of four or eight bytes."""
    return site.access.lane == 1 and site.ty.nbytes >= 4


AHEAD: Final = 4096
"""Bytes between what is read and what is fetched: the memory's delay, which a processor guesses too late."""

# --- reading ----------------------------------------------------------------------------------------------------------


def load(chunk: Chunk, sites: Sequence[Site]) -> list[list[Val]]:
    """The elements of several sites, of each as many vectors as are in flight, as they are in memory."""
    f, copies = chunk.f, range(chunk.copies)
    for site in [site for site in sites if site.access in chunk.ahead and site.access.lane == 1]:
        for line in range(0, chunk.copies * chunk.lanes * site.ty.nbytes, 64):
            f.fetch(f.element(site.pointer, (AHEAD + line) // site.ty.nbytes, site.ty))
    each = [(moved(f, site, chunk.lanes, copy), copy) for site in sites for copy in copies]
    found = f.either(
        chunk.full,
        lambda: [_whole(f, site, chunk.lanes) for site, _ in each],
        lambda: [_partial(chunk, site, copy) for site, copy in each],
    )
    return [found[i : i + chunk.copies] for i in range(0, len(found), chunk.copies)]


def _whole(f: Function, site: Site, lanes: int) -> Val:
    ty = site.ty.of(lanes)
    if site.access.lane == 1:
        return f.load(ty, site.pointer, site.ty.nbytes)
    if site.access.lane == -1:
        there = f.load(ty, site.at(lanes - 1), site.ty.nbytes)
        return f.shuffle(there, None, range(lanes - 1, -1, -1))
    assert site.stride is not None
    out, pointer = Val(f, "poison", ty), site.pointer
    for lane in range(lanes):
        pointer = f.element(pointer, site.stride, site.ty) if lane else pointer
        out = f.insert(out, f.load(site.ty, pointer), lane)
    return out


def _partial(chunk: Chunk, site: Site, copy: int) -> Val:
    f, ty = chunk.f, site.ty.of(chunk.lanes)
    if _masks_well(site):
        return f.masked_load(ty, site.pointer, chunk.mask(copy))
    room = f.alloca(ty)
    f.store(f.constant(0, ty), room)
    if site.access.lane == 1:
        _load_bytes(chunk, site.pointer, room, chunk.count(copy))
    else:
        with f.loop(0, chunk.count(copy)) as lane:
            f.store(f.load(site.ty, site.at(lane.index)), f.element(room, lane.index, site.ty))
    return f.load(ty, room)


def _load_bytes(chunk: Chunk, source: Val, target: Val, count: Val) -> None:
    """Copies bytes, of which there are no masked loads: 8 of them if their number has the bit 8, then 4, 2, 1."""
    f, width = chunk.f, chunk.lanes if chunk.copies > 1 else chunk.lanes // 2
    while width:
        ty = I8.of(width)
        with f.when((count & width).ne(0)):
            at = count & -(2 * width)
            f.store(f.load(ty, f.element(source, at, I8), 1), f.element(target, at, I8), 1)
        width //= 2


def load_guarded(chunk: Chunk, site: Site, copy: int, guard: Val, other: Val) -> Val:
    """The elements in whose lanes the guard holds, `other` (as it is in memory) in the rest; no others are read."""
    f, lanes, ty = chunk.f, chunk.lanes, site.ty.of(chunk.lanes)
    (allowed,) = f.either(chunk.full, lambda: [guard], lambda: [guard & chunk.mask(copy)])
    site = moved(f, site, lanes, copy)
    if _masks_well(site):
        return f.select(allowed, f.masked_load(ty, site.pointer, allowed), other)
    bits = f.cast("zext", f.cast("bitcast", allowed, Ty(f"i{lanes}")), I64)
    if site.access.lane == 0:

        def same() -> list[Val]:
            return [f.select(allowed, f.splat(f.load(site.ty, site.pointer), lanes), other)]

        return f.either(bits.ne(0), same, lambda: [other])[0]
    room = f.alloca(ty)
    f.store(other, room)
    with f.loop(0, lanes) as lane, f.when((bits.lshr(lane.index) & 1).ne(0)):
        f.store(f.load(site.ty, site.at(lane.index)), f.element(room, lane.index, site.ty))
    return f.load(ty, room)


def load_tile(chunk: Chunk, site: Site, count: Val) -> Site:
    """A copy of `count` neighbours each of the elements of the lanes, in TILE + 1 places apart, as the same site.

    Lines apart by a power of two, which share their places in the cache, do not so there.
    """
    f, ty = chunk.f, site.ty
    room = f.alloca(ty, chunk.lanes * (TILE + 1))
    with f.loop(0, f.select(chunk.full, f.constant(chunk.lanes, I64), chunk.remaining)) as lane:
        source, target = site.at(lane.index), f.element(room, lane.index * (TILE + 1), ty)

        def whole() -> list[Val]:
            f.store(f.load(ty.of(TILE), source, ty.nbytes), target, ty.nbytes)
            return []

        def partial() -> list[Val]:
            with f.loop(0, count) as i:
                f.store(f.load(ty, f.element(source, i.index, ty)), f.element(target, i.index, ty))
            return []

        f.either(count.ge(TILE), whole, partial)
    return Site(site.access, room, f.constant(TILE + 1, I64))


# --- writing ----------------------------------------------------------------------------------------------------------


def store(chunk: Chunk, values: Sequence[tuple[Site, list[Val]]]) -> None:
    """Writes vectors, as they are in memory, to their sites."""
    f = chunk.f
    each = [
        (moved(f, site, chunk.lanes, copy), copy, vectors[copy])
        for site, vectors in values
        for copy in range(chunk.copies)
    ]

    def whole() -> list[Val]:
        for site, _, vector in each:
            _store_whole(f, site, vector)
        return []

    def partial() -> list[Val]:
        for site, copy, vector in each:
            _store_partial(chunk, site, copy, vector)
        return []

    f.either(chunk.full, whole, partial)


def _store_whole(f: Function, site: Site, vector: Val) -> None:
    lanes = vector.ty.lanes
    if site.access.lane == 1:
        f.store(vector, site.pointer, site.ty.nbytes)
    elif site.access.lane == -1:
        f.store(f.shuffle(vector, None, range(lanes - 1, -1, -1)), site.at(lanes - 1), site.ty.nbytes)
    elif site.access.lane == SCATTERED:
        assert site.stride is not None
        pointer = site.pointer
        for lane in range(lanes):
            pointer = f.element(pointer, site.stride, site.ty) if lane else pointer
            f.store(f.extract(vector, lane), pointer)
    else:
        f.store(f.extract(vector, 0), site.pointer)


def _store_partial(chunk: Chunk, site: Site, copy: int, vector: Val) -> None:
    f, count = chunk.f, chunk.count(copy)
    if site.access.lane == 0:
        f.store(f.extract(vector, 0), site.pointer)
    elif site.access.lane == 1:
        _store_first(f, vector, site.pointer, count, chunk.copies > 1)
    else:
        room = f.alloca(vector.ty)
        f.store(vector, room)
        with f.loop(0, count) as lane:
            f.store(f.load(site.ty, f.element(room, lane.index, site.ty)), site.at(lane.index))


def _store_first(f: Function, vector: Val, pointer: Val, count: Val, maybe_all: bool) -> None:
    """Writes the first `count` lanes: 8 of them if that has the bit 8, then 4, 2, 1.

    A masked store does the same, but takes AMD's processors before the fifth Zen some forty steps.
    """
    element = vector.ty.element
    if maybe_all:
        with f.when(count.ge(vector.ty.lanes)):
            f.store(vector, pointer, element.nbytes)
    width = vector.ty.lanes // 2
    while width:
        low = f.shuffle(vector, None, range(width))
        before = pointer, vector, width

        def rest(before: tuple[Val, Val, int] = before, low: Val = low) -> list[Val]:
            pointer, vector, width = before
            f.store(low, pointer, element.nbytes)
            return [f.shuffle(vector, None, range(width, 2 * width)), f.element(pointer, width, element)]

        def same(low: Val = low, pointer: Val = pointer) -> list[Val]:
            return [low, pointer]

        vector, pointer = f.either((count & width).ne(0), rest, same)
        width //= 2
