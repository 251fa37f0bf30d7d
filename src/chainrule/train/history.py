"""What a training run leaves behind: `Run`, and its history, one record per epoch."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.errors import MissingExtraError, message
from chainrule.where import user_location

Stopped: TypeAlias = Literal["interrupted", "diverged", "requested"]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a model does: the mean loss and, where the targets are labels, the share of rows that are right."""

    loss: float
    accuracy: float | None = None

    def __str__(self) -> str:
        return f"loss {self.loss:.4g}" + ("" if self.accuracy is None else f", accuracy {self.accuracy:.2%}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: its number (from 1), its steps, its scores, and the seconds its steps took.

    `train` are means over the rows as they were met, with the parameters of that moment; `validation` are scores at the
    epoch's end, None without held-out rows and in an epoch that was broken off.
    """

    number: int
    steps: int
    train: Scores
    validation: Scores | None
    seconds: float

    def __str__(self) -> str:
        held_out = "" if self.validation is None else f", validation {self.validation}"
        return f"epoch {self.number}: {self.train}{held_out}, {self.seconds:.2f} s"


class History(tuple[Epoch, ...]):
    """The epochs in order; each of its columns is a list, such as `history.loss` or `history.validation_accuracy`."""

    __slots__ = ()

    @property
    def loss(self) -> list[float]:
        """The mean training loss of every epoch."""
        return [epoch.train.loss for epoch in self]

    @property
    def accuracy(self) -> list[float | None]:
        """The training accuracy of every epoch, None where the targets are no labels."""
        return [epoch.train.accuracy for epoch in self]

    @property
    def validation_loss(self) -> list[float | None]:
        """The loss on the held-out rows after every epoch."""
        return [None if epoch.validation is None else epoch.validation.loss for epoch in self]

    @property
    def validation_accuracy(self) -> list[float | None]:
        """The accuracy on the held-out rows after every epoch."""
        return [None if epoch.validation is None else epoch.validation.accuracy for epoch in self]

    @property
    def seconds(self) -> list[float]:
        """The seconds that the steps of every epoch took, staging included, validation not."""
        return [epoch.seconds for epoch in self]

    @property
    def steps(self) -> int:
        """The number of steps in all epochs together."""
        return sum(epoch.steps for epoch in self)

    def plot(self, ax: Any = None) -> Any:
        """The axes with the losses by epoch, of training and of the held-out rows.

        `ax` are matplotlib's axes to draw in, a new figure's where it is None (extra `plot`).
        """
        if ax is None:
            ax = _new_axes()
        numbers = [epoch.number for epoch in self]
        ax.plot(numbers, self.loss, label="training")
        held_out = [(n, loss) for n, loss in zip(numbers, self.validation_loss, strict=True) if loss is not None]
        if held_out:
            ax.plot([n for n, _ in held_out], [loss for _, loss in held_out], label="validation")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        ax.legend()
        return ax

    def __str__(self) -> str:
        return "\n".join(str(epoch) for epoch in self) or "no whole step"

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Run:
    """What `fit` returns: the trained model, the optimizer's state, the history, and how it ended.

    `stopped` is None after all epochs, else "interrupted" (Ctrl-C), "diverged" (a loss that is no number) or
    "requested" (by `on_epoch`). `held_out` are the indices of the rows that were kept from training, ascending; None
    where no part of the data was. `seed` is the seed that `rng=` was, None for a generator.
    """

    model: Any
    optimizer_state: Any
    history: History
    stopped: Stopped | None
    held_out: npt.NDArray[np.int64] | None = None
    seed: int | None = None

    def __repr__(self) -> str:
        seconds = sum(self.history.seconds)
        ended = f", {self.stopped}" if self.stopped else ""
        last = f", last {self.history[-1]}" if self.history else ""
        size = f"{counted(len(self.history), 'epoch')}, {counted(self.history.steps, 'step')}"
        return f"Run({size}, {seconds:.2f} s{ended}{last})"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the rows seen so far, from which the means follow."""

    rows: int = 0
    loss: float = 0.0
    right: int = 0
    labels: int = 0

    def add(self, losses: npt.NDArray[Any], rights: npt.NDArray[Any], rows: int, labels: int) -> Totals:
        """The sums after further steps of `rows` rows each, with `labels` labels among them (0 where there are none).

        A loss is the mean of its batch, so that it counts for as many rows as the batch has. They are added one by one:
        the sum does not depend on how many come at a time.
        """
        return replace(
            self,
            rows=self.rows + rows * len(losses),
            loss=functools.reduce(lambda total, loss: total + loss * rows, losses.tolist(), self.loss),
            right=self.right + int(rights.sum()),
            labels=self.labels + labels * len(losses),
        )

    def scores(self) -> Scores:
        """The means."""
        return Scores(self.loss / self.rows, self.right / self.labels if self.labels else None)


def counted(number: int, what: str) -> str:
    """A number of things in words: 1 epoch, 2 epochs."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _new_axes() -> Any:
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError as error:
        text = message("the package matplotlib", "none installed", user_location(), "pip install 'chainrule[plot]'")
        raise MissingExtraError(text) from error
    return pyplot.subplots()[1]
