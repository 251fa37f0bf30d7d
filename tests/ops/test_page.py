"""docs/ops.md says what the records say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the generator in a process of its own: operations that other tests define are no part of the page."""
    command = [sys.executable, str(ROOT / "scripts" / "generate_ops.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_the_page_of_operations_is_current() -> None:
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_formula_derivative_and_cases() -> None:
    rows = {line.split(" | ")[0]: line for line in (ROOT / "docs" / "ops.md").read_text(encoding="utf-8").splitlines()}
    assert rows["| `tanh`"].startswith("| `tanh` | sinh x / cosh x | factors x: `1 - square(out)` | scalar | f32 f64")
    assert "`strong_mul(ct, y)`, `strong_both(x, ct)`" in rows["| `strong_mul`"]
    assert r"| \|x\|;" in rows["| `abs`"]
