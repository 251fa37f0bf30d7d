"""The number of rows is a number of a call: what is left of a batch, down to one row, has the kernels of a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp
from chainrule import nn, optim
from chainrule.backend.llvm.lower import Work, lower
from chainrule.ir.graph import Graph
from chainrule.schedule.schedule import schedule
from chainrule.train.steps import staged_steps

F32 = np.dtype(np.float32)
NETS = ([20, 16, 3], [784, 100, 10], [784, 30, 10], [8, 16, 16, 1], [784, 512, 512, 10], [4, 32, 16, 4], [5, 8, 2])
LESSONS: tuple[tuple[str, Callable[..., Any], Any], ...] = (
    ("tanh", nn.cross_entropy, optim.adam(1e-3)),
    ("sigmoid", nn.mse, optim.sgd(0.1)),
    ("relu", nn.cross_entropy, optim.sgd(0.1, momentum=0.9)),
)
BATCHES = (512, 128, 32, 10)
RESTS = (1, 2, 3, 5, 8, 9, 12, 16, 17, 31, 65, 127, 129, 300)


def structures(graph: Graph) -> dict[str, str]:
    """The kernels of a graph: what tells their code apart, and their titles."""
    kernels = [line.kernel for line in lower(schedule(graph)).lines if isinstance(line, Work)]
    return {kernel.structure: kernel.title for kernel in kernels}


def assert_same_kernels(graph: Callable[[int], Graph]) -> None:
    """Whatever a batch is, its kernels serve all that may be left of it."""
    rests = {rows: structures(graph(rows)) for rows in RESTS}
    for batch in BATCHES:
        whole = structures(graph(batch))
        for rows, found in rests.items():
            new = [title for structure, title in found.items() if structure not in whole]
            assert rows >= batch or not new, f"{rows} rows beside batches of {batch}: {new}"


@pytest.mark.filterwarnings("ignore::chainrule.errors.RecompileWarning")  # that there are many sizes is the point
@pytest.mark.parametrize("lesson", LESSONS, ids=[f"{name}-{loss.__name__}" for name, loss, _ in LESSONS])
@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_an_epoch_over_what_is_left(sizes: list[int], lesson: tuple[str, Callable[..., Any], Any]) -> None:
    activation, loss, optimizer = lesson
    labelled = loss is nn.cross_entropy and sizes[-1] > 1
    model = nn.MLP(sizes, activation=activation, rng=0)
    steps = staged_steps(loss if labelled else nn.mse, optimizer, labelled)

    def graph(rows: int) -> Graph:
        x, chosen = np.zeros((1003, sizes[0]), F32), np.zeros((1 if rows in RESTS else 3, rows), np.int64)
        y: Any = np.zeros(1003, np.int64) if labelled else np.zeros((1003, sizes[-1]), F32)
        return steps.graph(model, optimizer.init(model), x, y, chosen)

    assert_same_kernels(graph)


def squares(output: Any, target: Any) -> Any:
    return 0.5 * cnp.mean(cnp.sum((output - target) ** 2, axis=-1))


@pytest.mark.parametrize("loss", [squares, nn.huber, nn.mae, nn.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("sizes", [[8, 16, 1], [20, 16, 3], [784, 512, 512, 10]], ids=str)
def test_a_step_outside_of_a_loop(sizes: list[int], loss: Callable[..., Any]) -> None:
    model, optimizer = nn.MLP(sizes, activation="tanh", rng=0), optim.adam(1e-3)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        def objective(model: Any) -> Any:
            return loss(model(x), y)

        value, grads = cr.value_and_grad(objective)(model)
        return optimizer.update(model, state, grads), value

    def graph(rows: int) -> Graph:
        x, y = np.zeros((rows, sizes[0]), F32), np.zeros((rows, sizes[-1]), F32)
        return cr.graph(step)(model, optimizer.init(model), x, y)

    assert_same_kernels(graph)


def regression(w: Any, b: Any, x: Any) -> Any:
    def loss(w: Any, b: Any) -> Any:
        return nn.binary_cross_entropy_with_logits(x @ w + b, cnp.zeros(x.shape[0], F32))

    return cr.value_and_grad(loss, argnums=(0, 1))(w, b)


def predicted(model: Any, x: Any) -> Any:
    return cnp.argmax(nn.softmax(model(x)), axis=-1)


def centred(axis: int, keepdims: bool) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return (x - x.mean(axis=axis, keepdims=keepdims)) / cnp.sqrt(x.var(axis=axis, keepdims=keepdims) + 1e-5)

    return function


OTHERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], int]] = {
    "logistic regression": (regression, (np.zeros(28, F32), F32.type(0)), 28),
    "logistic regression of images": (regression, (np.zeros(784, F32), F32.type(0)), 784),
    "a prediction of one class": (predicted, (nn.MLP([8, 16, 1], activation="relu", rng=0),), 8),
    "a prediction of two": (predicted, (nn.MLP([8, 16, 2], activation="relu", rng=0),), 8),
    "a prediction by wide layers": (predicted, (nn.MLP([784, 512, 512, 10], activation="tanh", rng=0),), 784),
    "a few columns with mean 0": (centred(0, keepdims=False), (), 5),
    "short rows with mean 0": (centred(1, keepdims=True), (), 5),
    "rows with mean 0": (centred(1, keepdims=True), (), 100),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_of_rows(name: str) -> None:
    function, given, columns = OTHERS[name]
    assert_same_kernels(lambda rows: cr.graph(function)(*given, np.zeros((rows, columns), F32)))
