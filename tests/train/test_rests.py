"""LLVM runs once for a data set: neither the last batch nor another number of rows is compiled for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.backend.choose import backend
from chainrule.backend.llvm import code
from chainrule.train.loop import Training
from chainrule.train.problem import own_model, pose
from chainrule.train.steps import staged_steps

pytestmark = [
    pytest.mark.skipif(backend().name != "llvm", reason="nothing is compiled"),
    pytest.mark.filterwarnings("ignore::chainrule.errors.RecompileWarning"),  # that there are many sizes is the point
]

SIZES = (1003, 517, 300, 7, 1)
BATCH = 32


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in memory nor on disk."""
    monkeypatch.setattr(code, "_KNOWN", {})
    monkeypatch.setattr(code, "disk", lambda: None)


def data(rows: int, sizes: list[int]) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, sizes[0])).astype(np.float32)
    y: Any = rng.integers(0, sizes[-1], rows) if sizes[-1] > 1 else rng.normal(size=(rows, 1)).astype(np.float32)
    return x, y


def epoch(training: Training) -> Any:
    """The function that took the steps of an epoch."""
    for batches in training.calls(training.problem.train.indices):
        for _ in training.advance(batches):
            pass
    return training._steps  # pyright: ignore[reportPrivateUsage]


def training(rows: int, batch: int, sizes: list[int], optimizer: Any) -> Training:
    model = own_model(nn.MLP(sizes, activation="tanh", rng=0))
    problem = pose(model, data(rows, sizes), 0.0, batch, np.random.PCG64(0))
    loss = nn.cross_entropy if sizes[-1] > 1 else nn.mse
    return Training(problem, model, optimizer.init(model), loss, optimizer, batch, 0)


@pytest.mark.parametrize("rest", [1, 2, 3, 5, 11, 31])
def test_the_last_batch_compiles_nothing(rest: int) -> None:
    steps = epoch(training(2 * BATCH + rest, BATCH, [20, 16, 3], optim.adam(1e-3)))
    assert (steps.stagings, steps.compiles) == (2, 1)


@pytest.mark.parametrize("sizes", [[8, 16, 16, 1], [784, 30, 10]], ids=str)
def test_one_row_that_is_left_compiles_nothing(sizes: list[int]) -> None:
    steps = epoch(training(21, 10, sizes, optim.sgd(0.1)))
    assert (steps.stagings, steps.compiles) == (2, 1)


@pytest.mark.parametrize("sizes", [SIZES, SIZES[::-1]], ids=str)
def test_another_number_of_rows_compiles_nothing(sizes: tuple[int, ...]) -> None:
    optimizer = optim.adam(1e-3)
    model = nn.MLP([20, 16, 3], activation="tanh", rng=0)
    steps = staged_steps(nn.cross_entropy, optimizer, labelled=True)
    for rows in sizes:
        whole = rows // BATCH * BATCH
        order = np.arange(rows)
        for batches in (order[:whole].reshape(-1, BATCH), order[None, whole:]):
            if batches.size:
                steps(model, optimizer.init(model), *data(rows, [20, 16, 3]), batches)
    assert (steps.stagings, steps.compiles) == (8, 1)
