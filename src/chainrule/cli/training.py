"""`chainrule train`: data, network, training, and what to say and keep of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np

from chainrule import data, nn, optim, train
from chainrule.cli.texts import as_command
from chainrule.cli.threads import limit_threads
from chainrule.errors import MissingExtraError
from chainrule.train.history import counted
from chainrule.train.problem import parameter_count
from chainrule.train.saved import check_place

_HELD_OUT: Final = 0.2


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """Rows to train on, the part of them to hold out, and rows to test on (None: those held out)."""

    x: Any
    y: Any
    validation: float
    test: tuple[Any, Any] | None


def train_network(arguments: argparse.Namespace) -> int:
    """The exit status, after a network was trained, tested and saved."""
    place = _place(arguments)
    if not limit_threads(arguments.threads) and arguments.threads > 1:
        _say("NumPy's BLAS is not one whose threads can be set; --threads has no effect")
    task = _task(arguments)
    classes = 10
    sizes = [task.x.shape[1], *arguments.hidden, classes]
    model = nn.MLP(sizes, activation=arguments.activation, rng=arguments.seed, dtype=arguments.dtype)
    rows = len(task.x) - round(len(task.x) * task.validation)
    optimizer = _optimizer(arguments.optimizer, arguments.lr, arguments.epochs * -(-rows // arguments.batch))
    print(f"network   {'-'.join(map(str, sizes))}, {arguments.activation}, {parameter_count(model):,} parameters of "
          f"{arguments.dtype}", flush=True)  # fmt: skip
    started = time.process_time()
    run = _fit(model, task, optimizer, arguments)
    if not run.history:
        _say("interrupted before the first whole step; nothing was learnt")
        return 130
    test = task.test or (task.x[run.held_out], task.y[run.held_out])
    scores = train.evaluate(run.model, nn.cross_entropy, test)
    batches = -(-(len(task.x) - (0 if run.held_out is None else len(run.held_out))) // arguments.batch)
    _report(run, scores, len(test[0]), started, batches)
    if place is not None:
        accuracy = {"test_loss": scores.loss, "test_accuracy": scores.accuracy}
        saved = train.save(place, run, metrics=accuracy, notes=_notes(arguments, optimizer))
        print(f"saved to  {saved}")
    return {None: 0, "interrupted": 130}.get(run.stopped, 1)


def _place(arguments: argparse.Namespace) -> str | None:
    """The folder to save in, looked at before anything is trained; None where nothing can be saved."""
    if arguments.out is not None:
        check_place(arguments.out)
        return arguments.out
    names = (f"{arguments.data_set}-{number}" if number > 1 else arguments.data_set for number in count(1))
    place = next(path for name in names if not os.path.lexists(path := os.path.join("runs", name)))
    try:
        check_place(place)
    except MissingExtraError:
        _say("the model will not be saved: pip install 'chainrule[train]' for that (and for a progress bar)")
        return None
    return place


def _task(arguments: argparse.Namespace) -> Task:
    """The data set, read."""
    if arguments.data_set == "digits":
        x, y = data.digits(arguments.dtype)
        return Task(x, y, _HELD_OUT, None)
    x, y = data.mnist(arguments.data, "train", arguments.dtype)
    return Task(x, y, 0.0, data.mnist(arguments.data, "test", arguments.dtype))


def _optimizer(name: str, rate: float, steps: int) -> optim.Optimizer:
    """The optimizer of a name, with a learning rate that falls from `rate` to 0 over the steps."""
    falling = optim.cosine(rate, steps)
    match name:
        case "sgd":
            return optim.sgd(falling)
        case "momentum" | "nesterov":
            return optim.sgd(falling, momentum=0.9, nesterov=name == "nesterov")
        case "adam":
            return optim.adam(falling)
        case _:
            return optim.adamw(falling)


def _fit(model: nn.MLP, task: Task, optimizer: optim.Optimizer, arguments: argparse.Namespace) -> train.Run:
    """The Run of training; warnings are said in a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = train.fit(
            model,
            nn.cross_entropy,
            (task.x, task.y),
            optimizer,
            epochs=arguments.epochs,
            batch_size=arguments.batch,
            validation=task.validation,
            rng=arguments.seed,
        )
    for warning in caught:
        _say(str(warning.message))
    return run


def _report(run: train.Run, scores: train.Scores, rows: int, started: float, batches: int) -> None:
    """Prints accuracy and times; `batches` are the steps of a whole epoch.

    Start-up is the processor's time until training began: imports, data, weights.
    """
    seconds = sum(run.history.seconds)
    each = seconds / run.history.steps * batches
    print(f"trained   {_extent(run.history, batches)}{f', {run.stopped}' if run.stopped else ''}")
    print(f"test accuracy {100 * (scores.accuracy or 0.0):.2f} %  ({rows} digits not trained on)")
    print(f"time      {seconds:.2f} s training, {each:.3f} s an epoch; {started:.2f} s start-up")


def _extent(history: train.History, batches: int) -> str:
    """How long was trained: whole epochs with all their steps, or those and the steps of one that was broken off."""
    whole, rest = divmod(history.steps, batches)
    if not rest:
        return f"{counted(whole, 'epoch')}, {counted(history.steps, 'step')}"
    return f"{counted(whole, 'epoch')} and {counted(rest, 'step')}" if whole else counted(rest, "step")


def _notes(arguments: argparse.Namespace, optimizer: optim.Optimizer) -> dict[str, Any]:
    return {
        "data": arguments.data_set,
        "loss": "cross_entropy",
        "optimizer": repr(optimizer),
        "epochs": arguments.epochs,
        "batch_size": arguments.batch,
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"],
    }


def _say(text: str) -> None:
    print(f"chainrule: {as_command(text)}", file=sys.stderr)
