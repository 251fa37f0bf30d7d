"""Records of a run: what they say when printed, their columns, and the sums they come from."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from chainrule.errors import MissingExtraError
from chainrule.train import Epoch, History, Run, Scores
from chainrule.train.history import Totals

EPOCHS = (
    Epoch(1, 4, Scores(0.5, 0.75), Scores(0.25, 0.875), 1.5),
    Epoch(2, 3, Scores(0.125, 0.9), None, 0.5),
)


def test_columns() -> None:
    history = History(EPOCHS)
    assert history.loss == [0.5, 0.125]
    assert history.accuracy == [0.75, 0.9]
    assert history.validation_loss == [0.25, None]
    assert history.validation_accuracy == [0.875, None]
    assert history.seconds == [1.5, 0.5]
    assert history.steps == 7
    assert history[-1] is EPOCHS[1]


def test_a_history_prints_a_line_an_epoch() -> None:
    first, second = str(History(EPOCHS)).splitlines()
    assert first == "epoch 1: loss 0.5, accuracy 75.00%, validation loss 0.25, accuracy 87.50%, 1.50 s"
    assert second == "epoch 2: loss 0.125, accuracy 90.00%, 0.50 s"
    assert repr(History()) == "no whole step"


def test_a_run_prints_its_end_and_no_arrays() -> None:
    run = Run(np.zeros(3), np.ones(3), History(EPOCHS), "interrupted")
    assert repr(run) == "Run(2 epochs, 7 steps, 2.00 s, interrupted, last epoch 2: loss 0.125, accuracy 90.00%, 0.50 s)"
    assert "array" not in repr(Run(np.zeros(3), None, History(), None))


def test_totals_weigh_batches_by_their_rows() -> None:
    totals = Totals().add(np.float32([1.0, 2.0]), np.array([3, 1]), rows=4, labels=4)
    totals = totals.add(np.float32([7.0]), np.array([1]), rows=2, labels=2)
    assert totals.scores() == Scores((4 * 1 + 4 * 2 + 2 * 7) / 10, 5 / 10)


def test_totals_without_labels_have_no_accuracy() -> None:
    assert Totals().add(np.float64([0.5]), np.array([0]), rows=3, labels=0).scores() == Scores(0.5, None)


def test_totals_are_sums_in_float64() -> None:
    losses = np.full(10_000, 0.1, np.float32)
    exact = float(np.float32(0.1))
    assert Totals().add(losses, np.zeros(10_000, int), 1, 0).scores().loss == pytest.approx(exact, rel=1e-15)


class Axes:
    """What is asked of matplotlib's axes, written down."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[list[int], list[float]]] = {}
        self.words: list[str] = []

    def plot(self, x: list[int], y: list[float], label: str) -> None:
        self.lines[label] = x, y

    def set_xlabel(self, text: str) -> None:
        self.words.append(text)

    def set_ylabel(self, text: str) -> None:
        self.words.append(text)

    def legend(self) -> None:
        self.words.append("legend")


def test_a_plot_shows_both_losses() -> None:
    axes = Axes()
    assert History(EPOCHS).plot(axes) is axes
    assert axes.lines == {"training": ([1, 2], [0.5, 0.125]), "validation": ([1], [0.25])}
    assert axes.words == ["epoch", "loss", "legend"]


def test_a_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib, got none .* try pip install 'chainrule\[plot\]'"):
        History(EPOCHS).plot()
