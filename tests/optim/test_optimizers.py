"""The optimizers against their published algorithms, written out in NumPy for one array in float64.

Where a paper and PyTorch differ it is PyTorch's documented form that is written here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import DTypeError, OptionError, ShapeError, TreeError
from chainrule.tree import flatten, tree_map

STEPS = 6


def sgd(p: Any, grads: Any, lr: float, momentum: float = 0.0, nesterov: bool = False, decay: float = 0.0) -> Any:
    """Algorithm of torch.optim.SGD, without dampening."""
    buffer = None
    for g in grads:
        g = g + decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


def sutskever(p: Any, gradient: Any, lr: float, momentum: float) -> Any:
    """Nesterov's method as in Sutskever et al. (2013), eqs. 3 and 4; returns the point where the gradient is taken."""
    v = np.zeros_like(p)
    for _ in range(STEPS):
        v = momentum * v - lr * gradient(p + momentum * v)
        p = p + v
    return p + momentum * v


def adam(p: Any, grads: Any, lr: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, decay: float = 0.0) -> Any:
    """Kingma, Ba (2015), algorithm 1, after torch.optim.AdamW's p = p - lr decay p; lr may be a function of t - 1."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        rate = lr(t - 1) if callable(lr) else lr
        p = p - rate * decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return p


def cosine(t: int) -> float:
    return 0.05 * (1 + np.cos(np.pi * min(t / 4, 1)))


CASES: dict[str, tuple[Any, Any]] = {
    "sgd": (optim.sgd(0.1), lambda p, g: sgd(p, g, 0.1)),
    "sgd decay": (optim.sgd(0.1, weight_decay=0.3), lambda p, g: sgd(p, g, 0.1, decay=0.3)),
    "momentum": (optim.sgd(0.1, momentum=0.9), lambda p, g: sgd(p, g, 0.1, 0.9)),
    "nesterov": (
        optim.sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda p, g: sgd(p, g, 0.1, 0.9, True, 0.1),
    ),
    "adam": (optim.adam(0.1), lambda p, g: adam(p, g, 0.1)),
    "adam options": (optim.adam(0.1, b1=0.5, b2=0.7, eps=0.1), lambda p, g: adam(p, g, 0.1, 0.5, 0.7, 0.1)),
    "adam schedule": (optim.adam(optim.cosine(0.1, 4)), lambda p, g: adam(p, g, cosine)),
    "adamw": (optim.adamw(0.1), lambda p, g: adam(p, g, 0.1, decay=1e-2)),
    "adamw schedule": (optim.adamw(optim.cosine(0.1, 4), weight_decay=0.5), lambda p, g: adam(p, g, cosine, decay=0.5)),
}


def tree(dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(5)
    return {"a": rng.standard_normal((3, 2)).astype(dtype), "b": [rng.standard_normal(4).astype(dtype)]}


def gradients(count: int = STEPS, dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(6)
    return [tree_map(lambda p: rng.standard_normal(p.shape).astype(dtype), tree()) for _ in range(count)]


def run(optimizer: Any, model: Any, grads: list[Any], update: Any = None) -> tuple[Any, Any]:
    state = optimizer.init(model)
    for g in grads:
        model, state = (update or optimizer.update)(model, state, g)
    return model, state


@pytest.mark.parametrize("name", CASES)
def test_the_published_algorithm(name: str) -> None:
    optimizer, formula = CASES[name]
    grads = gradients()
    model, state = run(optimizer, tree(), grads)
    assert state.step == STEPS
    np.testing.assert_allclose(model["a"], formula(tree()["a"], [g["a"] for g in grads]), rtol=1e-12)
    np.testing.assert_allclose(model["b"][0], formula(tree()["b"][0], [g["b"][0] for g in grads]), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_staged_is_eager(name: str, dtype: Any) -> None:
    optimizer, _ = CASES[name]
    grads = gradients(dtype=dtype)
    eager = flatten(run(optimizer, tree(dtype), grads))[0]
    update = cr.jit(optimizer.update)
    staged = flatten(run(optimizer, tree(dtype), grads, update))[0]
    assert update.stagings == 1
    for one, other in zip(eager, staged, strict=True):
        assert one.dtype == other.dtype
        assert one.dtype in (dtype, np.int32)
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_donated_arrays_are_taken_over() -> None:
    optimizer = optim.adam(0.1)
    update = cr.jit(optimizer.update, donate=(0, 1))
    model = tree(np.float32)
    state = optimizer.init(model)
    expected = run(optimizer, tree(np.float32), gradients(2, np.float32))
    before = {id(leaf) for leaf in flatten((model, state))[0]}
    for g in gradients(2, np.float32):
        model, state = update(model, state, g)
    assert {id(leaf) for leaf in flatten((model, state))[0]} == before
    for one, other in zip(flatten((model, state))[0], flatten(expected)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_in_a_scan() -> None:
    optimizer = optim.adamw(optim.warmup(2, 0.1))
    grads = gradients(dtype=np.float32)
    stacked = tree_map(lambda *rows: np.stack(rows), *grads)

    def epoch(model: Any, state: Any) -> Any:
        def step(carry: Any, g: Any) -> Any:
            return optimizer.update(*carry, g), 0.0

        return cr.scan(step, (model, state), stacked)[0]

    model = tree(np.float32)
    found = cr.jit(epoch)(model, optimizer.init(model))
    for one, other in zip(flatten(found)[0], flatten(run(optimizer, model, grads))[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_nesterov_is_sutskever_s_at_a_constant_rate() -> None:
    slope = lambda p: p - np.array([1.0, 2.0])  # noqa: E731
    p = np.array([3.0, -1.0])
    wanted = sutskever(p, slope, 0.1, 0.9)
    optimizer = optim.sgd(0.1, momentum=0.9, nesterov=True)
    state = optimizer.init(p)
    for _ in range(STEPS):
        p, state = optimizer.update(p, state, slope(p))
    np.testing.assert_allclose(p, wanted, rtol=1e-12)


def test_nothing_is_written_in_place() -> None:
    optimizer = optim.adamw(0.1)
    model = tree()
    state = optimizer.init(model)
    model, state = optimizer.update(model, state, gradients(1)[0])
    kept = [np.array(leaf) for leaf in flatten((model, state))[0]]
    optimizer.update(model, state, gradients(1)[0])
    for leaf, before in zip(flatten((model, state))[0], kept, strict=True):
        np.testing.assert_array_equal(leaf, before)


class Normalised(nn.Module):
    inner: nn.Linear
    mean: Any = nn.state()
    power: int = nn.static(default=1)

    def __call__(self, x: Any) -> Any:
        return self.inner((x - self.mean) ** self.power)


def test_state_of_a_model_stays() -> None:
    model = Normalised(nn.Linear(3, 2, rng=0), np.ones(3, np.float32))
    x = np.ones((4, 3), np.float32)
    grads = cr.grad(lambda m: nn.mse(m(2 * x), np.zeros((4, 2), np.float32)))(model)
    optimizer = optim.adam(0.1)
    moved, state = optimizer.update(model, optimizer.init(model), grads)
    assert isinstance(moved, Normalised)
    assert moved.mean is model.mean
    assert moved.power == 1
    assert (moved.inner.weight != model.inner.weight).all()
    assert isinstance(state.moments["m"], Normalised)
    assert state.moments["m"].mean is None
    assert state.moments["v"].inner.weight.dtype == np.float32


def test_the_state_is_a_tree_of_arrays() -> None:
    state = optim.adam().init(nn.Linear(3, 2, rng=0))
    leaves, structure = flatten(state)
    assert structure.paths() == ["step", "moments.m.weight", "moments.m.bias", "moments.v.weight", "moments.v.bias"]
    assert state.step.dtype == np.int32
    assert all(not leaf.any() for leaf in leaves)
    assert flatten(optim.sgd(0.1).init(tree()))[1].paths() == ["step"]


def test_a_mask_chooses_what_decays() -> None:
    seen = []

    def mask(path: str, parameter: Any) -> bool:
        seen.append((path, parameter.shape))
        return path == "a"

    zero = tree_map(np.zeros_like, tree())
    model, _ = run(optim.adamw(0.1, weight_decay=0.5, mask=mask), tree(), [zero])
    np.testing.assert_allclose(model["a"], 0.95 * tree()["a"])
    np.testing.assert_array_equal(model["b"][0], tree()["b"][0])
    assert seen == [("a", (3, 2)), ("b.0", (4,))]
    for optimizer in (optim.sgd(0.1, weight_decay=0.5, mask=optim.matrices), optim.adamw(0.1, mask=optim.matrices)):
        model, _ = run(optimizer, tree(), [zero])
        assert (model["a"] != tree()["a"]).all()
        np.testing.assert_array_equal(model["b"][0], tree()["b"][0])


def test_coupled_decay_goes_through_the_direction() -> None:
    p, grads = tree()["a"], [g["a"] for g in gradients()]
    found, _ = run(optim.weight_decay(optim.adam(0.1), 0.3), p, grads)
    points = [p]
    m = v = np.zeros_like(p)
    for t, g in enumerate(grads, start=1):
        g = g + 0.3 * points[-1]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        points.append(points[-1] - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))
    np.testing.assert_allclose(found, points[-1], rtol=1e-12)


def test_clipping_scales_all_gradients_together() -> None:
    grads = {"a": np.full((3, 2), 3.0), "b": [np.full(4, 4.0)]}
    norm = np.sqrt(6 * 9 + 4 * 16)
    for max_norm, factor in ((1.0, 1 / (norm + 1e-6)), (100.0, 1.0)):
        for update in (optim.Optimizer.update, cr.jit(lambda o, m, s, g: o.update(m, s, g), static_argnames="o")):
            optimizer = optim.clip_by_global_norm(optim.sgd(1.0), max_norm)
            model, _ = update(optimizer, tree(), optimizer.init(tree()), grads)
            np.testing.assert_allclose(model["a"], tree()["a"] - 3 * factor)
            np.testing.assert_allclose(model["b"][0], tree()["b"][0] - 4 * factor)
    clipped = optim.clip_by_global_norm(optim.sgd(1.0), 1.0)
    single, _ = run(clipped, tree(np.float32), [tree_map(lambda g: g.astype(np.float32), grads)])
    assert single["a"].dtype == np.float32


def test_python_floats_stay_floats() -> None:
    for optimizer in (optim.sgd(0.1, momentum=0.9), optim.adam(0.1)):
        model, _ = run(optimizer, {"w": 2.0}, [{"w": 1.0}, {"w": 1.0}])
        assert type(model["w"]) is float
        assert model["w"] < 2


def test_gradients_in_another_dtype_are_cast() -> None:
    model, state = run(optim.adam(0.1), tree(np.float32), gradients(1, np.float64))
    assert {leaf.dtype for leaf in flatten((model, state.moments))[0]} == {np.dtype(np.float32)}


def test_a_schedule_of_one_s_own() -> None:
    def halving(step: Any) -> Any:
        return 0.5**step

    p = np.array([1.0])
    for update in (None, cr.jit(optim.sgd(halving).update)):
        found, _ = run(optim.sgd(halving), p, [np.ones(1)] * 3, update)
        np.testing.assert_allclose(found, 1 - (1 + 0.5 + 0.25))


def test_a_model_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    for optimizer in (optim.sgd(0.5, momentum=0.9), optim.adam(1e-2), optim.adamw(1e-2)):
        model = nn.MLP([3, 16, 2], rng=0)
        state = optimizer.init(model)

        @cr.jit(donate=(0, 1))
        def step(model: Any, state: Any, optimizer: Any = optimizer) -> Any:
            loss, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
            return (*optimizer.update(model, state, grads), loss)

        losses = []
        for _ in range(150):
            model, state, loss = step(model, state)
            losses.append(float(loss))
        assert losses[-1] < 0.2 < losses[0]
        assert (model(x).argmax(-1) == y).mean() > 0.95


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: optim.sgd(-0.1), "expected a learning rate >= 0, got -0.1"),
        (lambda: optim.adam("fast"), "expected a learning rate >= 0, got 'fast'"),
        (lambda: optim.adam(float("nan")), "expected a learning rate >= 0, got nan"),
        (lambda: optim.sgd(0.1, momentum=1.0), "expected a momentum from 0 to below 1, got 1.0"),
        (lambda: optim.adam(b1=1.5), "expected b1 from 0 to below 1, got 1.5"),
        (lambda: optim.adam(b2=-1), "expected b2 from 0 to below 1, got -1"),
        (lambda: optim.adam(eps=-1e-8), "expected eps >= 0, got -1e-08"),
        (lambda: optim.adamw(weight_decay=-1), "expected a decay rate >= 0, got -1"),
        (lambda: optim.sgd(0.1, nesterov=True), "expected a momentum above 0 for nesterov, got 0.0"),
        (lambda: optim.clip_by_global_norm(optim.sgd(0.1), -1), "expected a norm >= 0, got -1"),
        (lambda: optim.weight_decay(optim.adamw(), 0.1), "expected an optimizer without weight decay, got weight_d"),
    ],
)
def test_bad_options(make: Any, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()


def test_gradients_of_another_model() -> None:
    optimizer, model = optim.adam(), nn.Linear(3, 2, rng=0)
    state = optimizer.init(model)
    with pytest.raises(TreeError, match=r"expected gradients like the model's parameters, Linear\(.*got MLP"):
        optimizer.update(model, state, nn.MLP([3, 2], rng=0))
    with pytest.raises(ShapeError, match=r"expected a gradient of shape \(2, 3\) for `weight`, got \(2, 4\)"):
        optimizer.update(model, state, nn.Linear(4, 2, rng=0))


def test_parameters_are_floats() -> None:
    with pytest.raises(DTypeError, match=r"expected floating-point parameters for `n`, got i64\[3\] at .*; try nn"):
        optim.adam().init({"n": np.arange(3)})


def test_optimizers_print_as_they_were_made() -> None:
    assert repr(optim.adam(1e-3)) == "adam(0.001, b1=0.9, b2=0.999, eps=1e-08)"
    assert repr(optim.sgd(0.1, momentum=0.9)) == "sgd(0.1, momentum=0.9, nesterov=False)"
    assert repr(optim.adamw()) == "weight_decay(adam(0.001, b1=0.9, b2=0.999, eps=1e-08), 0.01, decoupled=True)"
    assert repr(optim.clip_by_global_norm(optim.sgd(0.1), 2.0)) == "clip_by_global_norm(sgd(0.1), 2.0)"
