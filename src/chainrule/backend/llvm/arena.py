"""`place_buffers`: where in one block of memory each buffer in between lies, so that those that are never needed at one
time may lie at one place."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.backend.aligned import ALIGN
from chainrule.schedule.plan import Buffer


@dataclass(frozen=True, eq=False)
class Use:
    """That a buffer is needed at a time, in loops: their (begin, end), the outermost one first."""

    time: int
    loops: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Arena:
    """Offsets of buffers in a block of `nbytes`."""

    offsets: Mapping[Buffer, int]
    nbytes: int


def place_buffers(uses: Mapping[Buffer, Sequence[Use]], apart: int = 0) -> Arena:
    """The offset of each buffer. With `apart`, none shares its place, and so many bytes lie between two of them."""
    lives = sorted(
        ((*_life(found), buffer) for buffer, found in uses.items()), key=lambda life: (life[0], -life[2].nbytes)
    )
    offsets: dict[Buffer, int] = {}
    holes: list[tuple[int, int]] = []  # offset and size, in order of offset
    living: list[tuple[int, int, int]] = []  # the end, offset and size, in order of the end
    top = apart
    for begin, end, buffer in lives:
        size = -(-max(1, buffer.nbytes) // ALIGN) * ALIGN
        while living and living[0][0] < begin and not apart:
            _, offset, freed = living.pop(0)
            _free(holes, offset, freed)
        fitting = [(hole, i) for i, (_, hole) in enumerate(holes) if hole >= size]
        if fitting:
            hole, i = min(fitting)
            offset = holes[i][0]
            holes[i : i + 1] = [(offset + size, hole - size)] if hole > size else []
        elif holes and sum(holes[-1]) == top:
            offset = holes.pop()[0]
            top = offset + size
        else:
            offset, top = top, top + size + apart
        offsets[buffer] = offset
        insort(living, (end, offset, size))
    return Arena(offsets, top)


def _life(uses: Sequence[Use]) -> tuple[int, int]:
    """From when to when a buffer is needed: throughout a loop, if in it and outside of it."""
    first = uses[0].loops
    depth = min(_common(first, use.loops) for use in uses)
    spans = [use.loops[depth] if len(use.loops) > depth else (use.time, use.time) for use in uses]
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def _common(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> int:
    """In how many loops, from the outermost one on, both are."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def _free(holes: list[tuple[int, int]], offset: int, size: int) -> None:
    """Adds a hole, joined with those beside it."""
    insort(holes, (offset, size))
    i = holes.index((offset, size))
    if i + 1 < len(holes) and offset + size == holes[i + 1][0]:
        holes[i : i + 2] = [(offset, size + holes[i + 1][1])]
    if i and sum(holes[i - 1]) == holes[i][0]:
        holes[i - 1 : i + 1] = [(holes[i - 1][0], holes[i - 1][1] + holes[i][1])]
