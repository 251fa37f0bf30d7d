"""`fit`: step for step what a loop in plain NumPy does, whole batches and partial ones, whatever the slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import network_by_hand as by_hand
import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.data import digits, epoch_order, split
from chainrule.train import Run, evaluate, fit, slices
from chainrule.tree import named_leaves, tree_map

LR = 0.3


def problem(n: int = 23, dtype: Any = np.float64) -> tuple[Any, Any]:
    """Points of three classes, which a small network can learn."""
    rng = np.random.default_rng(7)
    y = np.arange(n) % 3
    x = rng.normal(size=(n, 4)) + 1.5 * np.eye(3, 4)[y]
    return x.astype(dtype), y


def network(dtype: Any = np.float64) -> nn.MLP:
    return nn.MLP([4, 6, 3], activation="tanh", rng=3, dtype=dtype)


def plain(model: Any) -> dict[str, Any]:
    return {name: np.array(leaf) for name, leaf in named_leaves(model).items()}


def assert_close(model: Any, p: dict[str, Any], rtol: float = 1e-11) -> None:
    for name, leaf in named_leaves(model).items():
        np.testing.assert_allclose(leaf, p[name], rtol=rtol, atol=rtol, err_msg=name)


def assert_same(one: Any, other: Any) -> None:
    """The same bits everywhere."""
    for name, leaf in named_leaves(one).items():
        np.testing.assert_array_equal(leaf, named_leaves(other)[name], err_msg=name)


def scores_of(run: Run) -> list[Any]:
    return [(epoch.train, epoch.validation, epoch.steps) for epoch in run.history]


def batches_of(order: Any, size: int) -> list[Any]:
    return [order[start : start + size] for start in range(0, len(order), size)]


@pytest.mark.parametrize("batch_size", [1, 4, 5, 22, 23])
def test_it_is_the_loop_written_by_hand(batch_size: int) -> None:
    x, y = problem()
    p, bits = plain(network()), np.random.PCG64(5)
    seen: list[Run] = []
    run = fit(network(), nn.cross_entropy, (x, y), optim.sgd(LR), epochs=3, batch_size=batch_size, rng=5,
              on_epoch=seen.append, progress=False)  # fmt: skip
    for at_epoch, epoch in zip(seen, run.history, strict=True):
        batches = batches_of(epoch_order(len(y), bits), batch_size)
        p, loss, right = by_hand.epoch(p, x, y, batches, LR)
        assert_close(at_epoch.model, p)
        assert epoch.train.loss == pytest.approx(loss, rel=1e-12)
        assert epoch.train.accuracy == right / len(y)
        assert epoch.steps == len(batches)
    assert_close(run.model, p)
    assert run.stopped is None
    assert run.seed == 5
    assert run.held_out is None


def test_held_out_rows_are_drawn_by_split_and_not_trained_on() -> None:
    x, y = problem(30)
    run = fit(network(), nn.cross_entropy, (x, y), optim.sgd(LR), epochs=2, batch_size=7, validation=0.3, rng=11,
              progress=False)  # fmt: skip
    bits = np.random.PCG64(11)
    kept, held_out = split(y, 0.3, 11)
    np.testing.assert_array_equal(run.held_out, held_out)
    np.testing.assert_array_equal(split(y, 0.3, bits)[0], kept)
    assert np.bincount(y[held_out]).tolist() == [3, 3, 3]
    p = plain(network())
    for epoch in run.history:
        order = kept[epoch_order(len(kept), bits)]
        p, loss, _ = by_hand.epoch(p, x, y, batches_of(order, 7), LR)
        logits = by_hand.forward(p, x[held_out])[1]
        assert epoch.train.loss == pytest.approx(loss, rel=1e-12)
        assert epoch.validation is not None
        assert epoch.validation.loss == pytest.approx(by_hand.cross_entropy(logits, y[held_out]), rel=1e-12)
        assert epoch.validation.accuracy == np.mean(logits.argmax(1) == y[held_out])
    assert_close(run.model, p)


def test_validation_data_of_their_own() -> None:
    x, y = problem(40)
    run = fit(network(), nn.cross_entropy, (x[:20], y[:20]), optim.sgd(LR), batch_size=6, validation=(x[20:], y[20:]),
              progress=False)  # fmt: skip
    logits = by_hand.forward(plain(run.model), x[20:])[1]
    assert run.held_out is None
    assert run.history.validation_loss == [pytest.approx(by_hand.cross_entropy(logits, y[20:]), rel=1e-12)]


@pytest.mark.parametrize("optimizer", [optim.sgd(0.1, momentum=0.9, nesterov=True), optim.adamw(0.01)], ids=repr)
def test_the_optimizer_state_is_carried_from_step_to_step(optimizer: Any) -> None:
    x, y = problem(12)
    run = fit(network(), nn.cross_entropy, (x, y), optimizer, epochs=2, batch_size=5, rng=2, progress=False)
    bits, model = np.random.PCG64(2), network()
    state = optimizer.init(model)
    for _ in range(2):
        for rows in batches_of(epoch_order(12, bits), 5):
            found = by_hand.gradients(plain(model), x[rows], y[rows])
            grads = model.replace(layers=tuple(
                layer.replace(weight=found[f"layers.{i}.weight"], bias=found[f"layers.{i}.bias"])
                for i, layer in enumerate(model.layers)
            ))  # fmt: skip
            model, state = optimizer.update(model, state, grads)
    assert_close(run.model, plain(model), rtol=1e-9)
    assert int(run.optimizer_state.step) == 6
    for name, moment in named_leaves(run.optimizer_state).items():
        np.testing.assert_allclose(moment, named_leaves(state)[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_result_does_not_depend_on_the_slices(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for seconds in (0.0, 1e-3, 1e9):
        monkeypatch.setattr(slices, "SECONDS", seconds)
        runs.append(fit(network(dtype), nn.cross_entropy, problem(41), optim.adam(0.01), epochs=3, batch_size=3,
                        validation=0.2, progress=False))  # fmt: skip
    for run in runs[1:]:
        assert_same(run.model, runs[0].model)
        assert_same(run.optimizer_state, runs[0].optimizer_state)
        assert scores_of(run) == scores_of(runs[0])


def test_a_seed_is_the_whole_run_and_a_generator_moves_on() -> None:
    def train(rng: Any) -> Run:
        return fit(
            network(), nn.cross_entropy, problem(), optim.sgd(LR), epochs=2, batch_size=4, rng=rng, progress=False
        )

    assert_same(train(3).model, train(3).model)
    assert_same(train(3).model, train(np.random.Generator(np.random.PCG64(3))).model)
    assert train(3).history.loss != train(4).history.loss
    generator = np.random.default_rng(0)
    first, second = train(generator), train(generator)
    assert first.history.loss != second.history.loss
    assert first.seed is None


def test_what_the_caller_holds_is_never_written_to() -> None:
    x, y = problem()
    model = network()
    held = [x, y, *named_leaves(model).values()]
    before = [np.array(array) for array in held]
    for array in held:
        array.setflags(write=False)
    seen: list[Run] = []

    def spoil(run: Run) -> None:
        seen.append(run)
        for leaf in named_leaves(run.model).values():
            leaf[...] = np.nan

    run = fit(model, nn.cross_entropy, (x, y), optim.adam(0.01), epochs=2, batch_size=4, on_epoch=spoil, progress=False)
    for array, known in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, known)
    assert np.isfinite(run.history.loss).all()
    arrays = [*named_leaves(run.model).values(), *named_leaves(run.optimizer_state).values()]
    assert all(isinstance(leaf, np.generic) or leaf.flags.writeable for leaf in arrays)
    assert not any(np.may_share_memory(one, other) for one in named_leaves(run.model).values() for other in held)


def test_floats_of_the_data_take_the_dtype_of_the_parameters() -> None:
    x, y = problem()
    data = (x, y.astype(np.int16))
    run = fit(network(np.float32), nn.cross_entropy, data, optim.adam(0.01), batch_size=4, progress=False)
    other = fit(network(np.float32), nn.cross_entropy, problem(dtype=np.float32), optim.adam(0.01), batch_size=4,
                progress=False)  # fmt: skip
    assert {leaf.dtype.name for leaf in named_leaves(run.model).values()} == {"float32"}
    assert_same(run.model, other.model)


def test_a_regression_has_no_accuracy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]]) + 1
    model = nn.Linear(3, 1, rng=0, dtype=np.float64)
    run = fit(model, nn.mse, (x, y), optim.sgd(0.1), epochs=30, batch_size=16, validation=0.25, progress=False)
    assert set(run.history.accuracy) == {None}
    assert run.history.loss[-1] < 1e-3
    np.testing.assert_allclose(run.model.weight, [[1.0, -2.0, 0.5]], atol=0.05)


def test_labels_with_more_than_one_axis_count_one_by_one() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, (20, 5))
    x = np.eye(3)[y]
    model = nn.Linear(3, 3, rng=0, dtype=np.float64)
    run = fit(model, nn.cross_entropy, (x, y), optim.sgd(5.0), epochs=20, batch_size=8, validation=0.2, progress=False)
    assert run.history.accuracy[-1] == 1.0
    assert run.history.validation_accuracy[-1] == 1.0


def test_integer_inputs_stay_integers() -> None:
    class Embedding(nn.Module):
        table: Any = nn.param()

        def __call__(self, x: Any) -> Any:
            return self.table[x]

    x = np.arange(12) % 4
    model = Embedding(np.zeros((4, 3)))
    run = fit(model, nn.cross_entropy, (x, x % 3), optim.sgd(2.0), epochs=20, batch_size=4, progress=False)
    assert run.history.accuracy[-1] == 1.0


def test_parameters_that_are_python_floats() -> None:
    @dataclass(frozen=True)
    class Line:
        slope: float = 0.0
        offset: float = 0.0

        def __call__(self, x: Any) -> Any:
            return self.slope * x + self.offset

    x = np.linspace(-1, 1, 16)
    run = fit(Line(), nn.mse, (x, 3 * x - 1), optim.sgd(0.3), epochs=60, batch_size=8, progress=False)
    assert float(run.model.slope) == pytest.approx(3, abs=1e-3)
    assert float(run.model.offset) == pytest.approx(-1, abs=1e-3)


def test_a_loss_that_changes_between_epochs_is_staged_anew() -> None:
    strength = {"value": 1.0}

    def loss(output: Any, target: Any) -> Any:
        return strength["value"] * nn.cross_entropy(output, target)

    seen: list[Run] = []

    def silence(run: Run) -> None:
        seen.append(run)
        strength["value"] = 0.0

    fit(network(), loss, problem(), optim.sgd(LR), epochs=3, batch_size=8, on_epoch=silence, progress=False)
    assert seen[0].history.loss[0] > 0
    assert seen[2].history.loss[1:] == [0.0, 0.0]
    assert_same(seen[2].model, seen[0].model)


def test_the_history_a_callback_sees_and_its_wish_to_stop() -> None:
    lengths = []

    def enough(run: Run) -> bool:
        lengths.append(len(run.history))
        return len(run.history) == 2

    run = fit(network(), nn.cross_entropy, problem(), optim.sgd(LR), epochs=9, batch_size=8, on_epoch=enough,
              progress=False)  # fmt: skip
    assert lengths == [1, 2]
    assert run.stopped == "requested"
    assert len(run.history) == 2


def test_an_error_in_a_callback_comes_out() -> None:
    def fail(run: Run) -> None:
        raise LookupError("mine")

    model = network()
    before = plain(model)
    with pytest.raises(LookupError, match="mine"):
        fit(model, nn.cross_entropy, problem(), optim.sgd(LR), epochs=9, batch_size=8, on_epoch=fail, progress=False)
    assert_close(model, before, rtol=0)


def test_evaluate_is_the_mean_over_all_rows() -> None:
    x, y = problem(1500)
    model = network()
    logits = by_hand.forward(plain(model), x)[1]
    scores = evaluate(model, nn.cross_entropy, (x, y))
    assert scores.loss == pytest.approx(by_hand.cross_entropy(logits, y), rel=1e-12)
    assert scores.accuracy == np.mean(logits.argmax(1) == y)


def test_digits_are_learnt() -> None:
    x, y = digits()
    model = nn.MLP([64, 32, 10], rng=0)
    run = fit(
        model, nn.cross_entropy, (x, y), optim.adam(5e-3), epochs=5, batch_size=64, validation=0.2, progress=False
    )
    assert run.history.validation_accuracy[-1] > 0.9
    held = run.held_out
    assert evaluate(run.model, nn.cross_entropy, (x[held], y[held])) == run.history[-1].validation
    assert tree_map(np.shape, run.model).layers[0].weight == (32, 64)
