from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import OptionError

CASES: list[tuple[Any, Any]] = [
    (optim.constant(0.3), lambda t: 0.3),
    (optim.linear(0.1, 0.5, 4), lambda t: 0.1 + 0.4 * min(t, 4) / 4),
    (optim.linear(0.5, 0.0, 10), lambda t: 0.5 * (1 - min(t, 10) / 10)),
    (optim.cosine(0.2, 8), lambda t: 0.1 * (1 + math.cos(math.pi * min(t, 8) / 8))),
    (optim.cosine(0.2, 8, final=0.1), lambda t: 0.1 + 0.05 * (1 + math.cos(math.pi * min(t, 8) / 8))),
    (optim.warmup(4, 0.8), lambda t: 0.2 * (t + 1) if t < 4 else 0.8),
    (
        optim.warmup(3, optim.cosine(0.6, 5)),
        lambda t: 0.2 * (t + 1) if t < 3 else 0.3 * (1 + math.cos(math.pi * min(t - 3, 5) / 5)),
    ),
]


@pytest.mark.parametrize(("schedule", "formula"), CASES, ids=[repr(schedule) for schedule, _ in CASES])
def test_values(schedule: Any, formula: Any) -> None:
    staged = cr.jit(lambda step: schedule(step) + 0.0)
    for t in range(14):
        step = np.array(t, np.int32)
        np.testing.assert_allclose(schedule(step), formula(t), atol=1e-15)
        np.testing.assert_allclose(schedule(t), formula(t), atol=1e-15)
        np.testing.assert_allclose(staged(step), formula(t), atol=1e-15)


def test_schedules_print_as_they_were_made() -> None:
    schedule = optim.warmup(3, optim.cosine(0.6, 5))
    assert repr(schedule) == "warmup(3, cosine(0.6, 5, 0.0))"
    assert repr(optim.sgd(schedule)) == "sgd(warmup(3, cosine(0.6, 5, 0.0)))"


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_a_number_of_steps_is_positive(steps: Any) -> None:
    for make in (lambda: optim.linear(0, 1, steps), lambda: optim.cosine(1, steps), lambda: optim.warmup(steps, 1.0)):
        with pytest.raises(OptionError, match=f"expected a number of steps >= 1, got {steps}"):
            make()
