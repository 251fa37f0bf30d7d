from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from chainrule.data import check_data, digits
from chainrule.errors import DataError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 2, 1])


def with_value(shape: tuple[int, ...], place: tuple[int, ...], value: float, dtype: Any = np.float64) -> Any:
    array = np.zeros(shape, dtype)
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("x", "y", "classes"),
    [
        (X, Y, 3),
        (X, Y, None),
        (X, Y.astype(np.uint8), 1000),
        (X, X[:, :1], None),
        (X.tolist(), Y.tolist(), 3),
        (X[:, 0], X[:, 1], None),
        (X.astype(np.uint8), Y, 3),
        (np.zeros((4, 1, 2, 2), np.float32), Y, 3),
        (np.zeros((4, 0)), Y, 3),
        (X, Y - 5, None),
        (*digits(), 10),
    ],
)
def test_good_data_pass(x: Any, y: Any, classes: int | None) -> None:
    assert check_data(x, y, classes) is None


BAD = {
    "NaN": (with_value((4, 3), (2, 1), np.nan), Y, 3, r"finite numbers in x, got nan in x\[2, 1\] \(row 2, column 1\)"),
    "infinite": (with_value((4, 3), (3, 0), -np.inf, np.float32), Y, 3, r"got -inf in x\[3, 0\] \(row 3, column 0\)"),
    "NaN in an image": (with_value((4, 1, 2, 2), (1, 0, 1, 0), np.nan), Y, 3, r"got nan in x\[1, 0, 1, 0\] \(row 1\)"),
    "NaN in one column": (np.array([0, np.nan, 0, 0]), Y, 3, r"got nan in x\[1\] \(row 1\)"),
    "NaN in a target": (X, np.array([0, 1, np.nan, np.nan]), None, r"numbers in y, got nan in y\[2\] \(row 2\)"),
    "complex NaN": (np.array([1, 1j, complex(0, np.nan), 0]), Y, 3, r"x\[2\]"),
    "label too large": (X, Y, 2, r"integers in 0 .. 1, got 2 in y\[2\] \(row 2\) .* try classes=3"),
    "label negative": (X, Y - 1, 3, r"integers in 0 .. 2, got -1 in y\[0\]"),
    "float labels": (X, Y / 1, 3, r"integers in 0 .. 2, got dtype float64"),
    "boolean labels": (X, Y > 0, 2, r"got dtype bool"),
    "one-hot labels": (X, np.eye(4), 4, r"of shape \(n,\), .* got shape \(4, 4\) .* try y.argmax"),
    "column of labels": (X, Y[:, None], 3, r"got shape \(4, 1\) .* y.ravel"),
    "lengths": (X, Y[:3], 3, "x and y of the same length, at least 1, got 4 rows in x and 3 in y"),
    "no rows": (X[:0], Y[:0], 3, "at least 1, got 0 rows in x and 0 in y"),
    "text": (np.array(["a"] * 4), Y, 3, "numbers in x, got dtype <U1"),
    "objects": (X, np.array([0, 1, None, 1], object), 3, "numbers in y, got dtype object"),
    "ragged": ([[1], [1, 2], [3], [4]], Y, 3, "numbers in x, got rows of different lengths"),
    "a number": (1.0, Y, 3, "an array of rows in x, got one number, 1.0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused(case: str) -> None:
    x, y, classes, text = BAD[case]
    with pytest.raises(DataError, match=text) as caught:
        check_data(x, y, classes)
    words = str(caught.value)
    assert words.startswith("expected ") and "test_check_data.py:" in words and "; try " in words


def test_the_first_bad_value_is_found_wherever_it_is() -> None:
    rows = 5000  # more than one block of rows
    x = np.zeros((rows, 500), np.float32)
    for row, column in ((rows - 1, 499), (2500, 3), (2500, 2), (2097, 0), (0, 499)):
        x[row, column] = np.nan
        with pytest.raises(DataError, match=rf"x\[{row}, {column}\]"):
            check_data(x, np.zeros(rows, int), 1)


def test_the_remedy_in_the_message_works() -> None:
    x, y = X.copy(), Y.copy()
    x[1, 2] = np.inf
    with pytest.raises(DataError) as caught:
        check_data(x, y, 3)
    remedy = str(caught.value).split("; try ")[1]
    assert remedy == "keep = np.isfinite(x).reshape(len(x), -1).all(1), then x[keep], y[keep]"
    keep = np.isfinite(x).reshape(len(x), -1).all(1)
    assert list(keep) == [True, False, True, True]
    check_data(x[keep], y[keep], 3)


def test_memory_stays_small() -> None:
    x, y = np.zeros((40000, 200), np.float32), np.zeros(40000, int)
    tracemalloc.start()
    check_data(x, y, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20 < x.nbytes / 10
