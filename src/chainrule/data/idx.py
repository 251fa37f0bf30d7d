"""The IDX format (LeCun, Cortes and Burges 1998, "The MNIST database"): arrays behind a short big-endian header."""

from __future__ import annotations

import gzip
import io
import math
import os
import stat
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.failure import data_error

MAX_BYTES = 2 * 2**30

_DTYPES = {0x08: np.uint8, 0x09: np.int8, 0x0B: np.int16, 0x0C: np.int32, 0x0D: np.float32, 0x0E: np.float64}
_MAX_DIMENSIONS = 32
_MAX_LENGTH = 2**31 - 1
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 2**20
# One deflate code of 1 bit for a length and 1 for a distance stands for at most 258 bytes: 1032 to 1.
_DEFLATE_RATIO = 1032
_AGAIN = "copying or downloading the file again"


def read_idx(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> npt.NDArray[Any]:
    """The array in an IDX file, plain or gzip-compressed (told by content, not by name), in native byte order.

    All six dtypes of the format: uint8, int8, int16, int32, float32, float64; 1 to 32 dimensions.
    The header is compared with the size of the file, and with `max_bytes`, before memory is taken; a compressed file
    is unpacked piece by piece and never further than the size that its header declares.

    Raises DataError, naming the file, for one that is missing, foreign, truncated, damaged, too long or too large.
    """
    source = os.fsdecode(path)
    with _open(source) as file:
        return parse_idx(file, os.fstat(file.fileno()).st_size, source, max_bytes)


def parse_idx(file: io.BufferedIOBase, size: int, source: str, max_bytes: int = MAX_BYTES) -> npt.NDArray[Any]:
    """The array in an open, seekable IDX file of `size` bytes; `source` is what errors call it."""
    zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    stream = gzip.GzipFile(fileobj=file, mode="rb") if zipped else file
    try:
        dtype, shape = _read_header(stream, source)
        header = 4 + 4 * len(shape)
        _check_declared(dtype, shape, header, size, zipped, max_bytes, source)
        array = np.empty(shape, dtype)
        _fill(array, stream, source)
        if stream.read(1):  # at the end of a compressed file this also verifies its checksum
            raise data_error(f"{header + array.nbytes} bytes ({_kind(dtype, shape)})", f"more in {source}", _AGAIN)
    except (EOFError, zlib.error, OSError) as error:
        raise data_error("intact data", f"{str(error) or type(error).__name__} in {source}", _AGAIN) from error
    if sys.byteorder == "little":
        array.byteswap(inplace=True)
    return array


def _open(source: str) -> io.BufferedIOBase:
    """The file opened for reading. Folders, devices and pipes (which could block for ever) are refused."""
    try:
        if stat.S_ISREG(os.stat(source).st_mode):
            return open(source, "rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise data_error("a readable IDX file", f"{reason!r} in {source}", "checking the path") from error
    got = "the folder" if os.path.isdir(source) else "the device or pipe"
    raise data_error("an IDX file", f"{got} {source}", "the path of the file itself")


def _read_header(stream: io.BufferedIOBase, source: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype (native) and the shape that the header declares."""
    foreign = "a file in the IDX format, plain or with gzip"
    magic = stream.read(4)
    if len(magic) < 4:
        raise data_error("an IDX header of at least 4 bytes", f"{len(magic)} bytes in {source}", _AGAIN)
    if magic[:2] != b"\0\0":
        raise data_error("an IDX file, two zero bytes first", f"bytes {magic.hex(' ')} in {source}", foreign)
    if magic[2] not in _DTYPES:
        known = " ".join(f"{code:02x}" for code in _DTYPES)
        raise data_error(f"an IDX type code of {known}", f"{magic[2]:02x} in {source}", foreign)
    dimensions = magic[3]
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise data_error(f"1 to {_MAX_DIMENSIONS} dimensions", f"{dimensions} in {source}", foreign)
    lengths = stream.read(4 * dimensions)
    if len(lengths) < 4 * dimensions:
        raise data_error(f"an IDX header of {4 + 4 * dimensions} bytes", f"{4 + len(lengths)} in {source}", _AGAIN)
    shape = tuple(int.from_bytes(lengths[i : i + 4], "big") for i in range(0, len(lengths), 4))
    if max(shape) > _MAX_LENGTH:
        raise data_error(f"lengths of 0 to {_MAX_LENGTH}", f"shape {shape} in {source}", foreign)
    return np.dtype(_DTYPES[magic[2]]), shape


def _check_declared(
    dtype: np.dtype[Any], shape: tuple[int, ...], header: int, size: int, zipped: bool, max_bytes: int, source: str
) -> None:
    """Raises DataError unless a file of `size` bytes can hold what its header declares and that is not too much."""
    kind = _kind(dtype, shape)
    extent = dtype.itemsize * math.prod(max(length, 1) for length in shape)  # NumPy too counts an empty axis as one
    if extent > max_bytes:
        got = f"{extent} bytes ({kind}) in {source}"
        raise data_error(f"at most max_bytes={max_bytes}", got, f"max_bytes={extent} if you trust it")
    declared = header + (extent if all(shape) else 0)
    if zipped and declared > size * _DEFLATE_RATIO:
        raise data_error(f"{declared} bytes ({kind}) once unpacked", f"{size} compressed ones in {source}", _AGAIN)
    if not zipped and declared != size:
        raise data_error(f"{declared} bytes ({kind})", f"{size} in {source}", _AGAIN)


def _fill(array: npt.NDArray[Any], stream: io.BufferedIOBase, source: str) -> None:
    """Reads the array's bytes in bounded pieces; raises DataError where the stream ends early."""
    target = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < array.nbytes:
        count = stream.readinto(target[done : done + _CHUNK])
        if not count:
            raise data_error(f"{array.nbytes} bytes after the header", f"{done} in {source}", _AGAIN)
        done += count


def _kind(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"shape {shape} of {dtype.name}"
