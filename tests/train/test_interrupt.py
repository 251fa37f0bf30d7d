"""Ctrl-C: the Run of the last whole step comes back; a second one breaks off; handlers are put back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.api.derivatives import grad
from chainrule.api.jit import jit
from chainrule.api.running import Running
from chainrule.data import epoch_order
from chainrule.train import Run, fit, slices
from chainrule.tree import named_leaves

DATA = (np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3), np.arange(20) % 2)


def train(**options: Any) -> Run:
    options = {"epochs": 4, "batch_size": 6, "progress": False, **options}
    return fit(nn.Linear(3, 2, rng=0), nn.cross_entropy, DATA, optim.sgd(0.1), **options)


def assert_same(one: Any, other: Any) -> None:
    for name, leaf in named_leaves(one).items():
        np.testing.assert_array_equal(leaf, named_leaves(other)[name], err_msg=name)


def after(steps: int) -> Any:
    """The model after so many steps, of four an epoch, by a loop of its own."""
    model, optimizer, bits = nn.Linear(3, 2, rng=0), optim.sgd(0.1), np.random.PCG64(0)
    step = jit(lambda model, state, x, y: optimizer.update(
        model, state, grad(lambda m: nn.cross_entropy(m(x), y))(model)))  # fmt: skip
    state = optimizer.init(model)
    for i in range(steps):
        if i % 4 == 0:
            order = epoch_order(20, bits)
        rows = order[6 * (i % 4) :][:6]
        model, state = step(model, state, DATA[0][rows], DATA[1][rows])
    return model


def press() -> None:
    """Ctrl-C, as it reaches the process."""
    signal.raise_signal(signal.SIGINT)


def test_it_stops_after_the_epoch_whose_callback_was_interrupted() -> None:
    run = train(on_epoch=lambda run: press() if len(run.history) == 2 else None)
    assert run.stopped == "interrupted"
    assert len(run.history) == 2
    assert_same(run.model, train(epochs=2).model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("pressed_at", [1, 2, 5, 7])
def test_it_stops_after_the_step_it_is_in(pressed_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes while a slice runs: that is finished, and the Run is what it left."""
    monkeypatch.setattr(slices, "SECONDS", 0.0)
    calls = []
    ordinary = Running.proceed

    def count(self: Any, seconds: float) -> bool:
        calls.append(seconds)
        if len(calls) == pressed_at:
            press()
        return ordinary(self, seconds)

    monkeypatch.setattr(Running, "proceed", count)
    run = train()
    monkeypatch.undo()
    steps = run.history.steps
    whole = 4  # slices of an epoch, of one step each: three batches of 6 rows and one of 2
    assert run.stopped == "interrupted"
    assert steps == pressed_at
    assert [epoch.steps for epoch in run.history] == [whole] * (steps // whole) + [steps % whole] * (steps % whole > 0)
    assert_same(run.model, after(steps))


def test_a_second_one_breaks_off() -> None:
    def twice(run: Run) -> None:
        press()
        press()

    with pytest.raises(KeyboardInterrupt):
        train(on_epoch=twice)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_comes_as_an_exception() -> None:
    """As in a notebook whose cells do not run in the main thread, or with a handler of one's own."""

    def interrupt(run: Run) -> None:
        raise KeyboardInterrupt

    run = train(on_epoch=interrupt)
    assert run.stopped == "interrupted"
    assert_same(run.model, train(epochs=1).model)


def test_an_exception_between_two_slices_loses_no_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SECONDS", 0.0)
    calls = []
    ordinary = Running.proceed

    def interrupt(self: Any, seconds: float) -> bool:
        calls.append(seconds)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return ordinary(self, seconds)

    monkeypatch.setattr(Running, "proceed", interrupt)
    run = train()
    assert run.stopped == "interrupted"
    assert [epoch.steps for epoch in run.history] == [4, 2]
    assert_same(run.model, after(6))


def test_before_the_first_step_the_run_is_the_model_given() -> None:
    model = nn.Linear(3, 2, rng=0)

    def loss(output: Any, target: Any) -> Any:
        raise KeyboardInterrupt

    run = fit(model, loss, DATA, optim.sgd(0.1), batch_size=6, progress=False)
    assert run.stopped == "interrupted"
    assert len(run.history) == 0
    assert_same(run.model, model)
    assert run.model.weight is not model.weight


def test_a_handler_of_ones_own_is_put_back_and_hears_the_second() -> None:
    def twice(run: Run) -> None:
        press()
        press()

    heard = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    mine = signal.getsignal(signal.SIGINT)
    try:
        run = train(on_epoch=twice)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, previous)
    assert heard == [signal.SIGINT]
    assert run.stopped == "interrupted"


def test_a_program_that_ignores_interrupts_goes_on_ignoring_them() -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = train(on_epoch=lambda run: press())
    finally:
        signal.signal(signal.SIGINT, previous)
    assert run.stopped is None
    assert len(run.history) == 4


def test_other_threads_train_without_a_handler() -> None:
    runs: list[Run] = []
    handlers = []

    def work() -> None:
        runs.append(train(on_epoch=lambda run: handlers.append(signal.getsignal(signal.SIGINT))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert runs[0].stopped is None
    assert set(handlers) == {signal.default_int_handler}


CHILD = """
import sys, threading
import numpy as np
from chainrule import nn, optim, train
x, y = np.ones((64, 8), np.float32), np.arange(64) % 2
def say(run):
    if len(run.history) == 2:
        print("training", flush=True)
run = train.fit(nn.Linear(8, 2, rng=0), nn.cross_entropy, (x, y), optim.sgd(0.01), epochs=10**9, batch_size=7,
                on_epoch=say, progress=False)
print(run.stopped, len(run.history) >= 2, bool(np.isfinite(run.model.weight).all()), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="a child cannot be sent Ctrl-C alone on Windows")
def test_a_process_that_is_sent_the_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "training\n"
        time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted True True\n"
        assert child.wait(60) == 0
