"""A loss or a parameter that is no finite number: said, and gone back from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.data import epoch_order
from chainrule.train import Run, fit, slices

EXPECTED = r"expected finite numbers, got {} at .*test_diverged.py:\d+; try a smaller learning rate"


class Growing(nn.Module):
    """A parameter that a step multiplies: w x, with the loss (w x)**2 / 2 and a learning rate beyond 2."""

    w: Any = nn.param()

    def __call__(self, x: Any) -> Any:
        return self.w * x


def half_square(output: Any, target: Any) -> Any:
    return (output * output).mean() / 2


def train(w: float, lr: float, epochs: int = 100, n: int = 5, **options: Any) -> Run:
    """Each step multiplies w by 1 - lr."""
    data = (np.ones(n, np.float32), np.zeros(n, np.float32))
    return fit(Growing(np.float32([w])), half_square, data, optim.sgd(lr), epochs=epochs, batch_size=1, progress=False,
               **options)  # fmt: skip


def expected(w: float, lr: float) -> tuple[int, Any]:
    """How many losses are finite, and the parameter of the last of them, by a loop in NumPy."""
    value, count = np.float32(w), 0
    with np.errstate(all="ignore"):
        while np.isfinite(np.float32(value * value) / 2):
            last, count = value, count + 1
            value = value - np.float32(lr) * value
    return count, last


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["steps", "slices"])
@pytest.mark.parametrize("n", [4, 5, 7])
def test_the_model_is_the_one_that_had_the_last_finite_loss(n: int, seconds: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(slices, "SECONDS", seconds)
    with pytest.warns(RuntimeWarning, match=EXPECTED.format(r"a loss of inf in epoch \d+ at step \d+")):
        run = train(1.0, 11.0, n=n)
    count, last = expected(1.0, 11.0)
    assert run.stopped == "diverged"
    assert run.history.steps == count
    assert run.model.w == last
    assert np.isfinite(run.history.loss).all()


def test_parameters_that_overflow_before_a_loss_does() -> None:
    with pytest.warns(RuntimeWarning, match=EXPECTED.format(r"parameters that are not finite in epoch 1 at step 1")):
        run = train(2.0, 3e38, n=3)
    assert run.stopped == "diverged"
    assert run.model.w == 2.0
    assert run.history.steps == 1


def test_a_first_loss_that_is_not_finite_leaves_the_model_as_it_was() -> None:
    with pytest.warns(RuntimeWarning, match=EXPECTED.format("a loss of inf in epoch 1 at step 1")):
        run = train(3e30, 0.1)
    assert run.model.w == np.float32(3e30)
    assert len(run.history) == 0


def test_nan_out_of_finite_data() -> None:
    def loss(output: Any, target: Any) -> Any:
        return np.log(output - 0.5).mean()

    data = (np.ones(4, np.float32), np.zeros(4, np.float32))
    with pytest.warns(RuntimeWarning, match=EXPECTED.format("a loss of nan in epoch 1 at step 2")):
        run = fit(Growing(np.float32([1.0])), loss, data, optim.sgd(0.3), batch_size=1, progress=False)
    assert run.model.w == 1.0
    assert run.history.steps == 1


def test_a_validation_loss_that_is_not_finite() -> None:
    huge = (np.full(3, 3e30, np.float32), np.zeros(3, np.float32))
    with pytest.warns(RuntimeWarning, match=EXPECTED.format("a validation loss of inf after epoch 1")):
        run = train(1.0, 0.1, validation=huge)
    assert run.stopped == "diverged"
    assert len(run.history) == 1
    assert run.model.w == pytest.approx(0.9**5)


def test_the_rows_that_are_done_again_are_those_of_the_epoch() -> None:
    """The loss of one row is not finite once the others have been seen: which rows were, is the epoch's order."""
    x = np.float32([1, 1, 1, 1, 1e30])
    data = (x, np.zeros(5, np.float32))
    bits = np.random.PCG64(4)
    before = list(epoch_order(5, bits)).index(4)
    with pytest.warns(RuntimeWarning, match=f"epoch 1 at step {before + 1}"):
        run = fit(Growing(np.float32([1.0])), half_square, data, optim.sgd(0.5), batch_size=1, rng=4, progress=False)
    assert before > 1
    assert run.model.w == 0.5 ** (before - 1)
