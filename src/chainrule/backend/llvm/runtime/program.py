"""`Program`: a table of calls that can be run, and `State`: one run of it, which can be interrupted and go on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.runtime.arrays import Form, Wrong, reading, wrong
from chainrule.backend.llvm.runtime.layout import (
    LINE,
    PROFILE_WORDS,
    STATE_WORDS,
    WORD,
    AreaWord,
    StateWord,
    Status,
    Stop,
)
from chainrule.backend.llvm.runtime.native import runtime
from chainrule.backend.llvm.runtime.pool import ready_pool, spin_cycles
from chainrule.backend.llvm.runtime.table import Item, lay_out
from chainrule.backend.llvm.runtime.threads import available_processors, checked_threads

SLICE: Final = 0.05
"""Seconds of native code between two looks at Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; at an error the number of the call, and the element that is out of range."""

    status: Status
    call: int = -1
    index: int = -1


_STATUS: Final = tuple(Status)
_YIELD: Final = int(Status.YIELD)
_OUTCOMES: Final = tuple(Outcome(status) for status in Status)


@dataclass(frozen=True, eq=False)
class Timing:
    """What a profile holds of one call: seconds on each worker, and how often each had parts of it to do."""

    seconds: tuple[float, ...]
    runs: tuple[int, ...]


class Program:
    """Calls and loops as a table, over `slots` addresses, of which a run is given the first ones.

    `private` is a slot, and the bytes of each worker's own memory that it stands for.
    """

    def __init__(self, items: Sequence[Item], slots: int, private: tuple[int, int] | None = None) -> None:
        self.table = lay_out(items)
        self.slots = slots
        self.private = private
        self.address, _ = self.table.words.buffer_info()
        self._free: list[State] = []

    def state(self, threads: int = 1) -> State:
        """A state for runs on at most `threads` threads: one that was given back, or a new one."""
        threads = checked_threads(threads) if self.table.parallel else 1
        while self._free:
            try:
                state = self._free.pop()
            except IndexError:  # another thread took it
                break
            if state.threads == threads:
                return state
        return State(self, threads)

    def nbytes(self, threads: int = 1) -> int:
        """The bytes of a state for so many threads."""
        return _Sizes.of(self, checked_threads(threads) if self.table.parallel else 1).nbytes

    def give_back(self, state: State) -> None:
        """Lets a later run have a state."""
        self._free.append(state)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Where in a state what is, in words: slots and pointers in an area, areas, numbers, `head` before the scratch.

    In bytes: the scratch memory of a worker, where in it its private memory begins, and all of it.
    """

    slots: int
    pointers: int
    area: int
    numbers: int
    head: int
    private: int
    scratch: int
    nbytes: int

    @classmethod
    def of(cls, program: Program, threads: int) -> _Sizes:
        """Those of a state for so many threads."""
        table = program.table
        slots = AreaWord.COUNTERS + 2 * table.depth
        pointers = slots + program.slots
        area = -(-(pointers + table.pointers) // LINE) * LINE
        areas = 1 + (threads if threads > 1 else 0)
        private = -(-table.scratch // (LINE * WORD)) * LINE * WORD
        own = program.private[1] if program.private else 0
        scratch = private + -(-own // (LINE * WORD)) * LINE * WORD
        numbers = STATE_WORDS + areas * area
        head = -(-(numbers + program.slots) // LINE) * LINE  # as many numbers as there may be leaves
        nbytes = (head + LINE) * WORD + threads * scratch
        return cls(slots, pointers, area, numbers, head, private, scratch, nbytes)


class State:
    """Memory of one run at a time of a program: its words, the areas and the scratch memory of its workers."""

    def __init__(self, program: Program, threads: int) -> None:
        self.program, self.threads = program, threads
        size = _Sizes.of(program, threads)
        self.private = size.private  # where in a worker's scratch memory that of its own begins
        slots, pointers, area, head = size.slots, size.pointers, size.area, size.head
        memory: Any = np.empty(size.nbytes, np.uint8)
        skip = -memory.ctypes.data % (LINE * WORD)
        memory[skip : skip + head * WORD] = 0
        self._words = memoryview(memory)[skip : skip + head * WORD].cast("q")
        self.address: int = memory.ctypes.data + skip
        self._pack = struct.Struct(f"{program.slots}Q").pack_into
        self._slots = (STATE_WORDS + slots) * WORD
        self._profile: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self.arena: np.ndarray[Any, Any] | None = None  # memory that is this run's, too, and kept with it
        self._run, self._entry = runtime().run, runtime().address
        reader = reading()
        self._call = reader.call if reader else None
        self._slice = SLICE if program.table.yields else 0.0
        self._limits = (0, 0.0)
        words = self._words
        words[StateWord.TABLE] = words[StateWord.POSITION] = program.address
        words[StateWord.AREA], words[StateWord.SLOTS] = area * WORD, slots * WORD
        words[StateWord.POINTERS] = pointers * WORD
        self.scratch: Any = memory[skip + head * WORD : skip + head * WORD + threads * size.scratch]
        own_slot = program.private[0] * WORD if program.private else -1
        words[StateWord.SCRATCH], words[StateWord.SCRATCH_STEP] = self.address + head * WORD, size.scratch
        words[StateWord.PRIVATE], words[StateWord.PRIVATE_SLOT] = size.private, own_slot
        words[StateWord.THREADS], words[StateWord.NUMBERS] = threads, self.address + size.numbers * WORD
        if threads > 1:
            words[StateWord.SPIN] = spin_cycles() if threads <= available_processors() else 0

    def start(self, slots: Sequence[int]) -> None:
        """Sets the addresses in the first slots, and the position to the program's beginning."""
        self._pack(self._words, self._slots, *slots, *[0] * (self.program.slots - len(slots)))
        self._words[StateWord.POSITION] = self.program.address
        if self.threads > 1:
            self._words[StateWord.POOL] = ready_pool(self.threads)

    def set(self, slot: int, address: int) -> None:
        """Sets one slot, such as the arena's, for all calls to come."""
        self._words[self._slots // WORD + slot] = address

    def proceed(self, rounds: int = 0, seconds: float = 0.0) -> Status:
        """Runs the program, or goes on with it, until it ends, or until `rounds` iterations or `seconds` are over.

        Only between iterations of loops that may yield is there an end to a slice; 0 stands for no end.
        """
        self._limit(rounds, seconds)
        return _STATUS[self._run(self.address)]

    def run(self) -> Outcome:
        """Runs to the end, in slices, between which Python looks for Ctrl-C: then the last whole iteration is done."""
        self._limit(0, self._slice)
        return self.finish(self._run(self.address))

    def repeater(self) -> Callable[[], int]:
        """What runs from the beginning, with the addresses that the slots have, at the least cost.

        What it gives is 0 where all is well, else for `finish`.
        """
        self._limit(0, self._slice)
        return partial(runtime().repeat, self.address)

    def call(self, form: Form, leaves: tuple[Any, ...]) -> Outcome | Wrong:
        """As `run` from the beginning, on the memory of arrays; or which of them does not fit.

        Slots that no leaf has keep what they were set to.
        """
        self._limit(0, self._slice)
        if self.threads > 1:
            self._words[StateWord.POOL] = ready_pool(self.threads)
        if self._call is None:
            return self._call_slowly(form, leaves)
        code = self._call(self.address, form.address, leaves, self._entry)
        return self.finish(code) if code >= 0 else wrong(-1 - code)

    def _call_slowly(self, form: Form, leaves: tuple[Any, ...]) -> Outcome | Wrong:
        found = self.ready(form, leaves)
        return self.finish(self._run(self.address)) if found is None else found

    def ready(self, form: Form, leaves: tuple[Any, ...]) -> Wrong | None:
        """As `call`, but runs nothing yet: that is for `proceed` to do."""
        numbers, reader = self._words[StateWord.NUMBERS], reading()
        if reader is not None:
            code = reader.read(form.address, leaves, self.address + self._slots, numbers)
            if code:
                return wrong(code)
        else:
            found = form.addresses(leaves, numbers)
            if isinstance(found, Wrong):
                return found
            for leaf, address in zip(form.leaves, found, strict=True):
                self.set(leaf.slot, address)
        self._words[StateWord.POSITION] = self.program.address
        if self.threads > 1:
            self._words[StateWord.POOL] = ready_pool(self.threads)
        return None

    def _limit(self, rounds: int, seconds: float) -> None:
        if (rounds, seconds) != self._limits:
            self._words[StateWord.ROUNDS] = rounds
            self._words[StateWord.BUDGET] = int(seconds * runtime().cycles_per_second()) if seconds else 0
            self._limits = (rounds, seconds)

    def finish(self, code: int) -> Outcome:
        """The outcome of a run of which a slice has ended so: the rest is run."""
        while code == _YIELD:
            code = self._run(self.address)
        return self.outcome(_STATUS[code])

    def outcome(self, status: Status) -> Outcome:
        """A status, with what is known of an error."""
        if status != Status.ERROR:
            return _OUTCOMES[status]
        return Outcome(status, self._words[StateWord.CALL], self._words[StateWord.INDEX])

    def slot(self, number: int) -> int:
        """The address in a slot; where a run has failed, the one on the worker that met the error."""
        area = STATE_WORDS
        if self.workers > 1 and self._words[StateWord.FAILED]:
            size = self._words[StateWord.AREA] // WORD
            areas = [STATE_WORDS + (1 + worker) * size for worker in range(self.workers)]
            area = min(areas, key=lambda area: [self._words[area + n] for n in (AreaWord.ORDER, AreaWord.INDEX)])
        return self._words[area + self._words[StateWord.SLOTS] // WORD + number]

    def stop(self, how: Stop) -> None:
        """Asks the run that is under way in another thread to end, or (NO) lets the next one run."""
        self._words[StateWord.STOP] = how

    @property
    def entries(self) -> int:
        """How often native code was entered."""
        return self._words[StateWord.ENTRIES]

    @property
    def workers(self) -> int:
        """On how many threads the last slice ran."""
        return self._words[StateWord.WORKERS]

    @property
    def seconds(self) -> float:
        """How long the last slice took."""
        return self._words[StateWord.CYCLES] / runtime().cycles_per_second()

    def iterations(self, depth: int = 0) -> int:
        """How many iterations are done, where a slice has ended, of the loop that has `depth` loops around it."""
        return self._words[STATE_WORDS + AreaWord.COUNTERS + 2 * depth]

    def profile(self, on: bool = True) -> None:
        """Begins to measure the time of every call, from nothing, or ends it."""
        calls = len(self.program.table.calls)
        self._profile = np.zeros((calls, self.threads, PROFILE_WORDS), np.int64) if on else None
        self._words[StateWord.PROFILE] = 0 if self._profile is None else self._profile.ctypes.data
        self._words[StateWord.PROFILE_STEP] = self.threads * PROFILE_WORDS * WORD

    def timings(self) -> tuple[Timing, ...]:
        """What was measured of every call."""
        if self._profile is None:
            return ()
        speed = runtime().cycles_per_second()
        rows: list[list[list[int]]] = self._profile.tolist()
        return tuple(Timing(tuple(c / speed for c, _ in row), tuple(n for _, n in row)) for row in rows)


def execute(program: Program, slots: Sequence[int], threads: int = 1) -> Outcome:
    """How one run of a program ended, whose first slots are these addresses."""
    state = program.state(threads)
    state.start(slots)
    outcome = state.run()
    program.give_back(state)
    return outcome
