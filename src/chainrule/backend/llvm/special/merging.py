"""`Merger`: stable merges of sorted runs, and the sorting of eight elements, alone or with what goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.special.elements import RAW, copy_run
from chainrule.backend.llvm.special.walk import smaller
from chainrule.backend.llvm.values import I1, I8, I32, I64, PTR, Ty, Val

EIGHT: Final = 8
"""Elements of a run that is sorted by counting."""


@dataclass(frozen=True, eq=False)
class Run:
    """Keys side by side and, where something goes with them, that too: a pointer and a type of element for each."""

    f: Function
    pointers: list[Val]
    types: list[Ty]

    def at(self, index: Val) -> Run:
        """The run from an element on."""
        moved = [self.f.element(p, index, ty) for p, ty in zip(self.pointers, self.types, strict=True)]
        return Run(self.f, moved, self.types)

    def first(self, lanes: int = 0) -> list[Val]:
        """The first element, or the first elements: keys, and what goes with them."""
        return [self.f.load(ty.of(lanes), p) for p, ty in zip(self.pointers, self.types, strict=True)]

    def key(self) -> Val:
        """The first key."""
        return self.f.load(self.types[0], self.pointers[0])

    def put(self, source: Run, length: Val) -> None:
        """Copies elements of another run to this one."""
        for target, given, ty in zip(self.pointers, source.pointers, self.types, strict=True):
            copy_run(self.f, target, given, length, ty.nbytes)

    def put_first(self, condition: Val, x: Run, y: Run) -> None:
        """Writes the first element of x where the condition holds, else that of y."""
        for target, one, other, ty in zip(self.pointers, x.pointers, y.pointers, self.types, strict=True):
            self.f.store(self.f.load(ty, self.f.select(condition, one, other)), target)


@dataclass(frozen=True)
class Merger:
    """What sorts integers (int32, int64 or uint8), and what goes with each: `carried` bytes, or none.

    A comparison of integers becomes no branch; one of floats that minds NaN does, and half of those are mispredicted.
    """

    dtype: str
    carried: int

    @property
    def types(self) -> list[Ty]:
        """The types of what is moved."""
        key = {"uint8": I8, "int32": I32, "int64": I64}[self.dtype]
        return [key, RAW[self.carried]] if self.carried else [key]

    def run(self, f: Function, pointers: Sequence[Val]) -> Run:
        """A run in memory."""
        return Run(f, list(pointers), self.types)

    def less(self, x: Val, y: Val) -> Val:
        """Whether x comes before y."""
        return x.ult(y) if self.dtype == "uint8" else x.lt(y)

    # --- functions of a module ----------------------------------------------------------------------------------------

    def merge(self, f: Function, name: str, target: Run, left: Run, right: Run, lengths: tuple[Val, Val]) -> None:
        """Merges two runs of any lengths."""
        f.call(f"{name}_merge", I64, *target.pointers, *left.pointers, *right.pointers, *lengths)

    def merge_equal(self, f: Function, name: str, target: Run, source: Run, width: Val) -> None:
        """Merges two runs of the same length that lie one behind the other."""
        f.call(f"{name}_merge_equal", I64, *target.pointers, *source.pointers, width)

    def write_merge(self, module: Module, name: str) -> None:
        """Writes what `merge` calls: without a branch that depends on an element, until one run is at its end."""
        count = len(self.types)
        runs = {f"{run}{n}": PTR for run in ("target", "left", "right") for n in range(count)}
        with module.function(f"{name}_merge", I64, internal=True, **runs, nl=I64, nr=I64) as f:
            target, left, right = (self.run(f, f.arguments[at * count : (at + 1) * count]) for at in range(3))
            lefts, rights = f.arguments[3 * count :]
            zero = f.constant(0, I64)
            with f.endless([zero, zero]) as loop:
                i, j = loop.carried
                f.leave(loop, i.ge(lefts) | j.ge(rights))
                x, y = left.at(i), right.at(j)
                later = self.less(y.key(), x.key())
                target.at(i + j).put_first(later, y, x)
                step = later.cast("zext", I64)
                loop.next = [i + 1 - step, j + step]
            i, j = loop.results
            target.at(i + j).put(left.at(i), lefts - i)
            target.at(lefts + j).put(right.at(j), rights - j)
            f.ret(0)

    def write_merge_equal(self, module: Module, name: str) -> None:
        """Writes what `merge_equal` calls: from both ends at once, each half of the result in as many rounds.

        Neither end can leave its runs: it takes no more elements than one run has. The two ends wait for nothing of
        each other's. (The parity merge of Scandum's quadsort, 2021.)
        """
        count = len(self.types)
        runs = {f"{run}{n}": PTR for run in ("target", "source") for n in range(count)}
        with module.function(f"{name}_merge_equal", I64, internal=True, **runs, width=I64) as f:
            target, source = (self.run(f, f.arguments[at * count : (at + 1) * count]) for at in range(2))
            width = f.arguments[-1]
            last = width * 2 - 1
            with f.loop(0, width, carried=[f.constant(0, I64), width, width - 1, last]) as loop:
                i, j, p, q = loop.carried
                x, y = source.at(i), source.at(j)
                later = self.less(y.key(), x.key())
                target.at(loop.index).put_first(later, y, x)
                step = later.cast("zext", I64)
                x, y = source.at(p), source.at(q)
                earlier = self.less(y.key(), x.key())
                target.at(last - loop.index).put_first(earlier, x, y)
                back = earlier.cast("zext", I64)
                loop.next = [i + 1 - step, j + step, p - back, q - 1 + back]
            f.ret(0)

    # --- inside a kernel ----------------------------------------------------------------------------------------------

    def sort_eight(self, f: Function, run: Run, carried: Val | None) -> None:
        """Sorts eight elements: each goes to the number of those before it, and equal ones stay in order.

        `carried` is what goes with them where that is not in memory yet.
        """
        elements = run.first(EIGHT) if carried is None else [f.load(self.types[0].of(EIGHT), run.pointers[0]), carried]
        keys = elements[0]
        ranks = f.constant(0, keys.ty)
        for other in range(EIGHT):
            key = f.splat(f.extract(keys, other), EIGHT)
            behind = Val(f, f"<{', '.join(f'i1 {str(lane > other).lower()}' for lane in range(EIGHT))}>", I1.of(EIGHT))
            before = f.select(behind, ~self.less(keys, key), self.less(key, keys))
            ranks = ranks + before.cast("zext", keys.ty)
        for lane in range(EIGHT):
            rank = f.extract(ranks, lane)
            target = run.at(rank.cast("zext", I64))
            for x, pointer in zip(elements, target.pointers, strict=True):
                f.store(f.extract(x, lane), pointer)

    def insert(self, f: Function, run: Run, first: Val, last: Val) -> None:
        """Sorts a few elements, each put among those before it."""
        with f.loop(first + 1, last) as loop:
            moved = run.at(loop.index)
            kept = moved.first()
            with f.endless([loop.index]) as down:
                (place,) = down.carried
                f.leave(down, place.le(first))
                before, here = run.at(place - 1), run.at(place)
                f.leave(down, ~self.less(kept[0], before.key()))
                for x, pointer in zip(before.first(), here.pointers, strict=True):
                    f.store(x, pointer)
                down.next = [place - 1]
            for x, pointer in zip(kept, run.at(down.results[0]).pointers, strict=True):
                f.store(x, pointer)

    def cut(self, f: Function, left: Run, right: Run, lengths: tuple[Val, Val], taken: Val) -> Val:
        """How many of the first `taken` elements of a merge are of the left run."""
        lefts, rights = lengths
        low = taken - smaller(f, taken, rights)
        with f.endless([low, smaller(f, taken, lefts)]) as loop:
            low, high = loop.carried
            f.leave(loop, low.ge(high))
            middle = (low + high).lshr(1)
            y = right.at(taken - 1 - middle).key()
            more = ~self.less(y, left.at(middle).key())
            loop.next = [f.select(more, middle + 1, low), f.select(more, high, middle)]
        return loop.results[0]
