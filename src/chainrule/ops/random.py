"""Random numbers as functions of a key and an index: Philox4x32-10 (Salmon et al., 2011).

Word j of a key's stream s is word j mod 4 of the block whose counter is (j // 4 mod 2**32, j // 2**34, 0, s). An
element of a result is made of the words at its own row-major index, never of a lane's, a chunk's or a thread's: the
first n of any number of elements are the same n, wherever they are computed.

| element i of | words of stream 0 | value |
|---|---|---|
| `random_bits`, int32 | a = word i | a, read as two's complement |
| `random_bits`, int64 | a, b = words 2i, 2i+1 | a 2**32 + b, read as two's complement |
| `random_uniform`, float32 | a = word i | (a >> 8) 2**-24 |
| `random_uniform`, float64 | a, b = words 2i, 2i+1 | ((a >> 5) 2**26 + (b >> 6)) 2**-53 |
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, message
from chainrule.ir.kinds import Case, Generate
from chainrule.ir.op import Op
from chainrule.types import FLOAT32, FLOAT64, FLOATS, INT64, Shape, Type, supported, type_of
from chainrule.where import user_location

Array = np.ndarray[Any, Any]

INT32: Final = np.dtype(np.int32)
KEY: Final = Type((2,), INT32)
NUMBERS, KEYS, FOLDS = range(3)  # streams: what is split off or folded in is never a word of the numbers

_MULTIPLIERS: Final = 0xD2511F53, 0xCD9E8D57
_WEYL: Final = 0x9E3779B9, 0xBB67AE85
_LOW: Final = 0xFFFFFFFF
_ROUNDS: Final = 10
_CHUNK: Final = 4096  # blocks at a time: the working arrays stay in the cache
_FEW: Final = 4  # blocks that are quicker one by one


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """The four words of a block, or of each block: integers below 2**32, or arrays of them in uint64, as counters are.

    Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
    """
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        low, high = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (high >> 32) ^ x1 ^ k0, high & _LOW, (low >> 32) ^ x3 ^ k1, low & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return x0, x1, x2, x3


def words(key: Array, count: int, stream: int) -> Array:
    """The first `count` words of a stream of the key, in uint32."""
    k0, k1 = (int(word) & _LOW for word in key)
    blocks = -(-count // 4)
    out = np.empty((blocks, 4), np.uint32)
    if blocks <= _FEW:
        for number in range(blocks):
            out[number] = philox((number, 0, 0, stream), (k0, k1))
        return out.reshape(-1)[:count]
    for start in range(0, blocks, _CHUNK):
        number = np.arange(start, min(start + _CHUNK, blocks), dtype=np.uint64)
        fixed = np.zeros_like(number)
        block = philox((number & _LOW, number >> 32, fixed, fixed + stream), (k0, k1))
        for place, word in enumerate(block):
            out[start : start + _CHUNK, place] = word
    return out.reshape(-1)[:count]


def _check_key(key: Type) -> None:
    if (key.shape, key.dtype) != (KEY.shape, KEY.dtype):
        raise DTypeError(message(f"a random key, {KEY}", key, user_location(), "cr.random.key(seed)"))


def _infer_bits(key: Type, *, shape: Shape, dtype: str, stream: int) -> Type:
    _check_key(key)
    out = Type(shape, supported(dtype))
    if out.dtype not in (INT32, INT64):
        raise DTypeError(message("int32 or int64 for random bits", dtype, user_location()))
    return out


def _key_type(key: Any) -> Type:
    """The type of what is given as a key; a DTypeError for what cannot be one, such as a shape in its place."""
    if isinstance(key, (tuple, list, type(None), str)):
        hint = "cr.random.key(0) first"
        raise DTypeError(message("a key", f"{type(key).__name__} {key!r}", user_location(), hint))
    return type_of(key)


def _bits_numpy(key: Any, *, shape: Shape, dtype: str, stream: int) -> Any:
    _infer_bits(_key_type(key), shape=shape, dtype=dtype, stream=stream)
    count = math.prod(shape)
    if dtype == "int32":
        return words(key, count, stream).view(np.int32).reshape(shape)[()]
    pairs = words(key, 2 * count, stream).reshape(count, 2).astype(np.uint64)
    return ((pairs[:, 0] << 32) | pairs[:, 1]).view(np.int64).reshape(shape)[()]


random_bits = Op(
    "random_bits",
    _infer_bits,
    _bits_numpy,
    None,
    Generate(),
    tuple(
        Case(((2,),), {"shape": shape, "dtype": dtype, "stream": stream}, dtypes=("i32",))
        for shape, dtype, stream in (((5,), "int32", 0), ((2, 3), "int64", 0), ((), "int32", 1), ((0,), "int64", 0))
    ),
    "independent random bits: element i is a function of the key (int32[2]), the stream and i",
)


def _infer_uniform(key: Type, *, shape: Shape, dtype: str) -> Type:
    _check_key(key)
    out = Type(shape, supported(dtype))
    if out.dtype not in FLOATS:
        raise DTypeError(message("float32 or float64 for uniform numbers", dtype, user_location()))
    return out


def _uniform_numpy(key: Any, *, shape: Shape, dtype: str) -> Any:
    wanted = _infer_uniform(_key_type(key), shape=shape, dtype=dtype)
    count = wanted.size
    if wanted.dtype == FLOAT32:
        out = (words(key, count, NUMBERS) >> 8).astype(np.float32) * np.float32(2.0**-24)
    else:
        pairs = words(key, 2 * count, NUMBERS).reshape(count, 2)
        out = ((pairs[:, 0] >> 5).astype(FLOAT64) * 2.0**26 + (pairs[:, 1] >> 6)) * 2.0**-53
    return out.reshape(shape)[()]


random_uniform = Op(
    "random_uniform",
    _infer_uniform,
    _uniform_numpy,
    None,
    Generate(),
    tuple(
        Case(((2,),), {"shape": shape, "dtype": dtype}, dtypes=("i32",))
        for shape, dtype in (((5,), "float32"), ((2, 3), "float64"), ((), "float32"), ((0,), "float64"))
    ),
    "independent numbers from [0, 1), multiples of 2**-24 (float32) or 2**-53 (float64)",
)


def _infer_fold(key: Type, data: Type) -> Type:
    _check_key(key)
    if data.dtype.kind not in "iu" or data.shape != ():
        raise DTypeError(message("an integer to fold into a random key", data, user_location()))
    return KEY


def _fold_numpy(key: Any, data: Any) -> Any:
    _infer_fold(_key_type(key), type_of(data))
    k0, k1 = (int(word) & _LOW for word in key)
    number = int(data) % 2**64
    block = philox((number & _LOW, number >> 32, 0, FOLDS), (k0, k1))
    return np.array(block[:2], np.uint32).view(np.int32)


random_fold = Op(
    "random_fold",
    _infer_fold,
    _fold_numpy,
    None,
    Generate(),
    (Case(((2,), ()), dtypes=("i32", "i64")), Case(((2,), ()), dtypes=("i32", "i32"))),
    "the key that belongs to a key and an integer n: the first two words of the block with counter "
    "(n mod 2**32, n // 2**32, 0, 2), n read as 64 bits",
)
