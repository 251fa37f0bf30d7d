"""`ready_pool`: the process's one pool of threads, that run programs and no Python.

The threads are the system's own, made by `pthread_create`: Python does not know them, they take no signals, and sleep
or spin in native code until the process ends, which waits for none of them. The memory they look at is never freed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from functools import cache
from typing import Any, Final

from chainrule.backend.llvm.runtime.layout import MAIL_WORDS, POOL_WORDS, WORD, MailWord, PoolWord
from chainrule.backend.llvm.runtime.native import runtime
from chainrule.backend.llvm.runtime.threads import MOST_THREADS

HAS_POOL: Final = sys.platform == "linux"
"""Elsewhere every program runs on the thread that calls it."""

SPIN: Final = 100e-6
"""Seconds for which a thread that waits looks again and again, before it lets others have its core, and sleeps."""

_WORDS: Final = POOL_WORDS + MOST_THREADS * MAIL_WORDS


class _Pool:
    """The block of words that all threads look at; `count` is how many threads there are in this process."""

    def __init__(self) -> None:
        libc: Any = ctypes.CDLL(None)
        self._create: Any = libc.pthread_create
        self._create.argtypes = [ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        self._syscall = int(ctypes.cast(libc.syscall, ctypes.c_void_p).value or 0)
        self._memory = (ctypes.c_int64 * (_WORDS + POOL_WORDS))()
        _keep(self._memory)
        skip = -ctypes.addressof(self._memory) % (POOL_WORDS * WORD)
        self.address = ctypes.addressof(self._memory) + skip
        self._words = (ctypes.c_int64 * _WORDS).from_address(self.address)
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Begins with no threads: a process that was forked has none of its parent's."""
        ctypes.memset(self.address, 0, _WORDS * WORD)
        self._words[PoolWord.SYSCALL] = self._syscall
        self._lock = threading.Lock()
        self.count = 0

    def grow(self, count: int) -> None:
        """Makes threads until there are `count`, or as many as the system gives."""
        everything = signal.valid_signals()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        try:
            with self._lock:
                while self.count < count and self._make(self.count):
                    self.count += 1
                    self._words[PoolWord.COUNT] = self.count
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _make(self, number: int) -> bool:
        """Whether a thread could be made, that waits at the mailbox of worker number + 1."""
        place = POOL_WORDS + (number + 1) * MAIL_WORDS
        self._words[place + MailWord.POOL] = self.address
        self._words[place + MailWord.SPIN] = spin_cycles()
        handle = ctypes.c_ulong()
        return self._create(ctypes.byref(handle), None, runtime().worker, self.address + place * WORD) == 0


def ready_pool(threads: int) -> int:
    """The address of the pool, with threads enough for a program on `threads` of them; 0 where there is no pool."""
    if threads < 2 or not HAS_POOL:
        return 0
    pool = _pool()
    if pool.count < threads - 1:
        pool.grow(threads - 1)
    return pool.address


@cache
def _pool() -> _Pool:
    return _Pool()


@cache
def spin_cycles() -> int:
    """SPIN in cycles."""
    return int(SPIN * runtime().cycles_per_second())


def _keep(thing: object) -> None:
    """Keeps an object as long as the process, also while Python ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
