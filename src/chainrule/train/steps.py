"""What is staged: some steps of training as one scan, and the scores of some rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import chainrule.numpy as cnp
from chainrule.api.control import scan
from chainrule.api.derivatives import value_and_grad
from chainrule.api.jit import Jitted, jit
from chainrule.train.history import Scores, Totals
from chainrule.train.problem import Rows

Loss: TypeAlias = Callable[[Any, Any], Any]
ROWS_AT_ONCE = 1024


def staged_steps(loss: Loss, optimizer: Any, labelled: bool) -> Jitted[..., Any]:
    """The staged function `(model, state, x, y, rows) -> (model, state, losses, rights)`.

    `rows` are indices (steps, batch): row i of it is the batch of step i. `losses` (steps,) are those before each
    update; `rights` (steps,) count the labels whose class has the largest output, zeros where there are none.

    Nothing is donated: the state before a call stays whole, and so does what was read of it in between.
    """
    return jit(functools.partial(_steps, loss, optimizer, labelled))


def _steps(loss: Loss, optimizer: Any, labelled: bool, model: Any, state: Any, x: Any, y: Any, rows: Any) -> Any:
    def step(carry: Any, chosen: Any) -> Any:
        model, state = carry

        def objective(model: Any) -> Any:
            output = model(x[chosen])
            return loss(output, y[chosen]), output

        (value, output), grads = value_and_grad(objective, has_aux=True)(model)
        right = _count_right(output, y[chosen], labelled)
        return optimizer.update(model, state, grads), (value, right)

    (model, state), (losses, rights) = scan(step, (model, state), rows)
    return model, state, losses, rights


def staged_scores(loss: Loss, labelled: bool) -> Callable[..., Any]:
    """The staged function `(model, x, y, rows) -> (loss, right)` of the rows with the given indices."""
    return jit(functools.partial(_scores, loss, labelled))


def _scores(loss: Loss, labelled: bool, model: Any, x: Any, y: Any, rows: Any) -> Any:
    output, target = model(x[rows]), y[rows]
    return loss(output, target), _count_right(output, target, labelled)


def score(staged: Callable[..., Any], model: Any, rows: Rows, labelled: bool) -> Scores:
    """The mean loss and the accuracy over the rows, taken in parts; `staged` is what `staged_scores` returned."""
    totals = Totals()
    labels = rows.y[0].size if labelled else 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows.indices[start : start + ROWS_AT_ONCE]
        loss, right = staged(model, rows.x, rows.y, part)
        totals = totals.add(np.atleast_1d(loss), np.atleast_1d(right), len(part), len(part) * labels)
    return totals.scores()


def _count_right(output: Any, target: Any, labelled: bool) -> Any:
    """How many labels are the class with the largest output."""
    if not labelled:
        return cnp.zeros((), np.int64)
    return cnp.sum(cnp.argmax(output, axis=-1) == target)
