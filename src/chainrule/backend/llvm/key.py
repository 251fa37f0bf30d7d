"""`key`: the name under which a structure's code is kept: another one wherever the code might be another one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final

import chainrule.backend.llvm as here
from chainrule._version import __version__
from chainrule.backend.llvm.target import Target, llvm

llvmlite: Final[Any] = import_module("llvmlite")

_ROOMS: Final = ("backend", "ir", "ops", "schedule")
"""The parts of the package that have a say in what is written for a structure."""


def key(structure: str, target: Target) -> str:
    """A hash of a structure, of what its code is made for, of LLVM's version and of the version of what writes it."""
    parts = (_version(), target.triple, target.cpu, target.features, structure)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _version() -> str:
    """What tells versions of the compiler apart: numbers, and sizes and times of the files that write code."""
    parts = [__version__, llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info))]
    for root in here.__path__:
        package = os.path.dirname(os.path.dirname(root))
        for room in _ROOMS:
            parts += sorted(_files(os.path.join(package, room), room))
    return "\n".join(parts)


def _files(folder: str, name: str) -> Iterator[str]:
    """Yields a line for each file of Python code in a folder, which is called `name` in it."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                about = entry.stat()
                yield f"{name}/{entry.name} {about.st_size} {about.st_mtime_ns}"
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path, f"{name}/{entry.name}")
