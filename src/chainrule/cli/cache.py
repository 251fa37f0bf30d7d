"""`chainrule cache`: the compiled code that is kept on disk, and how to be rid of it."""

from __future__ import annotations

from pathlib import Path

from chainrule.backend.llvm.disk import Disk, limit, usable_folder


def describe_cache() -> int:
    """0, after printing the folder, the number of entries and their bytes."""
    found = usable_folder()
    if not isinstance(found, Path):
        print(f"no cache: {found.text}")
        return 0
    entries = Disk(found).entries()
    print(f"folder   {found}")
    print(f"entries  {len(entries):,}")
    print(f"bytes    {sum(entry.nbytes for entry in entries):,} of {limit():,}")
    return 0


def clear_cache() -> int:
    """0, after removing all entries."""
    found = usable_folder()
    removed = Disk(found).clear() if isinstance(found, Path) else 0
    print(f"removed {removed:,} entries" + (f" from {found}" if isinstance(found, Path) else f": {found.text}"))
    return 0
