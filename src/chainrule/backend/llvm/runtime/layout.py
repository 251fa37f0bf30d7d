"""Where what is in the blocks of memory that Python and the native runtime share: numbers of 64-bit words.

A *table* is a program: entries that the driver walks. A *state* is one run of it: what Python asks for and is told, the
barrier, and an area of each worker's own. The *pool* has a mailbox for each thread.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

WORD: Final = 8
LINE: Final = 16
"""Words between what different workers write: two cache lines, since processors fetch them in pairs."""


class Status(IntEnum):
    """How a run, or a slice of one, ended."""

    DONE = 0
    ERROR = 1  # a kernel found an element out of range
    YIELD = 2  # between two iterations, to go on there
    STOPPED = 3  # somewhere, because it was told to


class Stop(IntEnum):
    """What the word STOP asks for."""

    NO = 0
    BETWEEN = 1  # leave between two iterations, as YIELD
    NOW = 2  # leave before the next kernel, as STOPPED


class Entry(IntEnum):
    """What an entry of the table is: its first word. The second is its length in bytes."""

    CALL = 0
    WHOLE = 1  # a call in a parallel loop: whoever runs the iteration has all parts
    BEGIN = 2
    END = 3  # of a loop
    SHARE = 4  # the begin of a parallel loop: each worker has some of the iterations
    HALT = 5


class CallWord(IntEnum):
    """The words of a call; then pairs (slot in bytes, offset in bytes), then the kernel's own words."""

    ENTRY = 0
    NBYTES = 1
    KERNEL = 2
    PARTS = 3
    BARRIER = 4  # whether all workers meet before it
    NUMBER = 5
    POINTERS = 6  # how many
    WORDS = 7  # where they begin, in bytes from the entry


class LoopWord(IntEnum):
    """The words of a loop's two entries; then what moves on, in bytes: (slot, source, start, step) at the begin, and
    (slot, step after the first iteration and every second one, step after the others, 0) at the end."""

    ENTRY = 0
    NBYTES = 1
    LENGTH = 2
    COUNTER = 3  # of iterations done, in bytes from the area's counters; the number to do is behind it
    ADVANCES = 4  # how many
    BARRIER = 5  # at the begin, whether all workers meet before it; at the end, whether it may yield
    JUMP = (
        6  # at the begin, to behind the end where a worker may have none of it, else 0; at the end, to the first call
    )
    ORDER = 7  # calls in an iteration, where workers do different numbers of them


FIRST: Final = 8
"""The first word behind the fixed ones of every entry."""


class StateWord(IntEnum):
    """The words of a state; the home area lies behind them, the areas of the workers behind that."""

    TABLE = 0  # the address of the first entry
    POSITION = 1  # of the entry to go on at
    AREA = 2  # bytes of an area
    SLOTS = 3  # where an area's slots begin, in bytes
    POINTERS = 4  # where its pointers begin, in bytes
    SCRATCH = 5  # the address of the first worker's
    SCRATCH_STEP = 6  # bytes from one worker's to the next
    THREADS = 7  # how many are asked for
    WORKERS = 8  # how many run it
    POOL = 9  # its address, or 0
    SPIN = 10  # cycles to spin before sleeping
    PROFILE = 11  # the address of PROFILE_WORDS words for each call and worker, or 0
    PROFILE_STEP = 12  # bytes from one call to the next
    BUDGET = 13  # cycles after which to yield, 0 for no end
    ROUNDS = 14  # iterations after which to yield, 0 for no end
    STOP = 15
    ENTRIES = 16  # how often native code was entered
    DEADLINE = 17
    ROUNDS_LEFT = 18
    CYCLES = 19  # that were spent in the last entry
    CALL = 20  # the number of the call that met an error
    INDEX = 21  # the element that is out of range
    NUMBERS = 22  # the address of memory for Python floats that are passed
    PRIVATE = 23  # bytes from a worker's scratch memory to memory of its own
    PRIVATE_SLOT = 24  # of that memory, in bytes from the area's slots; -1 where there is none
    FAILED = 32  # whether a worker met an error
    ARRIVED = 48  # workers at the barrier
    GENERATION = 64  # i32: how often it opened, times VERDICTS, and why it opened


VERDICTS: Final = 4
STATE_WORDS: Final = 80
PROFILE_WORDS: Final = 2  # cycles, and calls with parts to do


class AreaWord(IntEnum):
    """The words of a worker's area; behind them the loops' counters, the slots, and room for a call's pointers."""

    ORDER = 0  # of the call that failed, counted as run, or NEVER
    CALL = 1
    INDEX = 2
    COUNTERS = 3


NEVER: Final = 2**63 - 1


class PoolWord(IntEnum):
    """The words of the pool; the mailboxes lie behind them."""

    SYSCALL = 0  # the address of libc's function
    COUNT = 1  # threads that there are
    BUSY = LINE  # whether somebody runs a program on them


class MailWord(IntEnum):
    """The words of a worker's mailbox: what it waits for, and what it tells. Of the caller's, worker 0, one is used."""

    POSTED = 0  # i32: how many jobs it was given
    SLEEPER = 1  # i32: the system's number of its thread while that sleeps, at whatever it waits for, else 0
    STATE = 2
    WORKER = 3
    POOL = 4
    SPIN = 5
    DONE = LINE  # i32: how many jobs it has done
    LOCK = LINE + 1  # whether somebody wakes it and sets its cores: it does not go on meanwhile


POOL_WORDS: Final = 2 * LINE
MAIL_WORDS: Final = 2 * LINE


# --- what is read of Python's objects ---------------------------------------------------------------------------------


class Misfit(IntEnum):
    """Why an array that is passed is not what was expected; NONE where it is."""

    NONE = 0
    COUNT = 1  # there are more or fewer leaves, or they are no tuple
    TYPE = 2  # no ndarray, or no float
    DTYPE = 3
    SHAPE = 4
    ORDER = 5  # not C-contiguous
    ALIGNMENT = 6
    READ_ONLY = 7  # but to be written to
    OVERLAP = 8  # with one that is to be written to
    HELD = 9  # by somebody else, too


MISFITS: Final = 16
"""A result is MISFITS times the number of the leaf, plus the Misfit."""


class LeafKind(IntEnum):
    """What is expected of a leaf."""

    ARRAY = 0
    NUMBER = 1  # a Python float, that is written to memory
    OWN = 2  # an array that nobody else has


class FormWord(IntEnum):
    """The words of a form: what a tuple of leaves must be; then the leaves' own words."""

    COUNT = 0
    TUPLE = 1  # addresses of types
    ARRAY = 2
    FLOAT = 3
    DONATED = 4  # how many spans are written to: the first ones
    SPANS = 5  # how many there are
    SPAN = 6  # where they begin, in bytes: slot, nbytes, leaf


class LeafWord(IntEnum):
    """The words of a leaf; then its shape."""

    KIND = 0
    SLOT = 1  # in bytes
    DTYPE = 2  # its address
    NDIM = 3
    FLAGS = 4  # that must be set
    NBYTES = 5  # of these words
    OFFSET = 6  # where in the memory of numbers a number is written, in bytes
