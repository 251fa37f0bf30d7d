"""Nothing is read in front of an operand, or behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import contraction_pages
import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by mprotect")
def test_no_read_outside_of_the_operands() -> None:
    program = Path(contraction_pages.__file__)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
