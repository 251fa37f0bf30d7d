"""Compiled code on disk: what is kept, what is not believed, and what happens where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.backend.llvm import key as naming
from chainrule.backend.llvm.disk import BYTES, FOLDER, LIMIT, Disk, disk, folder, limit, usable_folder
from chainrule.backend.llvm.target import host, level
from chainrule.errors import CacheWarning, OptionError

KEY, OTHER = "a" * 64, "b" * 64

needs_users = pytest.mark.skipif(os.name == "nt", reason="folders have no owner there")
needs_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is not there yet, as the one of this process."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept"))
    monkeypatch.delenv(BYTES, raising=False)
    disk.cache_clear()
    yield tmp_path / "kept"
    disk.cache_clear()


def kept() -> Disk:
    found = disk()
    assert found is not None
    return found


def entry_of(place: Path, key: str) -> Path:
    return place / key[:2] / f"{key[2:]}.o"


# --- entries ----------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(place: Path) -> None:
    found = kept()
    assert found.read(KEY) is None
    found.write(KEY, b"code")
    found.write(OTHER, b"")
    assert (found.read(KEY), found.read(OTHER)) == (b"code", b"")
    assert [Path(entry.path) for entry in sorted(found.entries())] == [entry_of(place, KEY), entry_of(place, OTHER)]
    if os.name != "nt":
        assert place.stat().st_mode & 0o777 == entry_of(place, KEY).parent.stat().st_mode & 0o777 == 0o700
        assert entry_of(place, KEY).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 36, None])
def test_a_damaged_entry_is_removed(place: Path, damage: bytes | None) -> None:
    found = kept()
    found.write(KEY, b"code of some length")
    entry = entry_of(place, KEY)
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    assert found.read(KEY) is None
    assert not entry.exists()
    found.write(KEY, b"again")
    assert found.read(KEY) == b"again"


def test_the_code_of_another_entry_is_not_believed(place: Path) -> None:
    found = kept()
    found.write(KEY, b"code")
    found.write(OTHER, b"other code")
    entry_of(place, KEY).write_bytes(entry_of(place, OTHER).read_bytes())
    assert found.read(KEY) is None and found.read(OTHER) == b"other code"


@needs_users
def test_an_entry_that_others_can_write_to_is_not_believed(place: Path) -> None:
    found = kept()
    found.write(KEY, b"code")
    entry_of(place, KEY).chmod(0o622)
    assert found.read(KEY) is None


@needs_root
def test_an_entry_of_another_user_is_not_believed(place: Path) -> None:
    found = kept()
    found.write(KEY, b"code")
    os.chown(entry_of(place, KEY), 12345, 12345)
    assert found.read(KEY) is None


def test_an_entry_that_is_a_folder(place: Path) -> None:
    found = kept()
    entry_of(place, KEY).mkdir(parents=True)
    assert found.read(KEY) is None
    found.write(KEY, b"code")
    assert found.read(KEY) is None and found.clear() == 0


def test_a_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = kept()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    found.write(KEY, b"code")
    assert found.read(KEY) is None and not found.entries()


def test_two_processes_write_one_entry(place: Path) -> None:
    code = f"""
from pathlib import Path
from chainrule.backend.llvm.disk import Disk
disk = Disk(Path({str(place)!r}))
for _ in range(300):
    disk.write({KEY!r}, bytes(5000))
    assert disk.read({KEY!r}) == bytes(5000)
"""
    kept()
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    assert [Path(entry.path) for entry in kept().entries()] == [entry_of(place, KEY)]


# --- how much is kept -------------------------------------------------------------------------------------------------


def test_what_was_not_used_for_longest_is_removed(place: Path) -> None:
    found = Disk(kept().folder, 256 * 8000)
    for i in range(8):
        found.write(f"{i:064x}", bytes(968))
        os.utime(entry_of(place, f"{i:064x}"), (i, i))
    entry_of(place, KEY).parent.mkdir()
    for notes in (place / "notes.txt", place / "00" / "notes.txt"):
        notes.write_bytes(bytes(10_000))
    assert found.read(f"{0:064x}")  # which is noted
    found.write(f"{8:064x}", bytes(968))
    found.write("f" * 64, bytes(968))  # in another folder
    assert [i for i in range(9) if found.read(f"{i:064x}")] == [0, 4, 5, 6, 7, 8] and found.read("f" * 64)
    assert found.clear() == 7
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*")) == ["00", "00/notes.txt", "notes.txt"]


def test_what_is_larger_than_the_limit_is_kept_alone(place: Path) -> None:
    found = Disk(kept().folder, 1)
    for i in range(3):
        found.write(f"{i:064x}", bytes(968))
    assert [i for i in range(3) if found.read(f"{i:064x}")] == [2]


def test_the_limit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit() == kept().limit == LIMIT
    monkeypatch.setenv(BYTES, "1000")
    assert limit() == 1000
    monkeypatch.setenv(BYTES, "-1")
    with pytest.raises(OptionError, match=f"expected a number of bytes as {BYTES}, got '-1'; try 268435456"):
        limit()


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["off", "OFF", " Off ", "none", "False", "no", "0"])
def test_off(word: str, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv(FOLDER, word)
    assert disk() is None and not place.exists()


@needs_users
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to(place: Path, mode: int) -> None:
    place.mkdir()
    place.chmod(mode)
    with pytest.warns(CacheWarning, match=r"got one that others can write to; try chmod 700 .*; nothing is kept"):
        assert disk() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert disk() is None  # it is said once


@needs_root
def test_a_folder_of_another_user(place: Path) -> None:
    place.mkdir(0o700)
    os.chown(place, 12345, 12345)
    with pytest.warns(CacheWarning, match=r"nobody else can write to, .*, got one that belongs to another user; try"):
        assert disk() is None


def test_a_folder_that_cannot_be_written_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(0o500)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.warns(CacheWarning, match=f"{FOLDER}, got .*cannot be written to; nothing is kept"):
        assert disk() is None


def test_a_folder_that_cannot_be_made(place: Path) -> None:
    place.parent.joinpath("file").write_text("")
    os.environ[FOLDER] = str(place.parent / "file" / "kept")
    with pytest.warns(CacheWarning, match="nothing is kept"):
        assert disk() is None


def test_no_home(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv(FOLDER, "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert disk() is None
    assert not isinstance(usable_folder(), Path)


@pytest.mark.skipif(sys.platform != "linux", reason="another place on this system")
def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER, "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert folder() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert folder() == tmp_path / "x" / "chainrule"
    monkeypatch.setenv(FOLDER, "~/y")
    assert folder() == tmp_path / "y"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER, "z")
    assert folder() == tmp_path / "z"


# --- keys -------------------------------------------------------------------------------------------------------------


def test_another_target_or_another_compiler_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {naming.key("add", target) for target in (host(), level("baseline"), level("avx2"), level("avx512"))}
    found |= {naming.key("multiply", host())}
    for place, name, value in ((naming.llvmlite, "__version__", "9"), (naming, "__version__", "9")):
        with monkeypatch.context() as changed:
            changed.setattr(place, name, value)
            naming._version.cache_clear()
            found.add(naming.key("add", host()))
    naming._version.cache_clear()
    assert len(found) == 7
    assert naming.key("add", host()) in found


def test_another_file_is_another_key(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.py").write_text("")
    (tmp_path / "inner" / "plan.py").write_text("LANES = 8")
    (tmp_path / "notes.md").write_text("")
    (before,) = naming._files(str(tmp_path), "schedule")
    assert before.startswith("schedule/inner/plan.py 9 ")
    (tmp_path / "inner" / "plan.py").write_text("LANES = 16")
    assert list(naming._files(str(tmp_path), "schedule")) != [before]


def test_the_version_names_what_decides_code() -> None:
    names = {line.split()[0] for line in naming._version().splitlines() if ".py " in line}
    assert names >= {"schedule/plan.py", "ops/random.py", "ir/kinds.py", "backend/llvm/builder.py"}
