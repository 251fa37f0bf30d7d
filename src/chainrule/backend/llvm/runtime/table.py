"""`lay_out`: calls of kernels and loops around them as the block of words that the driver walks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from chainrule.backend.llvm.runtime.layout import FIRST, WORD, Entry, LoopWord

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
    """A slot that is an address within another slot: `start` + i `step` bytes into it in iteration i.

    One that `turns`, of a loop that is not parallel, is there in the first one, `step` bytes on in the second one, back
    in the third one, and so on.
    """

    slot: int
    source: int
    start: int
    step: int
    turns: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class LoopBegin:
    """What stands before the calls of a loop; its iterations go from the last one to the first where `reverse`.

    `yields` tells whether a run may be interrupted between its iterations, and the workers meet there; where None, that
    is so for outermost loops. `barrier` is as for a call, before the first iteration. The iterations of a `parallel`
    one are divided among the workers, each of which runs its own alone; it does not yield.
    """

    length: int
    reverse: bool = False
    advances: tuple[Advance, ...] = ()
    yields: bool | None = None
    barrier: bool | None = None
    parallel: bool = False


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
    shares: bool  # whether there is a parallel loop

    @property
    def parallel(self) -> bool:
        """Whether there is anything to divide among workers."""
        return self.shares or any(call.parts > 1 for call in self.calls)


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
    return Table(writer.words, calls, writer.depth, pointers, scratch, writer.yields, writer.shares)


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
    return max((_loop_kind(x) if isinstance(x, _Loop) else _own_kind(x.call) for x in block), default=_NOTHING)


def _loop_kind(loop: _Loop) -> int:
    return _PARALLEL if loop.begin.parallel else _kind(loop.body)


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
        self.shares = False

    def block(self, block: _Block, depth: int, pending: int) -> int:
        """Writes the entries of a block; what may still run behind it."""
        self.depth = max(self.depth, depth)
        for item in block:
            pending = self._loop(item, depth, pending) if isinstance(item, _Loop) else self._call(*item, pending)
        return pending

    def _own(self, block: _Block, depth: int) -> None:
        """Writes the entries of a block that each worker runs alone."""
        self.depth = max(self.depth, depth)
        for item in block:
            if isinstance(item, _Loop):
                if item.begin.length > 0:
                    self._entries(item, Entry.BEGIN, depth)
            else:
                self._entry(Entry.WHOLE, *item, False)

    def _call(self, number: int, call: Call, pending: int) -> int:
        kind = _own_kind(call)
        barrier = _clashes(pending, kind) if call.barrier is None else call.barrier
        self._entry(Entry.CALL, number, call, barrier)
        return kind if barrier else max(pending, kind)

    def _entry(self, entry: Entry, number: int, call: Call, barrier: bool) -> None:
        begin = FIRST + 2 * len(call.pointers)
        head = (entry, WORD * (begin + len(call.words)), call.kernel, call.parts, int(barrier))
        self.words.extend((*head, number, len(call.pointers), WORD * begin))
        for slot, offset in call.pointers:
            self.words.extend((WORD * slot, offset & _ALL))
        self.words.extend([word & _ALL for word in call.words])

    def _loop(self, loop: _Loop, depth: int, pending: int) -> int:
        begin, kind = loop.begin, _loop_kind(loop)
        if begin.length < 1:
            return pending
        if begin.parallel:
            self.shares = True
            barrier = _clashes(pending, kind) if begin.barrier is None else begin.barrier
            self._entries(loop, Entry.SHARE, depth, barrier)
            return kind
        yields = depth == 0 if begin.yields is None else begin.yields
        self.yields |= yields
        barrier = _clashes(pending, kind) if begin.barrier is None else begin.barrier
        pending = _NOTHING if barrier else pending
        alone = kind == _SERIAL and not yields and not _meets(loop.body)
        place, moves = self._begin(loop, Entry.BEGIN, depth, barrier)
        first = len(self.words)
        entering = pending if yields or alone else max(pending, kind)
        pending = self.block(loop.body, depth + 1, entering)
        self._end(loop, moves, depth, first, yields)
        if alone:
            self._jump(place, loop)
        return pending

    def _entries(self, loop: _Loop, entry: Entry, depth: int, barrier: bool = False) -> None:
        """Writes a loop whose iterations a worker runs alone."""
        place, moves = self._begin(loop, entry, depth, barrier)
        first = len(self.words)
        self._own(loop.body, depth + 1)
        end = len(self.words)
        self._end(loop, moves, depth, first, False)
        if entry == Entry.SHARE:
            self._jump(place, loop)
            self.words[end + LoopWord.ORDER] = self.words[place + LoopWord.ORDER]

    def _begin(self, loop: _Loop, entry: Entry, depth: int, barrier: bool) -> tuple[int, list[Advance]]:
        place, begin = len(self.words), loop.begin
        moves = [self._start(begin, advance) for advance in begin.advances]
        self._head(entry, begin, depth, len(moves) * 4, int(barrier))
        for move in moves:
            self.words.extend((WORD * move.slot, WORD * move.source, move.start & _ALL, move.step & _ALL))
        return place, moves

    def _end(self, loop: _Loop, moves: list[Advance], depth: int, first: int, yields: bool) -> None:
        back = WORD * (first - len(self.words))
        self._head(Entry.END, loop.begin, depth, len(moves) * 4, int(yields), back)
        for move in moves:
            then = -move.step if move.turns else move.step
            self.words.extend((WORD * move.slot, move.step & _ALL, then & _ALL, 0))

    def _jump(self, place: int, loop: _Loop) -> None:
        """Lets a worker go over a loop that is written."""
        self.words[place + LoopWord.JUMP] = WORD * (len(self.words) - place)
        self.words[place + LoopWord.ORDER] = _runs(loop.body)

    def _head(self, entry: Entry, begin: LoopBegin, depth: int, extra: int, flag: int, jump: int = 0) -> None:
        nbytes, moves = WORD * (FIRST + extra), len(begin.advances)
        self.words.extend((entry, nbytes, begin.length, 2 * WORD * depth, moves, flag, jump & _ALL, 0))

    def _start(self, begin: LoopBegin, advance: Advance) -> Advance:
        """The advance as it begins: a reversed loop begins at the end and goes back."""
        if not begin.reverse or advance.turns:
            return advance
        return advance._replace(start=advance.start + (begin.length - 1) * advance.step, step=-advance.step)


def _runs(block: _Block) -> int:
    """How many calls are run in a block."""
    return sum(item.begin.length * _runs(item.body) if isinstance(item, _Loop) else 1 for item in block)
