"""Folders that come into being whole: written beside their place, then moved there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from itertools import count

from chainrule.errors import SaveError, message
from chainrule.where import user_location


def write_folder(folder: str, files: dict[str, Callable[[str], None]], overwrite: bool) -> None:
    """Nothing; afterwards `folder` holds the files, each written by the function that is given its path.

    The files are written into a hidden folder beside it, flushed to the disk, and moved into place: a crash, a full
    disk or an interruption leaves the old folder, or none, but never a half of the new one. A folder that exists is
    replaced with `overwrite` and only if it holds nothing but such files (on a crash between the two renames of that,
    the old one stands beside it as `.NAME.PID.N.old`).

    Raises SaveError where it cannot be done.
    """
    with _as_save_error(folder):
        _check_free(folder, set(files), overwrite)
        new = _new_sibling(folder)
        try:
            for name, write in files.items():
                path = os.path.join(new, name)
                write(path)
                _flush(path)
            _flush(new)
            _move_into_place(new, folder)
        except BaseException:
            _remove(new)
            raise
        _flush(os.path.dirname(folder))


def check_folder(folder: str, files: set[str], overwrite: bool = False) -> None:
    """Nothing where `write_folder` could write these files; what would be in the way is raised as it would."""
    with _as_save_error(folder):
        _check_free(folder, files, overwrite)
        _remove(_new_sibling(folder))


def _check_free(folder: str, files: set[str], overwrite: bool) -> None:
    """Raises SaveError where something stands in the folder's place that must not be replaced."""
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder) or os.path.islink(folder):
        raise SaveError(message("a folder to save in", f"the file {folder}", user_location(), "another name"))
    found = set(os.listdir(folder))
    if not found:
        return
    if not found <= files:
        got = f"{folder}, which holds other files ({sorted(found - files)[0]})"
        raise SaveError(message("a new folder, or one with a saved model", got, user_location(), "another name"))
    if not overwrite:
        got = f"{folder}, which holds a saved model"
        raise SaveError(message("a new folder", got, user_location(), "another name, or overwrite=True to replace it"))


def _new_sibling(folder: str) -> str:
    """A new empty folder beside `folder`."""
    parent, name = os.path.split(folder)
    if os.path.lexists(parent) and not os.path.isdir(parent):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    os.makedirs(parent, exist_ok=True)
    for attempt in count():
        path = os.path.join(parent, f".{name}.{os.getpid()}.{attempt}.new")
        try:
            os.mkdir(path)
        except FileExistsError:  # left by a process that was killed, or another thread's
            continue
        return path
    raise AssertionError("count() ended")


def _move_into_place(new: str, folder: str) -> None:
    """Renames `new` to `folder`; what was there is removed afterwards, or put back where that fails."""
    if not os.path.isdir(folder):
        os.rename(new, folder)
        return
    old = new.removesuffix(".new") + ".old"
    os.rename(folder, old)
    try:
        os.rename(new, folder)
    except BaseException:
        os.rename(old, folder)
        raise
    _remove(old)


def _remove(folder: str) -> None:
    """Removes a folder of files; what cannot be removed is left."""
    with suppress(OSError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _flush(path: str) -> None:
    """Has the disk take over what was written to a file, and to a folder as far as the system can do that."""
    if os.path.isdir(path):
        with suppress(OSError):  # Windows opens no folders, and not every file system flushes them
            _flush_opened(os.open(path, os.O_RDONLY))
    else:
        _flush_opened(os.open(path, os.O_RDWR))


def _flush_opened(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _as_save_error(folder: str) -> Generator[None, None, None]:
    """Errors of the system come out as SaveErrors that name the folder."""
    try:
        yield
    except SaveError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        got = f"{reason!r} for {folder}"
        raise SaveError(message("a folder that can be written", got, user_location(), "another place")) from error
