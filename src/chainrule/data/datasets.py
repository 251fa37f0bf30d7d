"""Data sets by name: the digits shipped inside the package, and MNIST from a folder of the user's."""

from __future__ import annotations

import functools
import io
import os
import pkgutil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.data.failure import data_error
from chainrule.data.idx import parse_idx, read_idx
from chainrule.errors import DTypeError, message
from chainrule.where import user_location

_DIGITS = "digits.idx2-ubyte.gz"
_MNIST = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
          "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}  # fmt: skip


def digits(dtype: npt.DTypeLike = np.float32) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Images (1797, 64) in [-1, 1] and labels (1797,) int64 of the UCI handwritten digits, 8 x 8 pixels row by row.

    -1 is paper, 1 is ink: about as much on either side of zero, as layers like their inputs. Fresh arrays at every
    call. E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, CC BY 4.0 (digits-NOTICE.txt beside the file).
    """
    table = _digits_table()
    x = _scaled(table[:, :64], 8, dtype)
    x -= 1
    return x, table[:, 64].astype(np.int64)


def mnist(
    folder: str | os.PathLike[str], split: Literal["train", "test"] = "train", dtype: npt.DTypeLike = np.float32
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Images (n, 784) in [0, 1] and labels (n,) int64 of one part of MNIST (LeCun, Cortes and Burges 1998).

    `folder` holds the four IDX files under their usual names, each plain or `.gz`, with `-idx` or `.idx` in the name;
    nothing is downloaded (they are mirrored at https://ossci-datasets.s3.amazonaws.com/mnist/). Data sets made in its
    likeness, 28 x 28 pixels and ten classes, read the same way.

    Raises DataError for files that are missing, damaged, or do not fit together.
    """
    if split not in _MNIST:
        raise data_error("split='train' or split='test'", f"split={split!r}", "one of the two")
    images_path, labels_path = (_find(folder, name) for name in _MNIST[split])
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        got = f"shape {images.shape} of {images.dtype} in {images_path}"
        raise data_error("images of shape (n, 28, 28) of uint8", got, "the images file of MNIST")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        got = f"shape {labels.shape} of {labels.dtype} in {labels_path}"
        raise data_error("labels of shape (n,) of uint8", got, "the labels file of MNIST")
    if len(images) != len(labels) or not len(labels):
        got = f"{len(images)} images in {images_path} and {len(labels)} labels in {labels_path}"
        raise data_error("as many labels as images, and at least one", got, "the two files of the same part")
    if labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise data_error("labels of 0 to 9", f"{labels[row]} in row {row} in {labels_path}", "the labels file of MNIST")
    return _scaled(images.reshape(len(images), 784), 255, dtype), labels.astype(np.int64)


@functools.cache
def _digits_table() -> npt.NDArray[np.uint8]:
    """The file as it is, (1797, 65), read-only: every caller shares it."""
    try:
        packed = pkgutil.get_data("chainrule.data", _DIGITS)  # from a zip too; a tenth of importlib.resources' import
    except OSError:
        packed = None
    if packed is None:
        raise data_error(f"{_DIGITS} inside the package", "no such file", "installing chainrule again")
    table = parse_idx(io.BytesIO(packed), len(packed), _DIGITS)
    table.setflags(write=False)
    return table


def _scaled(pixels: npt.NDArray[np.uint8], top: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A C-ordered copy of the pixels divided by `top`, computed in the dtype asked for."""
    x: npt.NDArray[Any] = pixels.astype(_float_dtype(dtype), order="C")
    x /= top
    return x


def _float_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """float32 or float64; DTypeError for anything else."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except TypeError:  # not the name of any dtype
        wanted = np.dtype(object)
    if wanted.name not in ("float32", "float64"):
        raise DTypeError(message("dtype float32 or float64", repr(dtype), user_location(), "dtype=np.float32"))
    return wanted


def _find(folder: str | os.PathLike[str], name: str) -> str:
    """The path of the file of that name in the folder, plain before compressed; DataError where there is none."""
    for candidate in (name, name.replace("-idx", ".idx"), f"{name}.gz", name.replace("-idx", ".idx") + ".gz"):
        path = os.path.join(os.fspath(folder), candidate)
        if os.path.isfile(path):
            return path
    place = os.path.abspath(folder)
    got = f"no such file in the folder {place}" if os.path.isdir(place) else f"no folder {place}"
    every = ", ".join(file for pair in _MNIST.values() for file in pair)
    hint = f"putting the four files of MNIST there, plain or .gz ({every}); nothing is downloaded"
    raise data_error(f"{name} or {name}.gz", got, hint)
