"""The page on NumPy code: every name on it is reached by NumPy's protocols, and none that is reached is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import chainrule as cr
from chainrule.numpy import protocol

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "numpy.md").read_text(encoding="utf-8")
WORKS, NEEDS = (PAGE.split(f"## {title}")[1].split("\n## ")[0] for title in ("What works unchanged", "What needs"))
UNREACHED: Final = {"diag_indices", "tril_indices", "triu_indices", "indices", "broadcast_shapes"}  # take no arrays


def named(section: str) -> list[str]:
    """The names in the tables of a section: what is code, and a name and nothing else."""
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return re.findall(r"`([a-z][a-z0-9_.]*)`", "\n".join(rows))


def numpys(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(getattr(np, module) if module else np, last)


@pytest.mark.parametrize("name", [name for name in named(WORKS) if not name.startswith("np.")])
def test_a_name_that_works_unchanged_is_reached(name: str) -> None:
    assert name in UNREACHED or numpys(name) in protocol.functions()


def test_all_that_is_reached_is_named() -> None:
    known = {numpys(name) for name in named(WORKS + NEEDS) if not name.startswith("np.")}
    assert len(known) > 200
    assert sorted(f.__name__ for f in set(protocol.functions()) - known) == []


def test_what_numpy_lacks_is_named() -> None:
    names = re.findall(r"`([a-z_]+)[`(]", PAGE.split("functions that NumPy lacks:")[1].split("\n\n")[0])
    assert sorted(names) == sorted(name for name in cr.numpy.__all__ if not hasattr(np, name))
