"""`fit`: gradient descent over batches, epoch by epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chainrule.data import epoch_order
from chainrule.errors import message
from chainrule.train.history import Epoch, History, Run, Scores, Stopped, Totals
from chainrule.train.interrupt import Interrupts, interrupts
from chainrule.train.problem import (
    Indices,
    Problem,
    all_rows,
    bit_generator,
    check_count,
    check_functions,
    is_finite,
    own_model,
    pose,
)
from chainrule.train.progress import Choice, Progress, show_progress
from chainrule.train.slices import in_slices
from chainrule.train.steps import Loss, score, staged_scores, staged_steps
from chainrule.tree import tree_map
from chainrule.where import user_location

if TYPE_CHECKING:
    from chainrule.data.sampling import Seed


def fit(
    model: Any,
    loss: Loss,
    data: tuple[npt.ArrayLike, npt.ArrayLike],
    optimizer: Any,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    validation: float | tuple[npt.ArrayLike, npt.ArrayLike] = 0.0,
    rng: Seed = 0,
    on_epoch: Callable[[Run], Any] | None = None,
    progress: Choice = "auto",
) -> Run:
    """The Run of training `model` on `data` = (x, y): the model after it, the optimizer's state, the history.

    In every epoch all rows are visited in a random order, in batches of `batch_size` rows and a last one of what is
    left; each step minimises `loss(model(x[batch]), y[batch])`, the mean over the batch, by the optimizer's rule.
    `validation` is a fraction of the rows to hold out (of each class its share; `Run.held_out` has their indices), or
    data (x, y) of their own; after each epoch the model is scored on them. `rng` draws the held-out rows and the
    orders: a seed gives the same run every time.

    The parameters are copied once, and the model given is never written to. x and y that are floating-point are
    converted to the parameters' dtype. Everything is looked through before the first step.

    Ctrl-C ends it after the step it is in: the Run of the last whole step, `stopped` "interrupted" (pressed again after
    that step, it is a KeyboardInterrupt). `on_epoch(run)` is called after each epoch and may return True to end it:
    "requested". A loss or a parameter that is not finite ends it with a warning: "diverged", and the model is the one
    that had the last finite loss. `progress`: "auto" shows a bar on a terminal and in a notebook, else a line an epoch;
    True always a bar; False nothing.
    """
    check_functions(loss, optimizer, on_epoch)
    check_count(epochs, "epochs")
    bits, seed = bit_generator(rng)
    mine = own_model(model)
    problem = pose(mine, data, validation, batch_size, bits)
    training = Training(problem, mine, optimizer.init(mine), loss, optimizer, int(batch_size), seed)
    display = show_progress(progress, int(epochs), training.batches)
    try:
        with interrupts() as pressed:
            stopped = _train(training, int(epochs), bits, pressed, display, on_epoch)
    finally:
        display.close()
    if stopped == "diverged":
        hint = "a smaller learning rate"
        warnings.warn(message("finite numbers", training.trouble, user_location(), hint), RuntimeWarning, stacklevel=2)
    return training.run(stopped)


def evaluate(model: Any, loss: Loss, data: tuple[npt.ArrayLike, npt.ArrayLike]) -> Scores:
    """The scores of a model on `data` = (x, y): the mean loss, and the accuracy where the targets are labels."""
    mine = own_model(model)
    rows, labelled = all_rows(mine, data)
    return score(staged_scores(loss, labelled), mine, rows, labelled)


@dataclass(frozen=True, eq=False, slots=True)
class Point:
    """Training after a whole number of steps: what is learnt, finished epochs, and the sums of the one under way."""

    model: Any
    state: Any
    epochs: tuple[Epoch, ...] = ()
    totals: Totals = field(default_factory=Totals)
    steps: int = 0
    seconds: float = 0.0

    def end_epoch(self, validation: Scores | None) -> Point:
        """The point at the epoch's end, its record among the finished ones; an epoch without a step leaves none."""
        if not self.steps:
            return self
        number = len(self.epochs) + 1
        epoch = Epoch(number, self.steps, self.totals.scores(), validation, self.seconds)
        return Point(self.model, self.state, (*self.epochs, epoch))


class Diverged(Exception):
    """A number that is not finite."""


class Training:
    """Training that is under way. `now` is replaced as one, so that it is whole whenever it is broken off."""

    def __init__(
        self, problem: Problem, model: Any, state: Any, loss: Loss, optimizer: Any, batch_size: int, seed: int | None
    ) -> None:
        self.problem, self.batch_size, self.seed = problem, batch_size, seed
        self.now = Point(model, state)
        self.trouble = ""
        self.batches = -(-len(problem.train) // batch_size)
        self._last: tuple[Point, Indices] | None = None  # the slice before: where it began, its batches
        self._steps = staged_steps(loss, optimizer, problem.labelled)
        self._scores = staged_scores(loss, problem.labelled)
        self._labels = problem.train.y[0].size if problem.labelled else 0  # labels in a row

    def calls(self, order: Indices) -> list[Indices]:
        """The batches of an epoch, as index arrays (steps, batch): those of whole batches, and that of what is left."""
        whole = len(order) // self.batch_size * self.batch_size
        calls = [order[:whole].reshape(-1, self.batch_size), order[None, whole:]]
        return [batches for batches in calls if batches.size]

    def advance(self, batches: Indices) -> Generator[int]:
        """Takes the steps of one call, slice by slice: how many each of them took.

        Where the loss or the result is not finite, it goes back and raises Diverged.
        """
        train, taken = self.problem.train, 0
        start = self.now
        slices = in_slices(self._steps, start.model, start.state, train.x, train.y, batches)
        for (model, state, losses, rights), seconds in slices:
            steps = len(losses) - taken
            self._take(batches[taken : len(losses)], model, state, losses[taken:], rights[taken:], seconds)
            taken += steps
            yield steps

    def _take(self, batches: Indices, model: Any, state: Any, losses: Any, rights: Any, seconds: float) -> None:
        """Notes the steps of one slice."""
        start = self.now
        finite = np.isfinite(losses)
        steps, rows = batches.shape
        good = steps if finite.all() else int(np.argmin(finite))
        totals = start.totals.add(losses[:good], rights[:good], rows, rows * self._labels)
        seconds += start.seconds
        if good == steps and is_finite(model):
            self.now = Point(model, state, start.epochs, totals, start.steps + steps, seconds)
            self._last = (start, batches)
            return
        model, state = self._before(start, batches, good)
        done = start.steps + good
        self.now = Point(model, state, start.epochs, totals, done, seconds)
        if good == steps or (good and not is_finite(self._step(model, state, batches[good - 1])[0])):
            trouble = f"parameters that are not finite in epoch {len(start.epochs) + 1} at step {done}"
        else:
            trouble = f"a loss of {losses[good]} in epoch {len(start.epochs) + 1} at step {done + 1}"
        raise Diverged(trouble)

    def _step(self, model: Any, state: Any, rows: Indices) -> tuple[Any, Any]:
        """Model and state after one step."""
        return self._steps(model, state, self.problem.train.x, self.problem.train.y, rows[None])[:2]

    def _before(self, start: Point, batches: Indices, good: int) -> tuple[Any, Any]:
        """Model and state with which the last of `good` finite losses was found: steps are done again."""
        if not good:
            if self._last is None:
                return start.model, start.state
            start, batches = self._last
            good = len(batches)
        model, state = start.model, start.state
        for rows in batches[: good - 1]:
            model, state = self._step(model, state, rows)
        return model, state

    def end_epoch(self) -> Epoch:
        """Scores the model and closes the epoch's record."""
        held = self.problem.validation
        scores = None if held is None else score(self._scores, self.now.model, held, self.problem.labelled)
        self.now = self.now.end_epoch(scores)
        epoch = self.now.epochs[-1]
        if scores is not None and not np.isfinite(scores.loss):
            raise Diverged(f"a validation loss of {scores.loss} after epoch {epoch.number}")
        return epoch

    def run(self, stopped: Stopped | None, copy: bool = False) -> Run:
        """The Run as it stands; with `copy`, with arrays that training does not go on with."""
        point = self.now.end_epoch(None)
        model, state = point.model, point.state
        if copy:
            model, state = tree_map(np.array, (model, state))
        return Run(model, state, History(point.epochs), stopped, self.problem.held_out, self.seed)


def _train(
    training: Training,
    epochs: int,
    bits: np.random.BitGenerator,
    pressed: Interrupts,
    display: Progress,
    on_epoch: Callable[[Run], Any] | None,
) -> Stopped | None:
    """Why training ended: None after the last epoch."""
    indices = training.problem.train.indices
    try:
        for number in range(1, epochs + 1):
            for batches in training.calls(indices[epoch_order(len(indices), bits)]):
                for steps in training.advance(batches):
                    display.advance(number, steps, training.now.totals.scores())
                    if pressed.asked:
                        return "interrupted"
            display.end_epoch(training.end_epoch())
            wish = on_epoch(training.run(None, copy=True)) if on_epoch is not None else None
            if pressed.asked:
                return "interrupted"
            if wish is True:
                return "requested"
    except Diverged as trouble:
        training.trouble = str(trouble)
        return "diverged"
    except KeyboardInterrupt:  # from another way than the signal that is noted, or one that insists
        if pressed.insisted:
            raise
        return "interrupted"
    return None
