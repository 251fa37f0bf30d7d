"""Where in the user's program something happened: file and line, or notebook cell, and the layer's path."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Final, TypeVar

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = (
    os.path.dirname(os.path.abspath(sys.modules["numpy"].__file__ or "")) + os.sep if "numpy" in sys.modules else "\0"
)
_PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_LAYERS: ContextVar[tuple[Callable[[], str], ...]] = ContextVar("chainrule_layers", default=())

F = TypeVar("F", bound=FunctionType)
# Functions that apply the operations of a graph again: their frames stand for the lines that the nodes come from.
_REPLAYS: Final[set[CodeType]] = set()


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's program: file (or notebook cell), line, and path of the layer being called."""

    file: str
    line: int
    layer: str = ""

    def __str__(self) -> str:
        place = f"{cell_name(self.file) or _short(self.file)}:{self.line}"
        return f"{place} ({self.layer})" if self.layer else place

    def same_line(self, other: Where | None) -> bool:
        """Whether another place is on the same line, whatever the layer."""
        return other is not None and (self.file, self.line) == (other.file, other.line)

    def source(self) -> str:
        """The text of the line, empty where it is not to be had."""
        return linecache.getline(self.file, self.line).strip()


def user_location() -> Where | None:
    """The innermost frame that is the user's, or the line of the node being replayed.

    That is neither chainrule's, NumPy's nor Python's, and of an installed package only where there is nothing else.
    """
    installed: Where | None = None
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code in _REPLAYS:
            node = frame.f_locals.get("node")
            if node is not None and node.where is not None:
                return node.where
        if is_users(file):
            if not _is_installed(file):
                return Where(file, frame.f_lineno, current_layer())
            installed = installed or Where(file, frame.f_lineno, current_layer())
        frame = frame.f_back
    return installed


def raised_at(traceback: TracebackType | None) -> Where | None:
    """The innermost place in the user's program that an exception with this traceback passed, as `user_location`."""
    found: Where | None = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_users(file) and (found is None or not _is_installed(file) or _is_installed(found.file)):
            found = Where(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def is_users(file: str) -> bool:
    """Whether a file of code is neither chainrule's, NumPy's nor Python's own."""
    if file.startswith((_PACKAGE, _NUMPY, "<frozen", "<string>")):
        return False
    return not file.startswith(_PYTHON) or _is_installed(file)


def _is_installed(file: str) -> bool:
    """Whether a file is of a package that was installed (in site-packages, or dist-packages)."""
    return "-packages" in file


def replays(function: F) -> F:
    """The function, marked: what is applied inside of it belongs to the line of its local variable `node`."""
    _REPLAYS.add(function.__code__)
    return function


def current_layer() -> str:
    """The path of the layer being called, such as `layers.0`; empty outside of any."""
    layers = _LAYERS.get()
    return layers[-1]() if layers else ""


@contextmanager
def in_layer(name: Callable[[], str]) -> Generator[None]:
    """Calls made inside are located in the layer whose path `name()` gives (asked only when it is shown)."""
    token = _LAYERS.set((*_LAYERS.get(), name))
    try:
        yield
    finally:
        _LAYERS.reset(token)


def cell_name(file: str) -> str:
    """The name a notebook shows for one of its cells (`Cell In[3]`), empty for an ordinary file."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    formatter = getattr(getattr(shell, "compile", None), "format_code_name", None)
    named = formatter(file) if formatter is not None else None
    return " ".join(named) if named else ""


def _short(file: str) -> str:
    """The path relative to the current folder where that is shorter."""
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):  # another drive, or a folder that is gone
        return file
    return relative if len(relative) < len(file) else file
