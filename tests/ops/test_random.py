"""The records of random numbers: the published vectors, and that an element depends on its key and index alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.errors import DTypeError
from chainrule.ops.random import FOLDS, KEYS, philox, random_bits, random_fold, random_uniform, words
from chainrule.types import Type

KEY = np.array([12345, -678], np.int32)

# Random123 (Salmon et al., 2011), tests/kat_vectors, the lines of philox4x32 with 10 rounds: counter, key, output.
KNOWN = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
)


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_philox_gives_the_published_words(counter: str, key: str, output: str) -> None:
    k0, k1 = numbers(key)
    c = numbers(counter)
    assert list(philox((c[0], c[1], c[2], c[3]), (k0, k1))) == numbers(output)
    blocks = philox(tuple(np.full(3, word, np.uint64) for word in c), (k0, k1))  # type: ignore[arg-type]
    assert [word.tolist() for word in blocks] == [[word] * 3 for word in numbers(output)]


def by_definition(index: int, stream: int) -> int:
    """Word `index` of a stream, as the table in ops/random.py says."""
    k0, k1 = (int(word) % 2**32 for word in KEY)
    block = index // 4
    return int(philox((block % 2**32, block // 2**32, 0, stream), (k0, k1))[index % 4])


@pytest.mark.parametrize("stream", [0, 1])
def test_words_are_those_of_their_index(stream: int) -> None:
    long = words(KEY, 4 * 4096 + 7, stream)  # longer than a chunk
    for index in (0, 1, 2, 3, 4, 17, 4 * 4096 - 1, 4 * 4096, 4 * 4096 + 6):
        assert long[index] == by_definition(index, stream)
    for count in (0, 1, 2, 5, 16, 17, 100, 4 * 4096 + 1):
        assert np.array_equal(words(KEY, count, stream), long[:count])


def test_bits_and_uniform_numbers_are_made_of_the_words_in_the_table() -> None:
    a = [by_definition(i, 0) for i in range(12)]
    assert random_bits(KEY, shape=(3, 4), dtype="int32", stream=0).ravel().tolist() == signed(a, 32)
    pairs = [(a[2 * i] << 32) | a[2 * i + 1] for i in range(6)]
    assert random_bits(KEY, shape=(6,), dtype="int64", stream=0).tolist() == signed(pairs, 64)
    single = random_uniform(KEY, shape=(12,), dtype="float32")
    assert single.dtype == np.float32 and single.tolist() == [(word >> 8) / 2**24 for word in a]
    double = random_uniform(KEY, shape=(2, 3), dtype="float64")
    expected = [((a[2 * i] >> 5) * 2**26 + (a[2 * i + 1] >> 6)) / 2**53 for i in range(6)]
    assert double.dtype == np.float64 and double.ravel().tolist() == expected


def signed(values: list[int], width: int) -> list[int]:
    return [value - 2**width if value >= 2 ** (width - 1) else value for value in values]


def test_folding_takes_the_words_of_the_block_that_an_integer_numbers() -> None:
    k0, k1 = (int(word) % 2**32 for word in KEY)
    for data in (0, 1, 2**31, 2**40 + 3, -1, np.int32(7), np.uint8(200)):
        n = int(data) % 2**64
        block = philox((n % 2**32, n // 2**32, 0, FOLDS), (k0, k1))
        found = random_fold(KEY, data)
        assert found.dtype == np.int32 and found.tolist() == signed([int(block[0]), int(block[1])], 32)
    assert np.array_equal(random_fold(KEY, np.int32(-1)), random_fold(KEY, -1))


def test_streams_share_no_words() -> None:
    streams = [words(KEY, 4096, stream) for stream in (0, KEYS, FOLDS)]
    assert len(set(np.concatenate(streams).tolist())) == 3 * 4096


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: random_bits(np.zeros(2), shape=(), dtype="int32", stream=0), r"a random key, i32\[2\], got f64\[2\]"),
        (lambda: random_bits(KEY[:1], shape=(), dtype="int32", stream=0), r"got i32\[1\] at .*cr.random.key"),
        (lambda: random_bits(KEY, shape=(), dtype="float32", stream=0), "int32 or int64 for random bits"),
        (lambda: random_uniform(KEY, shape=(), dtype="int32"), "float32 or float64 for uniform numbers"),
        (lambda: random_fold(KEY, 0.5), "an integer to fold into a random key, got ~f64"),
        (lambda: random_fold.infer(Type((2,), np.dtype(np.int32)), Type((2,), np.dtype(np.int64))), "an integer to"),
    ],
)
def test_what_is_no_key_is_refused(call: Any, text: str) -> None:
    with pytest.raises(DTypeError, match=text):
        call()
