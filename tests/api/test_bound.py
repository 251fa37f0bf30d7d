"""bind: the call of a staged function with fixed buffers."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, OwnershipError

X = np.array([0.5, -1.0, 2.0])


def test_a_bound_call_reads_and_writes_the_same_memory() -> None:
    x = X.copy()
    bound = cr.jit(lambda x: {"twice": 2.0 * x, "sum": x.sum(), "n": 3}).bind(x)
    out = bound()
    assert out is bound.result and out is bound()
    np.testing.assert_array_equal(out["twice"], 2.0 * X)
    assert out["sum"] == X.sum() and out["sum"].shape == () and out["n"] == 3
    twice = out["twice"]
    x[:] = 1.0
    assert bound()["twice"] is twice and twice.tolist() == [2.0] * 3 and out["sum"] == 3.0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_second_thread_is_refused_while_the_first_one_is_in_the_call(threads: int) -> None:
    x = np.full((64, 64), 1 / 64, np.float32)
    many = cr.jit(lambda x: cr.fori_loop(0, 3000, lambda _, c: c @ x, x), threads=threads)
    bound, refused = many.bind(x), list[str]()
    expected = bound().copy()

    def call() -> None:
        for _ in range(500):
            try:
                bound()
            except OwnershipError as error:
                refused.append(str(error))
            if refused:
                return

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert "expected one thread at a time in a bound call, got two" in (refused or [""])[0]
    np.testing.assert_array_equal(bound(), expected)


def test_a_bound_step_trains_as_the_staged_one_does() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype(np.float32)
    optimizer = optim.adam(1e-2)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = cr.value_and_grad(lambda m: ((m(x) - y) ** 2).mean())(model)
        model, state = optimizer.update(model, state, grads)
        return model, state, loss

    models = [nn.MLP([3, 4, 3], rng=0) for _ in range(2)]
    model, state = models[0], optimizer.init(models[0])
    staged = cr.jit(step, donate=(0, 1))
    bound = staged.bind(models[1], optimizer.init(models[1]), x, y)
    for i in range(3):
        model, state, loss = staged(model, state, x, y)
        out = bound()
        assert out[0] is models[1] and out[2] == loss and out[1].step == i + 1
    for a, b in zip(cr.tree.flatten(models[0])[0], cr.tree.flatten(models[1])[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert staged.stagings == 1


def test_numbers_are_what_they_were_when_they_were_bound() -> None:
    bound = cr.jit(lambda x, rate, n: x * rate * n).bind(np.float32(2.0), 3.0, 2)
    assert bound() == 12.0 and bound().dtype == np.float32
    assert cr.jit(lambda a, b: a * b).bind(2.0, 4.0)() == 8.0


def test_arrays_found_outside_are_read_where_they_were() -> None:
    held = {"w": np.ones(3)}
    w = held["w"]
    bound = cr.jit(lambda x: x + held["w"]).bind(X)
    w[:] = 2.0
    np.testing.assert_array_equal(bound(), X + 2.0)
    held["w"] = np.zeros(3)
    np.testing.assert_array_equal(bound(), X + 2.0)


def test_a_bound_call_keeps_its_arrays_alive() -> None:
    bound = cr.jit(lambda x: x + 1.0).bind(np.full(1000, 2.0))
    gc.collect()
    assert [np.full(1000, 7.0) for _ in range(10)] and (bound() == 3.0).all()


def test_a_memory_mapped_array_is_bound(tmp_path: Any) -> None:
    held = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3,))
    bound = cr.jit(lambda x: x + 1.0, donate=0).bind(held)
    bound()
    bound()
    assert held.tolist() == [2.0, 2.0, 2.0]


def test_arrays_that_cannot_be_bound() -> None:
    f = cr.jit(lambda t, x: t["w"] + x, donate=0)
    good = np.ones(3)
    with pytest.raises(ArgumentError, match=r"aligned array for argument `0\.w`, got one of shape \(3,\) with strides"):
        f.bind({"w": np.ones(6)[::2]}, good)
    with pytest.raises(ArgumentError, match=r"for argument `1`, got one in another byte order .*try x\.astype"):
        f.bind({"w": good}, np.ones(3, ">f8"))
    with pytest.raises(ArgumentError, match="got one that is not aligned"):
        f.bind({"w": good}, np.zeros(25, np.uint8)[1:].view(np.float64))
    with pytest.raises(OwnershipError, match="passed twice"):
        f.bind({"w": good}, good)
    fixed = np.ones(3)
    fixed.flags.writeable = False
    with pytest.raises(OwnershipError, match="read-only"):
        f.bind({"w": fixed}, good)
    assert f.bind({"w": good}, fixed)().tolist() == [2.0] * 3
    with pytest.raises(ArgumentError, match="got a traced value"):
        cr.grad(lambda x: f.bind({"w": good}, x)().sum())(X)
    outside = np.ones((2, 3)).T
    with pytest.raises(ArgumentError, match="array found outside the function, got one of shape"):
        cr.jit(lambda x: x @ outside).bind(X)
