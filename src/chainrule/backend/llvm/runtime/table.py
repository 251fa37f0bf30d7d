"""`lay_out`: calls of kernels and loops around them as the block of words that the driver walks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from chainrule.backend.llvm.runtime.layout import FIRST, WORD, Entry

_ALL: Final = 2**64 - 1


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """A kernel's call: its address, its pointers as slot and offset in bytes, its words, how many parts it has.

    `barrier` tells whether all workers meet before it; where None, they do unless it is plain that nothing can clash.
    """

    kernel: int
    pointers: tuple[tuple[int, int], ...]
    words: tuple[int, ...] = ()
    parts: int = 1
    scratch: int = 0
    barrier: bool | None = None


class Advance(NamedTuple):
    """A slot that is an address within another slot: `start` + i `step` bytes into it in iteration i."""

    slot: int
    source: int
    start: int
    step: int


@dataclass(frozen=True, eq=False, slots=True)
class LoopBegin:
    """What stands before the calls of a loop; its iterations go from the last one to the first where `reverse`.

    `yields` tells whether a run may be interrupted between its iterations, and the workers meet there; where None, that
    is so for outermost loops. `barrier` is as for a call, before the first iteration.
    """

    length: int
    reverse: bool = False
    advances: tuple[Advance, ...] = ()
    yields: bool | None = None
    barrier: bool | None = None


@dataclass(frozen=True, slots=True)
class LoopEnd:
    """What stands behind the calls of a loop."""


Item: TypeAlias = Call | LoopBegin | LoopEnd


@dataclass(frozen=True, eq=False)
class Table:
    """A program's words, and what must be known to run it: calls are numbered as they were given."""

    words: array[int]
    calls: tuple[Call, ...]
    depth: int  # of loops
    pointers: int  # of the call that has most
    scratch: int  # of the call that needs most, for one worker
    yields: bool  # whether there is a place where a run may be interrupted

    @property
    def parallel(self) -> bool:
        """Whether any call has more than one part."""
        return any(call.parts > 1 for call in self.calls)


@dataclass(frozen=True, eq=False)
class _Loop:
    begin: LoopBegin
    body: _Block = field(default_factory=list["_Loop | _Numbered"])


class _Numbered(NamedTuple):
    number: int
    call: Call


_Block: TypeAlias = "list[_Loop | _Numbered]"


def lay_out(items: Sequence[Item]) -> Table:
    """The table of calls in their order. A loop of no iterations leaves nothing in it."""
    writer = _Writer()
    writer.block(_nested(items), 0, _NOTHING)
    writer.words.extend([Entry.HALT, WORD])
    calls = tuple(item for item in items if isinstance(item, Call))
    pointers = max((len(call.pointers) for call in calls), default=0)
    scratch = max((call.scratch for call in calls), default=0)
    return Table(writer.words, calls, writer.depth, pointers, scratch, writer.yields)


def _nested(items: Sequence[Item]) -> _Block:
    stack: list[_Block] = [[]]
    number = 0
    for item in items:
        if isinstance(item, LoopBegin):
            loop = _Loop(item)
            stack[-1].append(loop)
            stack.append(loop.body)
        elif isinstance(item, LoopEnd):
            stack.pop()
        else:
            stack[-1].append(_Numbered(number, item))
            number += 1
    (block,) = stack
    return block


# --- barriers ---------------------------------------------------------------------------------------------------------

_NOTHING: Final = 0
_SERIAL: Final = 1
_PARALLEL: Final = 2
"""What may still run on some worker since all of them met: nothing, calls of worker 0's, or parts of calls."""


def _kind(block: _Block) -> int:
    """What may run on some worker while a block is run."""
    return max((_kind(x.body) if isinstance(x, _Loop) else _own_kind(x.call) for x in block), default=_NOTHING)


def _own_kind(call: Call) -> int:
    return _PARALLEL if call.parts > 1 else _SERIAL


def _clashes(pending: int, kind: int) -> bool:
    """Whether what comes must wait for what may still run: worker 0 alone keeps its own order."""
    return pending == _PARALLEL or (pending == _SERIAL and kind == _PARALLEL)


def _meets(block: _Block) -> bool:
    """Whether workers are told to meet somewhere in a block."""
    return any(
        _meets(x.body) or x.begin.barrier or x.begin.yields if isinstance(x, _Loop) else x.call.barrier for x in block
    )


class _Writer:
    """Writes entries, and finds out on the way where all workers must meet."""

    def __init__(self) -> None:
        self.words = array("Q")
        self.depth = 0
        self.yields = False

    def block(self, block: _Block, depth: int, pending: int) -> int:
        """Writes the entries of a block; what may still run behind it."""
        self.depth = max(self.depth, depth)
        for item in block:
            pending = self._loop(item, depth, pending) if isinstance(item, _Loop) else self._call(*item, pending)
        return pending

    def _call(self, number: int, call: Call, pending: int) -> int:
        kind = _own_kind(call)
        barrier = _clashes(pending, kind) if call.barrier is None else call.barrier
        begin = FIRST + 2 * len(call.pointers)
        head = (Entry.CALL, WORD * (begin + len(call.words)), call.kernel, call.parts, int(barrier))
        self.words.extend((*head, number, len(call.pointers), WORD * begin))
        for slot, offset in call.pointers:
            self.words.extend((WORD * slot, offset & _ALL))
        self.words.extend([word & _ALL for word in call.words])
        return kind if barrier else max(pending, kind)

    def _loop(self, loop: _Loop, depth: int, pending: int) -> int:
        begin, kind = loop.begin, _kind(loop.body)
        if begin.length < 1:
            return pending
        yields = depth == 0 if begin.yields is None else begin.yields
        self.yields |= yields
        barrier = _clashes(pending, kind) if begin.barrier is None else begin.barrier
        pending = _NOTHING if barrier else pending
        alone = kind == _SERIAL and not yields and not _meets(loop.body)
        place = len(self.words)
        moves = [self._start(begin, advance) for advance in begin.advances]
        self._head(Entry.BEGIN, begin, depth, len(moves) * 3, int(barrier))
        for move in moves:
            self.words.extend((WORD * move.slot, WORD * move.source, move.start & _ALL))
        first = len(self.words)
        entering = pending if yields or alone else max(pending, kind)
        pending = self.block(loop.body, depth + 1, entering)
        end = len(self.words)
        self._head(Entry.END, begin, depth, len(moves) * 2, int(yields), WORD * (first - end))
        for move in moves:
            self.words.extend((WORD * move.slot, move.step & _ALL))
        if alone:
            self.words[place + 6] = WORD * (len(self.words) - place)
            self.words[place + 7] = _runs(loop)
        return pending

    def _head(self, entry: Entry, begin: LoopBegin, depth: int, extra: int, flag: int, jump: int = 0) -> None:
        nbytes, moves = WORD * (FIRST + extra), len(begin.advances)
        self.words.extend((entry, nbytes, begin.length, WORD * depth, moves, flag, jump & _ALL, 0))

    def _start(self, begin: LoopBegin, advance: Advance) -> Advance:
        """The advance as it begins: a reversed loop begins at the end and goes back."""
        if not begin.reverse:
            return advance
        return advance._replace(start=advance.start + (begin.length - 1) * advance.step, step=-advance.step)


def _runs(loop: _Loop) -> int:
    """How many calls are run in a loop."""
    inside = [_runs(item) if isinstance(item, _Loop) else 1 for item in loop.body]
    return loop.begin.length * sum(inside)
