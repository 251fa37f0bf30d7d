"""`chainrule info`, and the threads it tells of."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule._version import __version__
from chainrule.cli import main
from chainrule.cli.threads import blas_threads, limit_threads


def test_info(capsys: Any) -> None:
    assert main(["info"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["chainrule"] == __version__
    assert lines["numpy"] == np.__version__
    assert lines["backend"].startswith(("llvm (native code)", "reference (NumPy)"))
    assert lines.keys() >= {"python", "llvmlite", "system", "processor", "threads", "tqdm", "safetensors", "matplotlib"}


def test_info_names_what_brings_a_missing_package(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert main(["info"]) == 0
    output = capsys.readouterr().out
    assert output.count("not installed: pip install 'chainrule[train]'") == 2
    assert output.count("not installed: pip install 'chainrule[plot]'") == 1


@pytest.mark.skipif(os.name == "nt", reason="there are no such pipes on Windows")
def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-m", "chainrule", "info"]
    done = subprocess.run(call, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 0


def test_threads_can_be_limited_where_the_library_is_known() -> None:
    before = blas_threads()
    assert limit_threads(before or 1) == (before is not None)
    assert blas_threads() == before
