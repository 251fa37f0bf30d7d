from __future__ import annotations

import functools
import gzip
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.data import read_idx
from chainrule.errors import DataError

AsIdx = Callable[..., bytes]
MEBI = 2**20


def example(dtype: str, shape: tuple[int, ...] = (3, 4)) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(1).integers(0, 100, shape)
    return (values * 1.25 if dtype.startswith("float") else values).astype(dtype)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_reads_every_dtype(tmp_path: Path, as_idx: AsIdx, dtype: str, pack: Callable[[bytes], bytes]) -> None:
    array = example(dtype)
    path = tmp_path / "a"
    path.write_bytes(pack(as_idx(array)))
    read = read_idx(path)
    assert read.dtype == np.dtype(dtype) and read.dtype.isnative
    assert read.flags.writeable and read.flags.c_contiguous
    np.testing.assert_array_equal(read, array)


def test_reads_bytes_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000001 0102 fffe"))
    np.testing.assert_array_equal(read_idx(str(path)), np.array([[258], [-2]], np.int16))


@pytest.mark.parametrize("shape", [(5,), (0,), (0, 7), (1,) * 32, (2, 3, 4, 5)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_reads_every_shape(
    tmp_path: Path, as_idx: AsIdx, shape: tuple[int, ...], pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(as_idx(example("int32", shape))))
    np.testing.assert_array_equal(read_idx(path), example("int32", shape), strict=True)


def test_reads_more_than_one_chunk_and_several_gzip_members(tmp_path: Path, as_idx: AsIdx) -> None:
    array = example("uint8", (3 * MEBI + 5,))
    data = as_idx(array)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(data[:10], 1) + gzip.compress(data[10:MEBI], 1) + gzip.compress(data[MEBI:], 1))
    np.testing.assert_array_equal(read_idx(path), array)


def header(code: int, *shape: int) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)


GOOD = header(8, 2, 3) + b"abcdef"
PACKED = gzip.compress(GOOD, mtime=0)
DAMAGED = PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]
BAD = {
    "empty": (b"", "header of at least 4 bytes, got 0 bytes"),
    "three bytes": (b"\0\0\x08", "header of at least 4 bytes, got 3 bytes"),
    "foreign": (b"\x89PNG\r\n\x1a\n" + bytes(50), "two zero bytes first, got bytes 89 50 4e 47"),
    "foreign text": (b"a,b\n1,2\n", "two zero bytes first"),
    "foreign in gzip": (gzip.compress(b"a,b\n1,2\n"), "two zero bytes first"),
    "unknown type": (b"\0\0\x0a\x01" + bytes(8), "type code of 08 09 0b 0c 0d 0e, got 0a"),
    "no dimensions": (b"\0\0\x08\0a", "1 to 32 dimensions, got 0"),
    "too many dimensions": (header(8, *[1] * 33) + b"a", "1 to 32 dimensions, got 33"),
    "header cut": (GOOD[:9], "header of 12 bytes, got 9"),
    "negative length": (header(8, 2**32 - 1, 2) + b"ab", r"lengths of 0 to 2147483647, got shape \(4294967295, 2\)"),
    "too large": (header(8, 2**31 - 1, 2**31 - 1), "at most max_bytes=2147483648, got 4611686014132420609 bytes"),
    "product beyond 64 bits": (header(14, *[2**31 - 1] * 32), "at most max_bytes=2147483648"),
    "huge beside an empty axis": (header(8, 0, *[2**31 - 1] * 3), "at most max_bytes=2147483648"),
    "truncated": (GOOD[:-1], r"18 bytes \(shape \(2, 3\) of uint8\), got 17"),
    "only a header": (GOOD[:12], "18 bytes .*, got 12"),
    "trailing": (GOOD + b"!", "18 bytes .*, got 19"),
    "trailing in gzip": (gzip.compress(GOOD + b"!"), "18 bytes .*, got more"),
    "short in gzip": (gzip.compress(GOOD[:-1]), "6 bytes after the header, got 5"),
    "gzip cut": (PACKED[:-9], "intact data"),
    "gzip cut in its trailer": (PACKED[:-3], "intact data"),
    "gzip header alone": (PACKED[:5], "intact data"),
    "gzip checksum": (DAMAGED, "intact data, got CRC"),
    "gzip trailing": (PACKED + b"junk", "intact data"),
    "gzip of a block type that does not exist": (PACKED[:10] + b"\xff" * 20, "intact data"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    data, text = BAD[case]
    path = tmp_path / "bad-file"
    path.write_bytes(data)
    with pytest.raises(DataError, match=text) as caught:
        read_idx(path)
    words = str(caught.value)
    assert words.startswith("expected ") and f" in {path} at " in words and "; try " in words
    assert "test_idx.py:" in words
    assert path.read_bytes() == data


def test_max_bytes_is_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(GOOD)
    assert read_idx(path, max_bytes=6).shape == (2, 3)
    with pytest.raises(DataError, match=r"at most max_bytes=5, got 6 bytes .* try max_bytes=6"):
        read_idx(path, max_bytes=5)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"readable IDX file, got .* in .*absent"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match="got the folder"):
        read_idx(tmp_path)
    with pytest.raises(DataError, match="readable IDX file"):
        read_idx("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="got the device or pipe"):
        read_idx(tmp_path / "pipe")


def peak_of_refusal(path: Path, **options: Any) -> int:
    """The most memory that was held while the file was refused, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_gzip_bomb_is_unpacked_no_further_than_declared(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(8, 1000) + bytes(64 * MEBI)))
    assert path.stat().st_size < MEBI // 8
    assert peak_of_refusal(path) < 2 * MEBI


def test_gzip_bomb_that_declares_its_size_is_held_by_max_bytes(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(8, 64 * MEBI) + bytes(64 * MEBI)))
    assert peak_of_refusal(path, max_bytes=MEBI) < MEBI


def test_what_no_compression_could_hold_is_not_allocated(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(header(8, 2**30) + bytes(1000)))
    assert peak_of_refusal(path) < MEBI
    path.write_bytes(header(8, 2**30) + bytes(1000))
    assert peak_of_refusal(path) < MEBI


def test_the_best_compression_there_is_passes(tmp_path: Path, as_idx: AsIdx) -> None:
    zeros = np.zeros(16 * MEBI, np.uint8)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(as_idx(zeros), 9))
    assert zeros.nbytes / path.stat().st_size > 1020
    assert not read_idx(path).any()


def test_reading_takes_little_more_than_the_array(tmp_path: Path, as_idx: AsIdx) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(as_idx(np.zeros(16 * MEBI, np.uint8)), 1))
    tracemalloc.start()
    try:
        array = read_idx(path)
        assert array.nbytes <= tracemalloc.get_traced_memory()[1] < array.nbytes + 4 * MEBI
    finally:
        tracemalloc.stop()


quietly = functools.partial(settings, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
mutations = st.lists(
    st.tuples(st.sampled_from(["cut", "set", "insert", "remove"]), st.integers(0, 400), st.integers(0, 255)), max_size=4
)


def array_or_data_error(path: Path) -> np.ndarray[Any, Any] | None:
    """The array, at most a mebibyte, or None for a file refused by its name; any other exception passes."""
    array, refusal = None, ""
    try:
        array = read_idx(path, max_bytes=MEBI)
    except DataError as error:
        refusal = str(error)
    assert str(path) in refusal if array is None else array.nbytes <= MEBI
    return array


def mutate(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for kind, place, byte in changes:
        at = place % (len(data) + 1)
        match kind:
            case "cut":
                data = data[:at]
            case "set":
                data = data[:at] + bytes([byte]) + data[at + 1 :]
            case "insert":
                data = data[:at] + bytes([byte]) + data[at:]
            case _:
                data = data[:at] + data[at + 1 :]
    return data


@quietly(max_examples=400)
@given(
    dtype=st.sampled_from(["uint8", "int16", "float64"]),
    inner=mutations,
    outer=mutations,
    packed=st.booleans(),
)
def test_any_damage_gives_an_array_or_a_data_error(
    tmp_path: Path,
    as_idx: AsIdx,
    dtype: str,
    inner: list[tuple[str, int, int]],
    outer: list[tuple[str, int, int]],
    packed: bool,
) -> None:
    data = mutate(as_idx(example(dtype)), inner)
    if packed:
        data = mutate(gzip.compress(data, mtime=0), outer)
    path = tmp_path / "damaged"
    path.write_bytes(data)
    array = array_or_data_error(path)
    if array is not None and not packed:  # what is read is what is written, to the last byte
        assert as_idx(array) == data


@quietly(max_examples=200)
@given(data=st.binary(max_size=200), prefix=st.sampled_from([b"", b"\0\0\x08", b"\x1f\x8b\x08"]))
def test_any_bytes_give_an_array_or_a_data_error(tmp_path: Path, data: bytes, prefix: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(prefix + data)
    array_or_data_error(path)
