"""How many threads there are: by the variable, by affinity, by the quotas of control groups."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from chainrule.backend.llvm.runtime import threads
from chainrule.errors import OptionError


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, " 3 ")
    assert threads.thread_count() == 3
    monkeypatch.setenv(threads.VARIABLE, "")
    assert threads.thread_count() == min(threads.available_processors(), threads.MOST_THREADS)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "100000"])
def test_a_variable_that_is_no_number_of_threads_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(threads.VARIABLE, text)
    with pytest.raises(OptionError, match=rf"expected 1 to 256 threads, got CHAINRULE_NUM_THREADS={text}; try"):
        threads.thread_count()


def test_more_threads_than_can_be_meant_are_an_error() -> None:
    assert threads.checked_threads(256) == 256
    with pytest.raises(OptionError, match="expected 1 to 256 threads, got threads=257"):
        threads.checked_threads(257)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(threads, "_GROUPS", tmp_path)
    monkeypatch.setattr(threads, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_without_control_groups_affinity_decides(groups: Path) -> None:
    assert threads.available_processors() == 8


@pytest.mark.parametrize(("text", "count"), [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000", 2)])
def test_version_2_limits_processors(groups: Path, text: str, count: int) -> None:
    put(groups, cpu__max=text)
    assert threads.available_processors() == count


def test_the_tightest_group_on_the_way_to_the_root_counts(groups: Path) -> None:
    put(groups, membership="0::/a/b\n")
    put(groups / "a", cpu__max="100000 50000")
    put(groups / "a" / "b", cpu__max="300000 100000")
    assert threads.available_processors() == 2


@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("50000", 1), ("250000", 3)])
def test_version_1_limits_processors(groups: Path, quota: str, count: int) -> None:
    put(groups, membership="3:cpuset:/x\n1:cpu,cpuacct:/box\n0::/elsewhere\n")
    put(groups / "cpu" / "box", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000\n")
    put(groups / "cpu" / "x", cpu__cfs_quota_us="1", cpu__cfs_period_us="1")
    assert threads.available_processors() == count


def test_files_that_make_no_sense_are_no_limit(groups: Path) -> None:
    put(groups, membership="nonsense\n0::/../..\n", cpu__max="many")
    assert threads._quota(groups, groups / "membership") == math.inf
