"""Which rows are trained on, which are held out, and in which order an epoch visits them.

Random orders are made from the raw bits of the bit generator, whose stream NumPy promises never to change (NEP 19), so
a seed gives the same rows under every version of NumPy and on every system.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.data.failure import data_error

Indices: TypeAlias = npt.NDArray[np.int64]
if TYPE_CHECKING:  # NumPy loads numpy.random on first use, which costs a fifth of its own import
    Seed: TypeAlias = int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator


def split(
    y_or_n: npt.ArrayLike | int, fraction: float, rng: Seed, stratify: npt.ArrayLike | None = None
) -> tuple[Indices, Indices]:
    """Indices (train, held out), each ascending, together 0 .. n - 1; about `fraction * n` rows are held out.

    `y_or_n` is the labels, each class of which is then divided in proportion, or the number of rows; with a number,
    `stratify` may give the labels. Labels are (n,) integers, booleans or strings. Held out of each class: its share by
    largest remainder, at least one row and never all of them.

    `rng` is a seed, which gives the same split every time, or a generator, which moves on.

    Raises DataError for a fraction outside of (0, 1) or one that leaves a side, or a class of it, without a row.
    """
    if stratify is None and np.ndim(y_or_n):
        stratify = y_or_n
    n = _count(y_or_n, "n") if np.ndim(y_or_n) == 0 else len(np.asarray(y_or_n))
    held = int(n * _between_0_and_1(fraction) + 0.5)
    if not 0 < held < n:
        got = f"{held} of {n} rows held out by fraction={fraction}"
        raise data_error("at least one row on either side", got, "more rows or another fraction")
    order = epoch_order(n, rng)
    if stratify is None:
        return np.sort(order[held:]), np.sort(order[:held])
    codes, sizes = _classes(stratify, n)
    quota = _allot(sizes, held)
    by_class = order[np.argsort(codes[order], kind="stable")]
    rank = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = rank < np.repeat(quota, sizes)
    return np.sort(by_class[~chosen]), np.sort(by_class[chosen])


def epoch_order(n: int, rng: Seed) -> Indices:
    """A random order of the rows 0 .. n - 1; a generator moves on, so that every epoch has its own."""
    keys = _scrambled(_bits(rng).random_raw(_count(n, "n")))
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def batches(n: int, batch_size: int, rng: Seed | None = None) -> list[Indices]:
    """The index arrays of one epoch, each of `batch_size` rows but the last, which holds what is left.

    In random order with `rng`, which is a generator if epochs are to differ; else in the order of the rows.
    """
    size = _count(batch_size, "batch_size")
    order = np.arange(_count(n, "n"), dtype=np.int64) if rng is None else epoch_order(n, rng)
    return [order[start : start + size] for start in range(0, n, size)]


def _classes(labels: npt.ArrayLike, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The class of every row as 0 .. k - 1, and the number of rows of each class."""
    array = np.asarray(labels)
    if array.shape != (n,) or array.dtype.kind not in "biuUS":
        got = f"shape {array.shape} of {array.dtype}"
        hint = "split(len(y), ...) if y are not labels, y.argmax(-1) if they are one-hot"
        raise data_error(f"labels of shape ({n},), integers or strings", got, hint)
    names, codes = np.unique(array, return_inverse=True)
    sizes = np.bincount(codes)
    if sizes.min() < 2:
        rare = names[int(np.argmin(sizes))]
        hint = "leaving that class out, or split(len(y), ...) to divide without regard to classes"
        raise data_error("at least 2 rows of every class", f"1 of class {rare}", hint)
    return codes, sizes


def _allot(sizes: npt.NDArray[np.int64], held: int) -> npt.NDArray[np.int64]:
    """How many rows of each class are held out, `held` in all, by largest remainder (Hamilton's method).

    With at least one row of each class on either side; equal remainders go to the first class.
    """
    n, k = int(sizes.sum()), len(sizes)
    if not k <= held <= n - k:
        got = f"{held} of {n} rows held out"
        raise data_error(f"a row of each of {k} classes on either side", got, "more rows or a fraction nearer to 0.5")
    quota = np.clip(sizes * held // n, 1, sizes - 1)
    while (missing := held - int(quota.sum())) != 0:
        deficit = sizes * held - quota * n  # in n-ths of a row: exact in integers
        if missing > 0:
            quota[np.argmax(np.where(quota < sizes - 1, deficit, np.iinfo(np.int64).min))] += 1
        else:
            quota[np.argmin(np.where(quota > 1, deficit, np.iinfo(np.int64).max))] -= 1
    return quota


def _scrambled(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Other words for the same words, in another order, one for each.

    Without it, data drawn by a generator of the same seed would be held out by the size of its first draws.
    Source: variant 13 of Stafford's finalizers, as in Steele, Lea, Flood (2014), Fast splittable pseudorandom number
    generators.
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _bits(rng: Any) -> np.random.BitGenerator:
    """The bit generator of `rng`, PCG64 for a seed."""
    if isinstance(rng, np.random.Generator):
        return rng.bit_generator
    if isinstance(rng, np.random.BitGenerator):
        return rng
    if isinstance(rng, np.random.SeedSequence):
        return np.random.PCG64(rng)
    if isinstance(rng, Integral) and int(rng) >= 0:
        return np.random.PCG64(int(rng))
    raise data_error("rng: a seed of 0 or more, or a NumPy generator", repr(rng), "rng=0")


def _between_0_and_1(fraction: Any) -> float:
    """The fraction as a float, neither 0 nor 1."""
    if not (isinstance(fraction, Real) and 0 < float(fraction) < 1):
        raise data_error("a fraction between 0 and 1", repr(fraction), "fraction=0.2 to hold out one row in five")
    return float(fraction)


def _count(value: Any, name: str) -> int:
    """The value as an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 1:
        raise data_error(f"{name} of at least 1", repr(value), f"{name}=len(x)" if name == "n" else f"{name}=32")
    return int(value)
