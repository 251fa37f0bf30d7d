"""grad, value_and_grad, vjp, jvp, linearize: over trees, nested, eager and staged."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, EscapedTracerError, ShapeError, TreeError


def bumpy(x: Any) -> Any:
    y = np.tanh(x) * x + np.exp(-x * x)
    return np.sum(y * np.sin(3.0 * x))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=5)


def central(f: Any, x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    steps = np.eye(x.size).reshape(x.size, *x.shape) * h
    return np.array([(f(x + step) - f(x - step)) / (2 * h) for step in steps]).reshape(x.shape)


def test_gradient_agrees_with_differences(x: np.ndarray) -> None:
    np.testing.assert_allclose(cr.grad(bumpy)(x), central(bumpy, x), rtol=1e-7, atol=1e-8)


def test_staged_gradient_equals_eager(x: np.ndarray) -> None:
    np.testing.assert_allclose(cr.jit(cr.grad(bumpy))(x), cr.grad(bumpy)(x), rtol=1e-14)
    np.testing.assert_allclose(cr.grad(cr.jit(bumpy))(x), cr.grad(bumpy)(x), rtol=1e-14)


def test_derivatives_of_derivatives_to_the_fourth_order() -> None:
    f = lambda x: np.sin(x) * np.exp(0.5 * x)  # noqa: E731
    g = f
    for order in range(1, 5):
        g = cr.grad(g)
        truth = ((0.5 + 1j) ** order * np.exp((0.5 + 1j) * 0.7)).imag
        assert g(0.7) == pytest.approx(truth, rel=1e-13)


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize("staged", [False, True])
def test_mixed_modes_give_the_hessian(outer: str, inner: str, staged: bool, x: np.ndarray) -> None:
    v, w = np.random.default_rng(1).normal(size=(2, 5))

    def directional(f: Any, mode: str, direction: np.ndarray) -> Any:
        if mode == "forward":
            return lambda x: cr.jvp(f, (x,), (direction,))[1]
        return lambda x: np.sum(cr.grad(f)(x) * direction)

    second = directional(directional(bumpy, inner, v), outer, w)
    truth = np.dot(central(lambda x: np.dot(cr.grad(bumpy)(x), v), x), w)
    assert (cr.jit(second) if staged else second)(x) == pytest.approx(truth, rel=1e-7)


def test_perturbations_are_not_confused() -> None:
    assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert cr.jvp(lambda x: x * cr.jvp(lambda y: x * y, (3.0,), (1.0,))[1], (2.0,), (1.0,))[1] == 4.0


def test_trees_go_in_and_come_out() -> None:
    @dataclass(frozen=True)
    class Pair:
        a: Any
        b: Any

    tree = {"list": [np.array([1.0, 2.0]), 3.0], "pair": Pair(np.float32(2.0), (np.ones((2, 2)),)), "none": None}
    f = lambda t: np.sum(t["list"][0]) * t["list"][1] + t["pair"].a ** 2 + np.sum(3.0 * t["pair"].b[0])  # noqa: E731
    value, gradient = cr.value_and_grad(f)(tree)
    assert value == pytest.approx(9.0 + 4.0 + 12.0)
    np.testing.assert_array_equal(gradient["list"][0], [3.0, 3.0])
    assert gradient["list"][1] == 3.0 and type(gradient["list"][1]) is float
    assert isinstance(gradient["pair"], Pair) and gradient["pair"].a == 4.0 and gradient["pair"].a.dtype == np.float32
    np.testing.assert_array_equal(gradient["pair"].b[0], np.full((2, 2), 3.0))
    assert gradient["none"] is None


def test_argnums_and_has_aux(x: np.ndarray) -> None:
    f = lambda a, b, n: (np.sum(a * b**n), {"sum": a + b, "n": n})  # noqa: E731
    (value, aux), (da, db) = cr.value_and_grad(f, argnums=(0, 1), has_aux=True)(x, x + 1, 2)
    np.testing.assert_allclose(da, (x + 1) ** 2)
    np.testing.assert_allclose(db, 2 * x * (x + 1))
    np.testing.assert_allclose(aux["sum"], 2 * x + 1)
    assert type(aux["sum"]) is np.ndarray and aux["n"] == 2 and value == pytest.approx(np.sum(x * (x + 1) ** 2))
    gradient, aux = cr.grad(f, argnums=-2, has_aux=True)(x, x + 1, 2)
    np.testing.assert_allclose(gradient, db)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_has_its_parameters_dtype(dtype: Any) -> None:
    a, b = np.ones(3, dtype), np.ones(3, np.float64)
    da, db = cr.grad(lambda a, b: np.sum(a * b * np.float64(2.0)), argnums=(0, 1))(a, b)
    assert da.dtype == dtype and db.dtype == np.float64


def test_no_influence_is_a_gradient_of_zeros(x: np.ndarray) -> None:
    np.testing.assert_array_equal(cr.grad(lambda x, y: y * 2.0)(x, 1.0), np.zeros(5))
    np.testing.assert_array_equal(cr.grad(lambda x: 3.0)(x), np.zeros(5))


def test_vjp_pulls_back_every_result(x: np.ndarray) -> None:
    out, pullback = cr.vjp(lambda x, y: {"a": x * y, "b": np.sum(x)}, x, 2.0)
    dx, dy = pullback({"a": np.ones(5), "b": 3.0})
    np.testing.assert_allclose(dx, 2.0 + 3.0)
    assert dy == pytest.approx(np.sum(x))
    np.testing.assert_allclose(pullback({"a": np.zeros(5), "b": 1.0})[0], 1.0)
    np.testing.assert_allclose(out["a"], 2 * x)


def test_jvp_and_linearize_agree(x: np.ndarray) -> None:
    f = lambda x, s: (np.tanh(x) * s, np.sum(x) * s)  # noqa: E731
    v = np.arange(5.0)
    out, tangent = cr.jvp(f, (x, 2.0), (v, 0.5))
    same, jvp_at = cr.linearize(f, x, 2.0)
    for a, b in zip([*out, *tangent], [*same, *jvp_at(v, 0.5)], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    np.testing.assert_allclose(cr.jvp(f, (x, 2.0), (v, None))[1][0], v / np.cosh(x) ** 2 * 2)
    np.testing.assert_allclose(jvp_at(np.zeros(5), 1.0)[0], np.tanh(x))


def test_stop_gradient_and_value(x: np.ndarray) -> None:
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(x * cr.stop_gradient(x)))(x), x)
    seen = []
    cr.grad(lambda x: (seen.append(cr.value(x * 2)), np.sum(x))[1])(x)
    np.testing.assert_array_equal(seen[0], 2 * x)
    assert type(seen[0]) is np.ndarray
    assert cr.value(x) is x


def test_eager_code_may_branch_loop_and_print_on_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        while np.sum(x) < 100.0:
            x = x * 2.0 if x[0] > 0 else x * 3.0
        print(f"sum {np.sum(x):.1f}")
        return np.sum(x)

    np.testing.assert_array_equal(cr.grad(f)(np.array([1.0, 2.0])), [64.0, 64.0])
    assert capsys.readouterr().out == "sum 192.0\n"


def test_taps_give_the_gradient_at_named_places(x: np.ndarray) -> None:
    def f(x: Any) -> Any:
        y = cr.tap(x * 2.0, "twice")
        return np.sum(cr.tap(y * y, "square")) + np.sum(cr.tap(x, "twice"))

    value, gradient, taps = cr.value_and_grad(f, taps=True)(x)
    np.testing.assert_allclose(taps["twice"], 4 * x)
    np.testing.assert_allclose(taps["twice#2"], np.ones(5))
    np.testing.assert_allclose(taps["square"], np.ones(5))
    np.testing.assert_allclose(gradient, 8 * x + 1)
    assert value == pytest.approx(f(x))
    staged = cr.jit(cr.value_and_grad(f, taps=True))(x)[2]
    np.testing.assert_allclose(staged["twice"], 4 * x)
    assert sorted(taps) == ["square", "twice", "twice#2"]


# --- ownership --------------------------------------------------------------------------------------------------------


def test_an_input_changed_after_the_forward_pass_does_not_change_the_pullback(x: np.ndarray) -> None:
    w = x + 1.0
    _, pullback = cr.vjp(lambda x: x * x * w, x)
    before = pullback(np.ones(5))[0]
    x[:] = 0.0
    w[:] = -1.0
    np.testing.assert_array_equal(pullback(np.ones(5))[0], before)


def test_a_buffer_reused_inside_the_function_counts_as_it_was() -> None:
    buffer = np.ones(3)

    def f(x: Any) -> Any:
        buffer[:] = 2.0
        y = x * buffer
        buffer[:] = 3.0
        return np.sum(y * buffer)

    np.testing.assert_array_equal(cr.grad(f)(np.ones(3)), np.full(3, 6.0))


def test_linearize_keeps_its_own_copies(x: np.ndarray) -> None:
    w = x + 1.0
    _, jvp_at = cr.linearize(lambda x: x * x * w, x)
    before = jvp_at(np.ones(5))
    x[:] = 0.0
    w[:] = 0.0
    np.testing.assert_array_equal(jvp_at(np.ones(5)), before)


@pytest.mark.parametrize("call", [cr.grad, lambda f, **k: cr.jit(cr.grad(f, **k))])
def test_gradients_are_the_callers_own(call: Any, x: np.ndarray) -> None:
    da, db = call(lambda a, b: np.sum(a + b), argnums=(0, 1))(x, x)
    da[0] = 7.0
    assert db[0] == 1.0 and da.flags.c_contiguous and da.base is None
    assert not np.shares_memory(da, x)


def test_a_cotangent_handed_in_is_never_handed_out(x: np.ndarray) -> None:
    ct = np.ones(5)
    _, pullback = cr.vjp(lambda x: x + 0.0, x)
    out = pullback(ct)[0]
    out[0] = 5.0
    assert ct[0] == 1.0


def test_the_callers_array_is_never_written_to(x: np.ndarray) -> None:
    before = x.copy()

    def f(x: Any) -> Any:
        x[0] = 3.0 * x[1]
        x *= 2.0
        return np.sum(x * x)

    gradient = cr.grad(f)(x)
    np.testing.assert_array_equal(x, before)
    truth = 8.0 * before
    truth[0], truth[1] = 0.0, 8.0 * before[1] + 72.0 * before[1]
    np.testing.assert_allclose(gradient, truth)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_integer_argument_says_what_to_write() -> None:
    with pytest.raises(DTypeError, match=r"expected a float, got int 3; write 3\.0"):
        cr.grad(lambda x: x * x)(3)


def test_integer_parameters_are_named() -> None:
    with pytest.raises(DTypeError, match=r"floating-point parameters for `0\.b`, got i64\[2\] at .*test_derivatives"):
        cr.grad(lambda t: np.sum(t["a"]))({"a": np.ones(2), "b": np.arange(2)})


def test_a_loss_that_is_no_scalar(x: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"expected a scalar loss, got f64\[5\] at .*try loss\.mean"):
        cr.grad(lambda x: x * 2)(x)
    with pytest.raises(ShapeError, match="has_aux=True"):
        cr.grad(lambda x: (np.sum(x), 1.0))(x)


def test_a_tracer_that_escaped(x: np.ndarray) -> None:
    kept = []
    cr.grad(lambda x: (kept.append(x), np.sum(x))[1])(x)
    with pytest.raises(EscapedTracerError, match="kept from a call that has ended"):
        kept[0] + 1.0
    with pytest.raises(EscapedTracerError):
        cr.jit(lambda y: y + kept[0])(x)


def test_cotangents_and_tangents_must_fit(x: np.ndarray) -> None:
    _, pullback = cr.vjp(lambda x: {"a": x}, x)
    with pytest.raises(TreeError, match="a cotangent like the result"):
        pullback(x)
    with pytest.raises(ShapeError, match=r"a cotangent of shape \(5,\), got \(4,\)"):
        pullback({"a": np.ones(4)})
    with pytest.raises(ShapeError, match="tangent of shape"):
        cr.jvp(np.sin, (x,), (np.ones(3),))
    with pytest.raises(TreeError, match="1 tangents, one for each primal"):
        cr.jvp(np.sin, (x,), (x, x))


def test_signatures_and_names_are_kept() -> None:
    def loss(weights: dict[str, float], *, scale: float = 1.0) -> float:
        """A loss."""
        return weights["a"] * scale

    for wrapped in (cr.grad(loss), cr.value_and_grad(loss), cr.jit(loss)):
        assert inspect.signature(wrapped) == inspect.signature(loss)
        assert wrapped.__name__ == "loss" and wrapped.__doc__ == "A loss."
    assert cr.grad(loss)({"a": 2.0}, scale=3.0) == {"a": 3.0}


@pytest.mark.parametrize("index", [0, slice(None)])
@pytest.mark.parametrize("derive", [cr.grad, cr.jit], ids=["eager", "staged"])
def test_a_traced_value_does_not_fit_into_a_plain_array(derive: Any, index: Any) -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[index] = x[index]
        return np.sum(y)

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(cr.errors.TraceError, match=rf"test_derivatives\.py:{line}; try .*cr\.numpy\.zeros"):
        derive(f)(np.ones(3))


def test_a_dict_keeps_its_order_of_keys(x: np.ndarray) -> None:
    loss = lambda p: np.sum(p["w"] * x) + p["b"] * p["a"]  # noqa: E731
    params = {"w": x, "b": 2.0, "a": 3.0}
    assert list(cr.grad(loss)(params)) == list(cr.jit(cr.grad(loss))(params)) == ["w", "b", "a"]
    step = cr.jit(lambda p: cr.grad(loss)(p))
    assert list(step(params)) == ["w", "b", "a"] and list(step(dict(sorted(params.items())))) == ["a", "b", "w"]
    first = cr.jit(lambda p: next(iter(p.values())))
    assert first({"w": 1.0, "b": 2.0}) == 1.0 and first({"b": 2.0, "w": 1.0}) == 2.0


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.array(2.0)])
@pytest.mark.parametrize("f", [lambda x: np.abs(x * 1j), lambda x: np.real(1j - x), lambda x: np.abs(x**1j)])
@pytest.mark.parametrize("run", [cr.grad, lambda f: lambda x: cr.jvp(f, (x,), (1.0,)), cr.jit])
def test_a_complex_number_is_an_error_and_no_gradient_of_zero(run: Any, f: Any, x: Any) -> None:
    with pytest.raises(cr.errors.DTypeError, match=r"got complex(128)? at .*test_derivatives\.py"):
        run(f)(x)


def test_the_gradient_of_a_float_is_a_float() -> None:
    for f in (
        lambda x: x.sum(),
        lambda x: np.reshape(x, 1)[0] * 2,
        lambda x: np.median(x),
        lambda x: np.einsum(",", x, x),
    ):
        found = cr.grad(lambda x, f=f: f(np.reshape(x, ())))(3.0)
        assert type(found) is float and found != 0.0
