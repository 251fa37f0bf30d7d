from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: npt.NDArray[Any], **changed: Any) -> bytes:
    """The array as IDX, written down from the format's description; `code=`, `shape=` make the header lie."""
    shape = changed.get("shape", array.shape)
    magic = bytes([0, 0, changed.get("code", CODES[array.dtype.name]), len(shape)])
    return magic + struct.pack(f">{len(shape)}I", *shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="session")
def as_idx() -> Callable[..., bytes]:
    return idx_bytes


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not in ../shared/data/mnist")
    return folder


@pytest.fixture
def small_mnist(tmp_path: Path) -> Iterator[Path]:
    """A folder with four files as MNIST's, 20 images and 10."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(n, dtype=np.uint8) % 10))
    return tmp_path
