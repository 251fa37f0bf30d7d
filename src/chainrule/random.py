"""Random numbers as functions of an explicit key: the same key gives the same numbers, in any order, anywhere.

    key = random.key(0)
    first, second = random.split(key)
    weights = random.normal(first, (784, 100))
    step_key = random.fold_in(second, step)

A key is an ordinary array, int32[2]: an argument, a carry of a loop or a leaf of a tree like any other. Numbers of one
key are not independent of each other's: use a key once, and `split` or `fold_in` for more. The first n numbers are the
same however many are asked for. What the bits are is written in ops/random.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, OptionError, ShapeError, message
from chainrule.ir.op import Traced
from chainrule.ops.arithmetic import cast, greater_equal, less, sqrt
from chainrule.ops.exponential import log
from chainrule.ops.indexing import gather
from chainrule.ops.movement import concatenate, part, reshape
from chainrule.ops.order import argsort
from chainrule.ops.random import KEY, KEYS, NUMBERS, random_bits, random_fold, random_uniform
from chainrule.ops.trigonometric import cos, sin
from chainrule.types import Shape, shape_of, supported, type_of
from chainrule.where import user_location

if TYPE_CHECKING:  # NumPy loads numpy.random on first use
    Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None

__all__ = [
    "as_key",
    "bernoulli",
    "bits",
    "dropout_mask",
    "fold_in",
    "key",
    "normal",
    "permutation",
    "randint",
    "split",
    "uniform",
]

Key: TypeAlias = Any  # a plain or traced array, int32[2]
Size: TypeAlias = int | Sequence[int]

_LONGEST_SPAN: Final = 2**53  # of integers that a float64 in [0, 1) reaches each of

# --- keys -------------------------------------------------------------------------------------------------------------


def key(seed: Seed = None) -> np.ndarray[Any, np.dtype[np.int32]]:
    """A new key, int32[2].

    An int or a SeedSequence always gives the same key; a Generator moves on; None takes the system's entropy.
    """
    given: Any = seed
    if isinstance(seed, np.random.Generator):
        return seed.integers(0, 2**32, 2, np.uint32).view(np.int32)
    if isinstance(seed, np.random.SeedSequence):
        return seed.generate_state(2).view(np.int32)
    if seed is not None and not _is_a(given, int, np.integer):
        expected = "an int, a SeedSequence, a numpy.random.Generator or a key"
        raise DTypeError(message(expected, f"a {type(given).__name__}", user_location(), "random.key(0)"))
    if seed is not None and seed < 0:
        raise OptionError(message("a seed of 0 or more", seed, user_location(), "random.key(0)"))
    return np.random.SeedSequence(seed).generate_state(2).view(np.int32)


def as_key(rng: Any) -> Key:
    """The key that an argument `rng=` stands for: itself if it is one, else `key(rng)`."""
    if _is_a(rng, np.ndarray, Traced):
        found = type_of(rng)
        if (found.shape, found.dtype) != (KEY.shape, KEY.dtype):
            raise DTypeError(message(f"a random key, {KEY}", found, user_location(), "random.key(seed)"))
        return rng
    return key(rng)


def split(key: Key, n: Size = 2) -> Any:
    """`n` new keys, int32[n, 2]; key i does not depend on n. `n` may be a shape."""
    return random_bits(key, shape=(*_shape(n), 2), dtype="int32", stream=KEYS)


def fold_in(key: Key, data: Any) -> Key:
    """The key that belongs to a key and an integer, such as a layer's number or a step's; it may be traced."""
    return random_fold(key, data)


# --- numbers ----------------------------------------------------------------------------------------------------------


def bits(key: Key, shape: Size = (), dtype: Any = np.int32) -> Any:
    """Independent random bits as int32 or int64 of any sign."""
    return random_bits(key, shape=_shape(shape), dtype=supported(dtype).name, stream=NUMBERS)


def uniform(key: Key, shape: Size = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = np.float32) -> Any:
    """Independent numbers low + (high - low) u, u from [0, 1) in steps of 2**-24 (float32) or 2**-53 (float64).

    `low` and `high` broadcast with the shape, may be traced, and pass derivatives. Rounding may give `high` itself,
    except for the default bounds.
    """
    out = random_uniform(key, shape=_shape(shape), dtype=supported(dtype).name)
    if _is_number(high, 1.0) and _is_number(low, 0.0):
        return out
    return out * (high - low) + low


def normal(key: Key, shape: Size = (), mean: Any = 0.0, std: Any = 1.0, dtype: Any = np.float32) -> Any:
    """Independent numbers from the normal distribution; `mean` and `std` broadcast, may be traced, pass derivatives.

    Elements 2i and 2i+1 are sqrt(-2 log(1 - u)) times cos(2 pi v) and sin(2 pi v), u and v the uniform numbers 2i and
    2i+1. The largest are 5.8 in float32 and 8.6 in float64.
    Source: Box and Muller (1958), A note on the generation of random normal deviates.
    """
    out_shape = _shape(shape)
    count = math.prod(out_shape)
    pairs = -(-count // 2)
    both = random_uniform(key, shape=(pairs, 2), dtype=supported(dtype).name)
    u, v = (part(both, 1, place, place + 1) for place in (0, 1))
    radius, angle = sqrt(log(1.0 - u) * -2.0), v * (2 * math.pi)
    columns = concatenate(radius * cos(angle), radius * sin(angle), axis=1)
    out = reshape(part(reshape(columns, shape=(2 * pairs,)), 0, 0, count), shape=out_shape)
    if _is_a(out, np.ndarray):
        out = out[()]  # a number, not an array without axes
    if _is_number(std, 1.0) and _is_number(mean, 0.0):
        return out
    return out * std + mean


def bernoulli(key: Key, p: Any = 0.5, shape: Size | None = None) -> Any:
    """Independent booleans, True with probability p (rounded up to a multiple of 2**-24); of p's shape by default."""
    wanted = shape_of(p) if shape is None else _shape(shape)
    return less(random_uniform(key, shape=wanted, dtype="float32"), p)


def dropout_mask(key: Key, rate: Any, shape: Size, dtype: Any = np.float32) -> Any:
    """What dropout multiplies by: independently 0 with probability `rate`, else 1 / (1 - rate), of mean 1.

    Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
    """
    if not _is_a(rate, Traced) and not 0 <= rate < 1:
        raise OptionError(message("a dropout rate of at least 0 and below 1", rate, user_location(), "rate=0.5"))
    kept = greater_equal(random_uniform(key, shape=_shape(shape), dtype="float32"), rate)
    return cast(kept, dtype=supported(dtype).name) * (1.0 / (1.0 - rate))


def randint(key: Key, shape: Size = (), low: int = 0, high: int = 2, dtype: Any = np.int64) -> Any:
    """Independent integers from low, ..., high - 1: floor(u (high - low)) + low, u a uniform float64.

    A number's probability is off 1 / (high - low) by at most 2**-53.
    """
    first, span = operator.index(low), operator.index(high) - operator.index(low)
    wanted = supported(dtype)
    if not 0 < span <= _LONGEST_SPAN:
        raise OptionError(message(f"low < high <= low + {_LONGEST_SPAN}", f"{low} and {high}", user_location()))
    if wanted.kind not in "iu" or first < np.iinfo(wanted).min or first + span - 1 > np.iinfo(wanted).max:
        got = f"{first} to {first + span - 1} in {wanted.name}"
        raise DTypeError(message("integers that the dtype holds", got, user_location(), "dtype=np.int64"))
    u = random_uniform(key, shape=_shape(shape), dtype="float64")
    return cast(cast(u * float(span), dtype="int64") + first, dtype=wanted.name)


def permutation(key: Key, x: Any) -> Any:
    """A random order of 0, ..., n - 1 for an int n, or an array's rows (first axis) in random order.

    The order is that of n int64 random bits, sorted.
    """
    counted = _is_a(x, int, np.integer)
    n = operator.index(x) if counted else _rows(x)
    order = argsort(random_bits(key, shape=(n,), dtype="int64", stream=NUMBERS), axis=0)
    return order if counted else gather(x, order, axes=(0,))


def _rows(x: Any) -> int:
    shape = type_of(x).shape
    if not shape:
        raise ShapeError(message("a number of rows or an array with an axis", type_of(x), user_location()))
    return shape[0]


def _shape(size: Size) -> Shape:
    """A shape as NumPy's functions take it: a number or a sequence of numbers."""
    given: Any = (size,) if _is_a(size, int, np.integer) else size
    shape = tuple(operator.index(n) for n in given)
    if min(shape, default=0) < 0:
        raise ShapeError(message("lengths of 0 or more", shape, user_location(), "(2, 3)"))
    return shape


def _is_a(x: Any, *kinds: type) -> bool:
    """Whether x is an instance of one of these classes."""
    return isinstance(x, kinds)


def _is_number(x: Any, number: float) -> bool:
    return type(x) in (int, float) and x == number
