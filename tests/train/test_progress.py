"""What training shows: a bar on a terminal, lines elsewhere, nothing where nothing is wanted."""

from __future__ import annotations

import builtins
import io
import os
import sys
from typing import Any, TextIO

import pytest

from chainrule.errors import MissingExtraError, OptionError
from chainrule.train import Epoch, Scores
from chainrule.train.progress import Bar, Lines, Silent, show_progress

EPOCH = Epoch(1, 3, Scores(0.5, 0.75), Scores(0.25, 0.875), 1.5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "tqdm":
            raise ImportError(name)
        return ordinary(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def show(progress: Any, stream: TextIO, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The display that was chosen, after two epochs of three steps."""
    monkeypatch.setattr(sys, "stderr", stream)
    display = show_progress(progress, epochs=2, steps=3)
    for number in (1, 2):
        display.advance(number, 3, EPOCH.train)
        display.end_epoch(Epoch(number, 3, EPOCH.train, EPOCH.validation, 1.5))
    display.close()
    return display


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    assert type(show("auto", stream, monkeypatch)) is Lines
    first, second = stream.getvalue().splitlines()
    assert first == "epoch 1/2: loss 0.5, accuracy 75.00%, validation loss 0.25, accuracy 87.50%, 1.50 s"
    assert second.startswith("epoch 2/2: ")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    stream = Terminal()
    assert type(show("auto", stream, monkeypatch)) is Bar
    last = stream.getvalue().rstrip().rpartition("\r")[2]
    assert last.startswith("epoch 2/2 100% |")
    assert last.endswith("loss 0.5, accuracy 75.0% (87.5%)")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals to open")
def test_a_bar_on_a_terminal_without_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    screen, keyboard = os.openpty()
    with open(keyboard, "w") as terminal:
        assert os.get_terminal_size(keyboard).columns == 0
        show("auto", terminal, monkeypatch)
        drawn = b""
        while not drawn.endswith(b"\n"):  # what it ends with
            drawn += os.read(screen, 10_000)
    os.close(screen)
    last = drawn.decode().rstrip().rpartition("\r")[2]
    assert last.startswith("epoch 2/2 100% |") and len(last) <= 80


def test_true_is_a_bar_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    assert type(show(True, io.StringIO(), monkeypatch)) is Bar


def test_a_bar_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    before = tqdm.monitor
    show(True, io.StringIO(), monkeypatch)
    assert tqdm.monitor is before


def test_false_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    assert type(show(False, stream, monkeypatch)) is Silent
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("without_tqdm")
def test_lines_on_a_terminal_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    assert type(show("auto", stream, monkeypatch)) is Lines
    assert "\r" not in stream.getvalue()


@pytest.mark.usefixtures("without_tqdm")
def test_a_bar_that_is_insisted_on_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[train\]'"):
        show_progress(True, 2, 3)


def test_a_wrong_choice() -> None:
    with pytest.raises(OptionError, match=r"expected progress=True, False .*, got 'yes' at .*test_progress.py"):
        show_progress("yes", 2, 3)  # type: ignore[arg-type]
