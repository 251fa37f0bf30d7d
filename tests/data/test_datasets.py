from __future__ import annotations

import gzip
import hashlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.data import datasets, digits, mnist
from chainrule.errors import DataError, DTypeError

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def test_digits_have_the_promised_form() -> None:
    x, y = digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 64), np.float32, (1797,), np.int64)
    assert x.flags.c_contiguous and x.min() == -1 and x.max() == 1
    np.testing.assert_array_equal(np.bincount(y), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_digits_are_those_of_the_archive() -> None:
    x, y = digits(np.float64)
    rows = np.concatenate([(x + 1) * 8, y[:, None]], axis=1)
    text = "".join(",".join(str(int(value)) for value in row) + "\n" for row in rows)
    # The comma-separated lines of the test part, as its copy in scikit-learn has them.
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


def test_digits_are_fresh_at_every_call() -> None:
    x, y = digits()
    x[:] = 7
    y[:] = 7
    again, labels = digits()
    assert again.max() == 1 and labels[0] == 0
    assert not np.shares_memory(again, x)
    assert not datasets._digits_table().flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float64", np.dtype("float32")])
def test_digits_in_another_dtype(dtype: Any) -> None:
    x, _ = digits(dtype)
    assert x.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(x, digits()[0])


@pytest.mark.parametrize("dtype", [np.int32, np.float16, "no dtype", object])
def test_a_dtype_that_cannot_be_trained_in(dtype: Any) -> None:
    with pytest.raises(DTypeError, match=r"expected dtype float32 or float64, got .* at .*test_datasets.py:\d+; try"):
        digits(dtype)


def missing(package: str, resource: str) -> None:
    return None


def absent(package: str, resource: str) -> None:
    raise FileNotFoundError(resource)


@pytest.mark.parametrize("get_data", [missing, absent])
def test_digits_left_out_of_the_package(monkeypatch: pytest.MonkeyPatch, get_data: Callable[..., None]) -> None:
    monkeypatch.setattr(pkgutil, "get_data", get_data)
    datasets._digits_table.cache_clear()
    with pytest.raises(DataError, match="inside the package, got no such file"):
        digits()


def test_the_notice_lies_beside_the_file() -> None:
    notice = (pkgutil.get_data("chainrule.data", "digits-NOTICE.txt") or b"").decode()
    assert "Alpaydin" in notice and "CC BY 4.0" in notice and "https://doi.org/10.24432/C50P49" in notice


def test_mnist_whole(mnist_folder: Path) -> None:
    for split, count, ones in (("train", 60000, 6742), ("test", 10000, 1135)):
        x, y = mnist(mnist_folder, split)
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((count, 784), np.float32, (count,), np.int64)
        assert x.min() == 0 and x.max() == 1
        assert (y == 1).sum() == ones
    assert list(y[:5]) == [7, 2, 1, 0, 4]


def test_mnist_scales_and_flattens(small_mnist: Path) -> None:
    x, y = mnist(small_mnist, "test", np.float64)
    raw = (small_mnist / "t10k-images-idx3-ubyte").read_bytes()[16:]
    np.testing.assert_array_equal(x, np.frombuffer(raw, np.uint8).reshape(10, 784) / 255, strict=True)
    np.testing.assert_array_equal(y, np.arange(10))


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_under_every_name(small_mnist: Path, dotted: bool, packed: bool) -> None:
    expected = mnist(str(small_mnist))
    for name in NAMES:
        path = small_mnist / name
        data = path.read_bytes()
        path.unlink()
        new = name.replace("-idx", ".idx") if dotted else name
        (small_mnist / (f"{new}.gz" if packed else new)).write_bytes(gzip.compress(data) if packed else data)
    for got, want in zip(mnist(small_mnist), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_mnist_in_folders_of_the_same_name(small_mnist: Path) -> None:
    (small_mnist / NAMES[0]).rename(small_mnist / "train-images.idx3-ubyte")
    (small_mnist / NAMES[0]).mkdir()
    assert mnist(small_mnist)[0].shape == (20, 784)


@pytest.mark.parametrize("name", NAMES)
def test_mnist_with_a_file_missing(small_mnist: Path, name: str) -> None:
    (small_mnist / name).unlink()
    with pytest.raises(DataError) as caught:
        mnist(small_mnist, "train" if name.startswith("train") else "test")
    words = str(caught.value)
    assert words.startswith(f"expected {name} or {name}.gz, got no such file in the folder {small_mnist} at ")
    assert "test_datasets.py:" in words and "; try putting the four files" in words
    assert all(each in words for each in NAMES)


def test_mnist_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got no folder .*absent"):
        mnist(tmp_path / "absent")


def test_mnist_of_an_unknown_part(small_mnist: Path) -> None:
    with pytest.raises(DataError, match="expected split='train' or split='test', got split='valid'"):
        mnist(small_mnist, "valid")  # type: ignore[arg-type]


IMAGES = np.zeros((20, 28, 28), np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10
UNFIT = {
    "labels for images": (0, LABELS, r"images of shape \(n, 28, 28\) of uint8, got shape \(20,\) of uint8"),
    "another size": (0, np.zeros((20, 32, 32), np.uint8), r"got shape \(20, 32, 32\)"),
    "another dtype": (0, np.zeros((20, 28, 28), np.int32), "of int32"),
    "images for labels": (1, IMAGES, r"labels of shape \(n,\) of uint8, got shape \(20, 28, 28\)"),
    "signed labels": (1, LABELS.astype(np.int8), "of int8"),
    "fewer labels": (1, LABELS[:19], "as many labels as images, .* got 20 images in .* and 19 labels"),
    "a label too large": (1, np.array([0, 1, 10, 3] * 5, np.uint8), "labels of 0 to 9, got 10 in row 2"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_mnist_files_that_do_not_fit(small_mnist: Path, as_idx: Callable[..., bytes], case: str) -> None:
    which, array, text = UNFIT[case]
    (small_mnist / NAMES[which]).write_bytes(as_idx(array))
    with pytest.raises(DataError, match=text) as caught:
        mnist(small_mnist)
    assert str(small_mnist / NAMES[which]) in str(caught.value)


def test_mnist_without_rows(small_mnist: Path, as_idx: Callable[..., bytes]) -> None:
    (small_mnist / NAMES[0]).write_bytes(as_idx(IMAGES[:0]))
    (small_mnist / NAMES[1]).write_bytes(as_idx(LABELS[:0]))
    with pytest.raises(DataError, match="at least one"):
        mnist(small_mnist)
