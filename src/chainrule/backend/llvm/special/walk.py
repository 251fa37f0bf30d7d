"""`kernel` and `walk`: a kernel's frame, and a walk over a range of the elements of arrays with any strides."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.values import I64, PTR, Operand, Val


class Frame:
    """A kernel that is being written: its function, its share of the parts, and its pointers and words in order."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self._pointers, self._words, self.begin, self.end, self.scratch = f.arguments
        self._pointer = self._word = 0

    def pointer(self) -> Val:
        """The next pointer."""
        self._pointer += 1
        return self.f.load(PTR, self.f.element(self._pointers, self._pointer - 1, PTR))

    def word(self) -> Val:
        """The next word."""
        self._word += 1
        return self.f.load(I64, self.f.element(self._words, self._word - 1, I64))

    def words(self, count: int) -> list[Val]:
        """The next `count` words."""
        return [self.word() for _ in range(count)]

    def share(self, chunk: Val, total: Val) -> tuple[Val, Val]:
        """What this call does of `total` elements that are cut into parts of `chunk`."""
        return self.begin * chunk, smaller(self.f, self.end * chunk, total)


@contextmanager
def kernel(module: Module, name: str) -> Generator[Frame]:
    """A kernel that returns 0 where it comes to its end."""
    with module.function(name, I64, pointers=PTR, words=PTR, begin=I64, end=I64, scratch=PTR) as f:
        yield Frame(f)
        f.ret(0)


def smaller(f: Function, x: Val, y: Operand) -> Val:
    """The smaller of two integers."""
    return f.select(x.lt(y), x, y)


@dataclass(frozen=True, eq=False)
class Segment:
    """A run along the last axis: elements `position` and on in row-major order, at `offsets`, `length` of them.

    `column` is the index of the first of them along the last axis.
    """

    position: Val
    column: Val
    length: Val
    offsets: list[Val]


@contextmanager
def walk(
    f: Function, extents: Sequence[Val], strides: Sequence[Sequence[Val]], first: Val, last: Val
) -> Generator[Segment]:
    """The segments of elements `first` to below `last`, in row-major order; `strides` are those of each operand.

    With one axis there is one segment, which may be of no element.
    """
    if len(extents) == 1:
        yield Segment(first, first, last - first, [first * step for (step,) in strides])
        return
    *outer, inner = extents
    column, places = _unravel(f, extents, first)
    starts = [_offset(f, places, steps[:-1]) for steps in strides]
    with f.endless([first, column, *places, *starts]) as loop:
        position, column, *rest = loop.carried
        places, starts = rest[: len(outer)], rest[len(outer) :]
        f.leave(loop, position.ge(last))
        length = smaller(f, inner - column, last - position)
        offsets = [start + column * steps[-1] for start, steps in zip(starts, strides, strict=True)]
        yield Segment(position, column, length, offsets)
        places, starts = _next_row(f, outer, strides, places, starts)
        loop.next = [position + length, f.constant(0, I64), *places, *starts]


def _unravel(f: Function, extents: Sequence[Val], number: Val) -> tuple[Val, list[Val]]:
    """The index of an element along the last axis, and along those before it."""
    found: list[Val] = []
    for extent in reversed(extents[1:]):
        found.append(number.urem(extent))
        number = number.udiv(extent)
    return found[0], [number, *reversed(found[1:])]


def _offset(f: Function, places: Sequence[Val], steps: Sequence[Val]) -> Val:
    total = f.constant(0, I64)
    for place, step in zip(places, steps, strict=True):
        total = total + place * step
    return total


def _next_row(
    f: Function, outer: Sequence[Val], strides: Sequence[Sequence[Val]], places: list[Val], starts: list[Val]
) -> tuple[list[Val], list[Val]]:
    """Index and offsets one row further: the last axis that is not at its end moves on, those behind it return."""
    carry = None
    moved = list(places)
    for axis in reversed(range(len(outer))):
        following = places[axis] + 1
        ends = following.ge(outer[axis]) if axis else None
        stepped = [start + steps[axis] for start, steps in zip(starts, strides, strict=True)]
        if ends is not None:
            back = [s - outer[axis] * steps[axis] for s, steps in zip(stepped, strides, strict=True)]
            stepped = [f.select(ends, x, y) for x, y in zip(back, stepped, strict=True)]
            following = f.select(ends, f.constant(0, I64), following)
        if carry is None:
            moved[axis], starts = following, stepped
            carry = ends
        else:
            moved[axis] = f.select(carry, following, places[axis])
            starts = [f.select(carry, x, y) for x, y in zip(stepped, starts, strict=True)]
            carry = carry & ends if ends is not None else None
    return moved, starts
