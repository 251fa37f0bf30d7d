"""`Disk`: object code in a folder of the user's own, so that the next process need not compile it again.

An entry's name is a hash of all that its code depends on; its first 32 bytes are the SHA-256 of its name and the rest,
without which it is not loaded. The folder and the entries are nobody else's to write to, or they are not used. What
cannot be kept is compiled again. Files of other names are left alone, wherever the folder is.

Entries are in folders by the first digits of their names, each with its share of the limit, so that whoever writes
looks at few of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from chainrule.errors import CacheWarning, OptionError, message

FOLDER: Final = "CHAINRULE_CACHE"
BYTES: Final = "CHAINRULE_CACHE_BYTES"

LIMIT: Final = 256 << 20
"""Bytes that are kept unless CHAINRULE_CACHE_BYTES says otherwise."""

_OFF: Final = ("off", "no", "none", "false", "0")
_FULL: Final = 0.75  # of the limit that is left after old entries were removed
_DIGEST: Final = 32
_FRESH: Final = 3600.0  # seconds in which an entry's last use is not noted again
_DIGITS: Final = 2
_NEW: Final = "new-"
_FOLDERS: Final = re.compile(f"[0-9a-f]{{{_DIGITS}}}")
_FILES: Final = re.compile(rf"[0-9a-f]{{{64 - _DIGITS}}}\.o|{_NEW}\w+")


class Entry(NamedTuple):
    """When an entry was last used, its size, and where it is."""

    used: float
    nbytes: int
    path: str


@dataclass(frozen=True)
class Disk:
    """The folder with the entries, of which about `limit` bytes are kept."""

    folder: Path
    limit: int = LIMIT

    def read(self, key: str) -> bytes | None:
        """The code kept under a key; None where there is none, or not what this user has written."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                about = os.fstat(file.fileno())
                data = b"" if _trouble(about) else file.read()
        except OSError:
            return None
        code = data[_DIGEST:]
        with contextlib.suppress(OSError):
            if _digest(key, code) != data[:_DIGEST]:
                path.unlink()
                return None
            if time.time() - about.st_mtime > _FRESH:
                os.utime(path)
        return code

    def write(self, key: str, code: bytes) -> None:
        """Keeps code under a key: whole, or not at all. What was not used for longest may have to go for that."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_NEW)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_digest(key, code) + code)
                os.replace(name, path)
            except OSError:
                os.unlink(name)
        self._shrink(path.parent)

    def entries(self) -> list[Entry]:
        """All that is kept, and what is being written."""
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(self.folder) if _FOLDERS.fullmatch(name)]
            return [entry for name in names for entry in _entries(self.folder / name)]
        return []

    def clear(self) -> int:
        """Removes all entries; how many there were."""
        removed = sum(_removed(entry) for entry in self.entries())
        for number in range(16**_DIGITS):
            with contextlib.suppress(OSError):
                os.rmdir(self.folder / f"{number:0{_DIGITS}x}")
        return removed

    def _path(self, key: str) -> Path:
        return self.folder / key[:_DIGITS] / f"{key[_DIGITS:]}.o"

    def _shrink(self, folder: Path) -> None:
        """Removes the oldest entries where they exceed the folder's share of the limit; the last one stays."""
        most = self.limit / 16**_DIGITS
        entries = sorted(_entries(folder))
        total = sum(entry.nbytes for entry in entries)
        if total > most:
            for entry in entries[:-1]:
                if total <= most * _FULL:
                    break
                if _removed(entry):
                    total -= entry.nbytes


def _digest(key: str, code: bytes) -> bytes:
    """What tells that code is whole, and no other entry's."""
    return hashlib.sha256(key.encode() + code).digest()


def _entries(folder: Path) -> list[Entry]:
    """The entries in a folder that belongs to the cache."""
    found: list[Entry] = []
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if _FILES.fullmatch(file.name):
                with contextlib.suppress(OSError):
                    about = file.stat()
                    found.append(Entry(about.st_mtime, about.st_size, file.path))
    return found


def _removed(entry: Entry) -> bool:
    """Whether an entry could be removed."""
    try:
        os.unlink(entry.path)
    except OSError:
        return False
    return True


def folder() -> Path:
    """The folder that CHAINRULE_CACHE names, or `chainrule` in the one for caches of this system's."""
    named = os.environ.get(FOLDER, "")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or str(Path.home())
    elif sys.platform == "darwin":
        home = str(Path.home() / "Library" / "Caches")
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        home = given if os.path.isabs(given) else str(Path.home() / ".cache")
    return Path(home) / "chainrule"


def limit() -> int:
    """How many bytes are kept."""
    given = os.environ.get(BYTES, "").strip()
    if given and not given.isdecimal():
        raise OptionError(message(f"a number of bytes as {BYTES}", repr(given), hint=f"{LIMIT}, which is the default"))
    return int(given) if given else LIMIT


@cache
def disk() -> Disk | None:
    """The cache of this process; None where nothing can be kept, with a warning where that is dangerous."""
    most = limit()
    found = usable_folder()
    if not isinstance(found, Path):
        if found.dangerous:
            warnings.warn(f"{found.text}; nothing is kept", CacheWarning, stacklevel=2)
        return None
    return Disk(found, most)


class Unusable(NamedTuple):
    """Why there is no cache, and whether somebody else might have to do with that."""

    text: str
    dangerous: bool = False


def usable_folder() -> Path | Unusable:
    """The folder, made where there was none; or why it cannot be used."""
    if os.environ.get(FOLDER, "").strip().lower() in _OFF:
        return Unusable(f"{FOLDER} is off")
    try:
        path = folder()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        trouble = _trouble(path.stat())
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return Unusable(_named(str(error)), bool(os.environ.get(FOLDER)))
    if trouble:
        hint = f"chmod 700 {path}, or another folder as {FOLDER}"
        expected = f"a folder for compiled code that nobody else can write to, {path}"
        return Unusable(message(expected, trouble, hint=hint), dangerous=True)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Unusable(_named(f"{path}, which cannot be written to"), bool(os.environ.get(FOLDER)))
    return path


def _named(trouble: str) -> str:
    """What is wrong with a folder that somebody asked for."""
    return message(f"a folder for compiled code as {FOLDER}", trouble) if os.environ.get(FOLDER) else trouble


def _trouble(about: os.stat_result) -> str:
    """Why a folder or a file cannot be trusted; nothing where it can."""
    if sys.platform == "win32":
        return ""
    if about.st_uid != os.geteuid():
        return "one that belongs to another user"
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "one that others can write to"
    return ""
