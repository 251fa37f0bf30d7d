"""Plans run by NumPy against the graphs that they are of: generated ones, steps of training, ones over many rows."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from plan_meaning import run
from planned import apply, check, new, planned, words
from training_graphs import STEPS

from chainrule.ir.evaluate import evaluate
from chainrule.schedule.plan import Loop, Nest, Plan
from chainrule.schedule.schedule import schedule
from chainrule.testing.comparison import all_bits
from chainrule.testing.fuzz import Truth, generate
from chainrule.testing.fuzz.generate import ROWS
from chainrule.testing.fuzz.layouts import plain

GRAPHS: Final = 160
TALL: Final = 12


def complaint(seed: int) -> str:
    sample = generate(seed)
    inputs = [plain(x) for x in sample.inputs]
    got = run(schedule(sample.graph, sample.donations), sample.graph, inputs)
    with np.errstate(all="ignore"):
        if all_bits(got, [np.asarray(x) for x in evaluate(sample.graph, inputs)]):
            return ""
    return "\n".join(map(str, Truth(sample.graph, inputs, seed).check(got)))


@pytest.mark.parametrize("start", range(0, GRAPHS, 40))
def test_generated_graphs(start: int) -> None:
    for seed in range(start, start + 40):
        if seed % ROWS != ROWS - 1:
            assert not complaint(seed), f"graph {seed}"


@pytest.mark.parametrize("seed", range(ROWS - 1, TALL * ROWS, ROWS))
def test_generated_graphs_over_many_rows(seed: int) -> None:
    assert not complaint(seed), f"graph {seed}"


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_training(name: str) -> None:
    step = STEPS[name]()
    for donations in ((), step.donations):
        check(schedule(step.graph, donations), step.graph, step.inputs)


WITHOUT_COPIES = [
    name for name in STEPS if name.startswith(("mlp", "regression", "logistic", "normalised", "attention"))
]


@pytest.mark.parametrize("name", [*WITHOUT_COPIES, "clusters", "clusters tall"])
def test_a_step_of_training_copies_nothing(name: str) -> None:
    """Everything is computed where it belongs; parameters are written over."""
    step = STEPS[name]()
    assert "copy" not in " ".join(words(schedule(step.graph, step.donations)))


def test_an_epoch_copies_nothing_from_step_to_step() -> None:
    step = STEPS["epoch"]()
    lines = words(schedule(step.graph, step.donations))
    assert lines[0] == "loop 5" and not any("copy" in line for line in lines)


@pytest.mark.parametrize("name", ["mlp tall", "regression tall", "logistic tall", "normalised tall"])
def test_a_step_over_many_rows_is_one_loop_over_tiles(name: str) -> None:
    """What is in front of it and behind it knows nothing of the rows."""
    step = STEPS[name]()
    plan = schedule(step.graph, step.donations)
    (loop,) = [step for step in plan.steps if isinstance(step, Loop)]
    rows = loop.length * next(n for n in (*loop.steps[0].rows, 0))
    others = [x for x in plan.steps if isinstance(x, Nest)]
    assert all(rows not in (*x.rows, *x.columns) for x in others)


def test_a_step_has_few_kernels() -> None:
    """A layer takes a product forward, two back, and a sum for its bias."""
    step = STEPS["mlp sgd"]()
    assert len(schedule(step.graph, step.donations).steps) <= 12


def test_plans_are_functions_of_the_graph() -> None:
    sample = generate(3)
    first, second = (words(schedule(sample.graph, sample.donations)) for _ in range(2))
    assert first == second


def test_donations_are_where_outputs_are() -> None:
    x, y = new(3), new(3)
    plan = planned([x, y], [apply("tanh", y), apply("tanh", x)], [(0, 1)])
    assert plan.outputs[1] is plan.inputs[0]
    assert plan.outputs[0].kind == "output"


def test_an_empty_graph() -> None:
    plan: Plan = planned([new(3)], [])
    assert plan.steps == ()
