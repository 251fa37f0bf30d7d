"""`Disk`: object code in a folder of the user's own, so that the next process need not compile it again.

An entry's name is a hash of all that its code depends on; its first 32 bytes are the SHA-256 of the rest, without which
it is not loaded. The folder is nobody else's to write to, or it is not used. What cannot be kept is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import llvmlite

import chainrule.backend.llvm as here
from chainrule.backend.llvm.target import Target
from chainrule.errors import CacheWarning, message

LIMIT: Final = 256 << 20
"""Bytes that are kept unless CHAINRULE_CACHE_BYTES says otherwise."""

_FULL: Final = 0.75  # of the limit that is left after old entries were removed
_SUFFIX: Final = ".o"
_DIGEST: Final = 32
_FRESH: Final = 3600.0  # seconds in which an entry's last use is not noted again


@dataclass(frozen=True)
class Disk:
    """The folder with the entries."""

    folder: Path

    def read(self, key: str) -> bytes | None:
        """The code kept under a key; None where there is none, or not what was written."""
        path = self.folder / f"{key}{_SUFFIX}"
        try:
            data = path.read_bytes()
        except OSError:
            return None
        code = data[_DIGEST:]
        if hashlib.sha256(code).digest() != data[:_DIGEST]:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _FRESH:
                os.utime(path)
        return code

    def write(self, key: str, code: bytes) -> None:
        """Keeps code under a key: whole, or not at all."""
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(dir=self.folder, prefix="new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(code).digest() + code)
                os.replace(name, self.folder / f"{key}{_SUFFIX}")
            except OSError:
                os.unlink(name)

    def entries(self) -> list[tuple[float, int, Path]]:
        """When each entry was last used, its size, and where it is."""
        found: list[tuple[float, int, Path]] = []
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                with contextlib.suppress(OSError):
                    about = path.stat()
                    found.append((about.st_mtime, about.st_size, path))
        return found

    def shrink(self, limit: int) -> None:
        """Removes what was not used for longest, where all together exceed the limit."""
        entries = sorted(self.entries())
        total = sum(size for _, size, _ in entries)
        if total > limit:
            for _, size, path in entries:
                if total <= limit * _FULL:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size

    def clear(self) -> int:
        """Removes all entries; how many there were."""
        entries = self.entries()
        for _, _, path in entries:
            with contextlib.suppress(OSError):
                path.unlink()
        return len(entries)


def folder() -> Path:
    """The folder that CHAINRULE_CACHE names, or `chainrule` in the one for caches of this system's."""
    named = os.environ.get("CHAINRULE_CACHE", "")
    if named:
        return Path(named)
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or str(Path.home())
    elif sys.platform == "darwin":
        home = str(Path.home() / "Library" / "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "chainrule"


def limit() -> int:
    """How many bytes are kept."""
    given = os.environ.get("CHAINRULE_CACHE_BYTES", "")
    return int(given) if given.isdecimal() else LIMIT


@cache
def disk() -> Disk | None:
    """The cache of this process; None where nothing can be kept, or CHAINRULE_CACHE is `off`."""
    if os.environ.get("CHAINRULE_CACHE", "") == "off":
        return None
    try:
        path = folder()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = path.stat()
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    trouble = _trouble(about)
    if trouble:
        hint = f"chmod 700 {path}, or another folder as CHAINRULE_CACHE"
        text = message(f"a folder for compiled code that nobody else can write to, {path}", trouble, hint=hint)
        warnings.warn(f"{text}; nothing is kept", CacheWarning, stacklevel=2)
        return None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return None
    found = Disk(path)
    found.shrink(limit())
    return found


def _trouble(about: os.stat_result) -> str:
    """Why a folder cannot be trusted; nothing where it can."""
    if sys.platform == "win32":
        return ""
    if about.st_uid != os.geteuid():
        return "one that belongs to another user"
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "one that others can write to"
    return ""


def key(structure: str, target: Target) -> str:
    """The name of the code of a structure: a hash of it, of the target, of LLVM's version and of our own code's."""
    parts = (_version(), target.triple, target.cpu, target.features, structure)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _version() -> str:
    """What tells versions of the compiler apart: llvmlite's, and sizes and times of the files that write code."""
    parts = [llvmlite.__version__]
    for root in here.__path__:
        for path in sorted(Path(root).rglob("*.py")):
            about = path.stat()
            parts.append(f"{path.name} {about.st_size} {about.st_mtime_ns}")
    return "\n".join(parts)
