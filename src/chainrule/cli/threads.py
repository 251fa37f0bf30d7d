"""How many threads NumPy's matrix products take: a number that OpenBLAS can be told after it was loaded."""

from __future__ import annotations

import ctypes
import glob
import os
from typing import Final

import numpy as np

_NAMES: Final = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
"""What the two functions are called, by who built the library; `{}` is `get` or `set`."""


def limit_threads(count: int) -> bool:
    """Whether NumPy's BLAS could be limited to `count` threads: it is an OpenBLAS that came with NumPy's wheel."""
    for library, name in _found():
        getattr(library, name.format("set"))(ctypes.c_int(count))
        return True
    return False


def blas_threads() -> int | None:
    """The number of threads NumPy's BLAS uses, None where it cannot be asked."""
    for library, name in _found():
        return int(getattr(library, name.format("get"))())
    return None


def _found() -> list[tuple[ctypes.CDLL, str]]:
    """NumPy's OpenBLAS, and which of its names apply; empty where there is none."""
    package = os.path.dirname(os.path.abspath(np.__file__))
    folders = [glob.escape(folder) for folder in (f"{package}.libs", os.path.join(package, ".dylibs"))]
    for path in [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "*openblas*")))]:
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in _NAMES:
            if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
                return [(library, name)]
    return []
