"""Data looked through before anything is built from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.failure import data_error

_BLOCK = 2**19  # elements looked at in one go: the mask of a block stays small however large the data


def check_data(x: npt.ArrayLike, y: npt.ArrayLike, classes: int | None = None) -> None:
    """Nothing, or the DataError that says why `x` (n, ...) and targets `y` (n, ...) cannot be trained on.

    Both have to be numbers, finite, and of the same length n >= 1. With `classes`, `y` has to be labels: (n,) integers
    in 0 .. classes - 1. Besides a mask of the labels it takes about a megabyte, however large the data.
    """
    inputs, targets = _numbers(x, "x"), _numbers(y, "y")
    if len(inputs) != len(targets) or not len(inputs):
        got = f"{len(inputs)} rows in x and {len(targets)} in y"
        raise data_error("x and y of the same length, at least 1", got, "the x and the y of the same rows")
    _check_finite(inputs, "x")
    if classes is None:
        _check_finite(targets, "y")
    else:
        _check_labels(targets, classes)


def _numbers(data: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """The data as an array of numbers with at least one axis."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise data_error(f"an array of numbers in {name}", "rows of different lengths", "padding the rows") from error
    if array.dtype.kind not in "biufc":
        raise data_error(f"numbers in {name}", f"dtype {array.dtype}", f"{name}.astype(np.float32)")
    if array.ndim == 0:
        raise data_error(f"an array of rows in {name}", f"one number, {array}", f"{name}[None]")
    return array


def _check_finite(array: npt.NDArray[Any], name: str) -> None:
    """Raises DataError at the first NaN or infinity, in reading order."""
    if array.dtype.kind in "biu":
        return
    step = max(1, _BLOCK * len(array) // max(1, array.size))
    for start in range(0, len(array), step):
        finite = np.isfinite(array[start : start + step])
        if not finite.all():
            row, *rest = (int(i) for i in np.unravel_index(int(np.argmin(finite)), finite.shape))
            place = ", ".join(str(i) for i in (start + row, *rest))
            where = f"row {start + row}" + (f", column {rest[0]}" if len(rest) == 1 else "")
            value = array[(start + row, *rest)]
            hint = f"keep = np.isfinite({name}).reshape(len({name}), -1).all(1), then x[keep], y[keep]"
            raise data_error(f"finite numbers in {name}", f"{value} in {name}[{place}] ({where})", hint)


def _check_labels(labels: npt.NDArray[Any], classes: int) -> None:
    """Raises DataError unless the labels are (n,) integers in 0 .. classes - 1."""
    expected = f"labels y of shape (n,), integers in 0 .. {classes - 1}"
    if labels.ndim != 1:
        raise data_error(expected, f"shape {labels.shape}", "y.argmax(-1) if y is one-hot, y.ravel() if it is a column")
    if labels.dtype.kind not in "iu":
        raise data_error(expected, f"dtype {labels.dtype}", "y.astype(np.int64)")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        hint = f"classes={int(labels.max()) + 1}, or labels counted from 0"
        raise data_error(expected, f"{labels[row]} in y[{row}] (row {row})", hint)
