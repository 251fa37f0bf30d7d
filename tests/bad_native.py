"""Bad input to native code: threads, dtypes, and arrays that do not fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from bad_rows import Given, Table

import chainrule as cr
from chainrule.errors import DTypeError, OptionError, OwnershipError, TooLargeError

TABLE = Table()
THREADS = "expected threads as an int from 1 up, or None, got {} {{here}}; try threads=1, or None for as many as ..."


def double(x: Any) -> Any:
    return 2.0 * x


@TABLE.called(OptionError, THREADS.format("0"))
def no_threads(given: Given) -> Any:
    return cr.jit(double, threads=0)  # wrong


@TABLE.called(OptionError, THREADS.format("-1"))
def negative_number_of_threads(given: Given) -> Any:
    return cr.jit(double, threads=-1)  # wrong


@TABLE.called(OptionError, THREADS.format("'two'"))
def threads_in_words(given: Given) -> Any:
    two: Any = "two"
    return cr.jit(double, threads=two)  # wrong


@TABLE.called(OptionError, "expected 1 to 256 threads, got threads=1000; try as many as there are processors, here ...")
def thousand_threads(given: Given) -> Any:
    return cr.jit(np.exp, threads=1000)(np.ones(1_000_000))


@TABLE.called(DTypeError, "expected one of the dtypes ... for argument `0`, got float16 {here}; try x.astype(...)")
def half_precision_staged(given: Given) -> Any:
    return cr.jit(double)(given.x.astype(np.float16))  # wrong


@TABLE.called(DTypeError, "expected one of the dtypes ... for argument `0`, got uint32 {here}; try x.astype(...)")
def unsigned_numbers_staged(given: Given) -> Any:
    return cr.jit(double)(given.x.astype(np.uint32))  # wrong


@TABLE.called(
    TooLargeError,
    "expected memory for a call that needs ... bytes: inputs 8,000,000, outputs 8, constants 0, arena ..., got ... "
    "bytes in this machine; try smaller arrays, ...",
)
def arrays_in_between_that_do_not_fit(given: Given) -> Any:
    return cr.jit(lambda x: np.sort(x[:, None] * x, axis=0)[0].sum())(np.ones(1_000_000))


@TABLE.called(
    OwnershipError, "expected a donated array that nothing else uses, got one of type f64[3] ... {here}; try ..."
)
def donated_and_passed_again(given: Given) -> Any:
    step = cr.jit(lambda a, b: a + b, donate=0)
    step(given.x.copy(), given.x)
    return step(given.x, given.x)  # wrong
