"""Derivatives of loops where something is small, missing, of another dtype, or changed meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_programs import Loop, all_grads, close, directions, paired, slope, total, unrolled

from chainrule.api.control import fori_loop, scan
from chainrule.api.derivatives import grad, jvp, value_and_grad, vjp
from chainrule.api.jit import jit
from chainrule.api.values import tap
from chainrule.ops.arithmetic import select
from chainrule.ops.exponential import exp
from chainrule.ops.identity import stop_gradient
from chainrule.ops.movement import reshape
from chainrule.ops.trigonometric import sin, tanh


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_loops(length: int, reverse: bool) -> None:
    xs = np.arange(2.0 * length).reshape(length, 2) + 0.5

    def run(loop: Loop, w: Any, h: Any, xs: Any) -> Any:
        h, _ = loop(lambda h, x: (sin(h * w) * x, None), h, xs, reverse=reverse)
        return total(h * h)

    args = [np.array([0.3, 0.7]), np.array([1.1, 0.4]), xs]
    close(all_grads(lambda *x: run(scan, *x), 3)(*args), all_grads(lambda *x: run(unrolled, *x), 3)(*args), 1e-13)
    dots = directions(args, 1)
    found = jvp(lambda *x: run(scan, *x), args, dots)
    close(found, jvp(lambda *x: run(unrolled, *x), args, dots), 1e-13)


def test_float32_stays_float32_in_both_modes() -> None:
    def run(w: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            scale, h = carry
            return (scale * 0.5, sin(h * w) * scale + x), h * scale

        (_, h), ys = scan(step, (1.0, np.zeros(3, xs.dtype)), xs)
        return total(h) + total(ys)

    args = [np.full(3, 0.4, np.float32), np.full((4, 3), 0.3, np.float32)]
    value, gradients = value_and_grad(run, argnums=(0, 1))(*args)
    assert value.dtype == np.float32 and [g.dtype for g in gradients] == [np.float32] * 2
    exact = value_and_grad(run, argnums=(0, 1))(*[x.astype(np.float64) for x in args])
    close([value, *gradients], [exact[0], *exact[1]], 1e-6)
    dots = [np.ones_like(x) for x in args]
    value, tangent = jvp(run, args, dots)
    assert value.dtype == tangent.dtype == np.float32


def test_derivative_by_a_python_number_in_the_carry() -> None:
    def run(rate: Any) -> Any:
        return scan(lambda c, _: (c * c * 0.5, None), rate, length=3)[0]

    gradient = grad(run)(1.5)
    assert type(gradient) is float
    close(gradient, grad(lambda x: unrolled(lambda c, _: (c * c * 0.5, c), x, length=3)[0])(1.5), 1e-14)


def test_a_loop_that_its_operands_have_no_influence_on() -> None:
    def run(w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return h * 0.5 + x, stop_gradient(h * w)

        h, ys = scan(step, np.float64(1.0), np.ones(3))
        return total(ys) + h * total(w)

    close(grad(run)(np.ones(2)), np.full(2, 1.875), 1e-14)  # the last h


def test_an_unsafe_branch_that_is_not_chosen_stays_out_of_the_gradient() -> None:
    def run(x: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return h + select(x > 0.0, exp(x * 1000.0 * select(x > 1.0, 1.0, 0.0)), 0.0), None

        return scan(step, 0.0, x)[0]

    found = grad(run)(np.array([-1.0, 0.5, 0.0]))
    assert np.array_equal(found, [0.0, 0.0, 0.0])


def test_an_input_changed_before_the_way_back_changes_nothing() -> None:
    w, h, xs = np.array([0.5, 0.9]), np.array([0.1, 0.2]), np.arange(8.0).reshape(4, 2)
    consts = np.array([[0.4, 0.6]])

    def run(w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return sin(h * w * reshape(consts, shape=(2,))) + x, h * x

        h_last, ys = scan(step, h, xs)
        return total(h_last) + total(ys * ys)

    _, pullback = vjp(run, w)
    expected = pullback(1.0)[0]
    w_copy = w.copy()
    for x in (w, h, xs, consts):
        x[...] = 77.0
    assert np.array_equal(pullback(1.0)[0], expected)
    h[...], xs[...], consts[...] = [0.1, 0.2], np.arange(8.0).reshape(4, 2), 0.0
    assert not np.array_equal(grad(run)(w_copy), expected)


def test_a_gradient_inside_a_loop() -> None:
    """Steps of gradient descent as a loop, differentiated by the rate and by the data."""

    def run(loop: Loop, rate: Any, data: Any) -> Any:
        def step(w: Any, x: Any) -> Any:
            return w - rate * grad(lambda w: total(tanh(w * x) * x))(w), None

        return total(loop(step, np.array([0.3, -0.4]), data)[0])

    args = [np.float64(0.3), np.array([[0.5, 1.5], [1.0, -0.7], [0.2, 0.9]])]
    found = all_grads(lambda *x: run(scan, *x), 2)(*args)
    close(found, all_grads(lambda *x: run(unrolled, *x), 2)(*args), 1e-12)
    dots = directions(args, 3)
    close(paired(found, dots), slope(lambda *x: run(scan, *x), args, dots))


def test_a_counted_loop_in_both_modes() -> None:
    def power(x: Any) -> Any:
        return fori_loop(0, 5, lambda i, p: p * x * (i + 1.0), x)

    def by_hand(x: Any) -> Any:
        p = x
        for i in range(5):
            p = p * x * (i + 1.0)
        return p

    x = np.float64(1.3)
    close(power(x), 120 * x**6, 1e-14)
    close(grad(power)(x), 720 * x**5, 1e-13)
    close(jvp(power, (x,), (1.0,))[1], 720 * x**5, 1e-13)
    close(grad(grad(power))(x), 3600 * x**4, 1e-13)
    close(grad(by_hand)(x), grad(power)(x), 1e-14)


def test_a_tap_in_a_loop_gives_the_gradient_of_every_iteration() -> None:
    def run(loop: Loop, w: Any) -> Any:
        def step(h: Any, _: Any) -> Any:
            h = tap(sin(h * w), "h")
            return h, tap(h * w, "y")

        h, ys = loop(step, np.array([0.3, 0.4]), length=3)
        return total(h) + total(ys)

    w = np.array([1.2, 0.7])
    value, gradient, taps = value_and_grad(lambda w: run(scan, w), taps=True)(w)
    expected = value_and_grad(lambda w: run(unrolled, w), taps=True)(w)
    close((value, gradient), expected[:2], 1e-14)
    for name in ("h", "y"):
        one_by_one = [expected[2][f"{name}{suffix}"] for suffix in ("", "#2", "#3")]
        close(taps[name], np.stack(one_by_one), 1e-14)


def test_taps_in_loops_in_loops_and_in_staged_gradients() -> None:
    def run(w: Any) -> Any:
        def outer(h: Any, _: Any) -> Any:
            return scan(lambda g, _: (tap(g * w, "g"), None), h, length=2)[0], None

        return total(scan(outer, np.array([0.3, 0.4]), length=3)[0])

    w = np.array([1.2, 0.7])
    taps = value_and_grad(run, taps=True)(w)[2]
    close(taps["g"], np.stack([w ** (5 - k) for k in range(6)]).reshape(3, 2, 2), 1e-13)
    close(jit(value_and_grad(run, taps=True))(w)[2], taps, 1e-13)
