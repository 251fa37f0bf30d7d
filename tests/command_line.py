"""Helpers of the tests of the command: running it in a child, reading what it printed, recomputing what it saved."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

QUICK: Final = ["train", "digits", "--epochs", "2", "--hidden", "16", "--batch", "128", "--lr", "0.01"]


def command(*arguments: str, folder: Path, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """What a child printed that ran the command in `folder`; `before` runs first in it."""
    code = f"import sys; {before}; sys.argv[0] = 'chainrule'; from chainrule.cli import main; sys.exit(main())"
    call = [sys.executable, "-W", "error", *(("-c", code) if before else ("-m", "chainrule")), *arguments]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120, **options)


def accuracy(output: str) -> float:
    """The number in the line of the test accuracy."""
    found = re.search(r"^test accuracy (\d+\.\d\d) %", output, flags=re.MULTILINE)
    assert found, output
    return float(found[1])


def by_numpy(folder: Path, x: Any, y: Any) -> float:
    """The accuracy in per cent of a saved network of dense layers with relu between them, by plain NumPy."""
    p = pytest.importorskip("safetensors.numpy").load_file(folder / "params.safetensors")
    for i in range(len(p) // 2):
        x = (np.maximum(x, 0) if i else x) @ p[f"layers.{i}.weight"].T + p[f"layers.{i}.bias"]
    return 100 * float(np.mean(x.argmax(1) == y))


def one_line(said: str, *parts: str) -> bool:
    """Whether it is one line, of the command, with the parts in it."""
    return (
        said.startswith("chainrule") and said.endswith("\n") and said.count("\n") == 1 and all(p in said for p in parts)
    )
