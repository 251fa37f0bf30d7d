"""`chainrule cache`, and `chainrule cache clear`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import one_line

from chainrule.backend.llvm.disk import Disk
from chainrule.cli import main

KEY = "0" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_it_is_shown_and_cleared(folder: Path, capsys: Any) -> None:
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"folder   {folder}\nentries  0\nbytes    0 of 268,435,456\n"
    Disk(folder).write(KEY, b"code")
    (folder / "notes.txt").write_text("mine")
    assert main(["cache"]) == 0
    assert "entries  1\nbytes    36 of" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"removed 1 entries from {folder}\n"
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_it_is_off(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    assert main(["cache"]) == 0
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "no cache: CHAINRULE_CACHE is off\nremoved 0 entries: CHAINRULE_CACHE is off\n"


def test_one_that_others_can_write_to_is_told_of(folder: Path, capsys: Any) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    assert main(["cache"]) == 0
    assert "got one that others can write to; try chmod 700" in capsys.readouterr().out


def test_a_limit_that_is_no_number(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_BYTES", "1G")
    assert main(["cache"]) == 2
    assert one_line(capsys.readouterr().err, "expected a number of bytes as CHAINRULE_CACHE_BYTES, got '1G'; try 2684")
