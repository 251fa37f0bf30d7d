"""Derivatives that other libraries get wrong, or got wrong once, against exact mathematics, in every mode.

Silent errors of autograd 1.9 and jax 0.10 that differential testing found, and ways in which tests miss such errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp
from chainrule.testing import check_grads

EPS = float(np.finfo(np.float64).eps)
Exact = Callable[..., Any]
"""A function of mpmath's numbers."""


def exact_gradient(f: Exact, point: Sequence[float]) -> list[float]:
    """The partial derivatives of a function of several numbers, correctly rounded."""
    with mp.workdps(60):
        at = [mp.mpf(x) for x in point]
        orders = np.eye(len(point), dtype=int).tolist()
        return [float(mp.diff(f, at, order, h=mp.mpf(10) ** -20 * max(1, abs(max(at, key=abs))))) for order in orders]


def exact_hessian(f: Exact, point: Sequence[float]) -> list[list[float]]:
    """The second partial derivatives, correctly rounded."""
    with mp.workdps(80):
        at = [mp.mpf(x) for x in point]
        h = mp.mpf(10) ** -20 * max(1, abs(max(at, key=abs)))
        axes = np.eye(len(point), dtype=int)
        return [[float(mp.diff(f, at, (a + b).tolist(), h=h)) for b in axes] for a in axes]


def along(f: Callable[[Any], Any], x: Any) -> Any:
    """The gradient of f at x by forward mode, an element at a time."""
    directions = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([cr.jvp(f, (x,), (d,))[1] for d in directions]).reshape(x.shape)


FIRST: dict[str, Callable[..., Any]] = {
    "reverse": lambda f, x: cr.grad(f)(x),
    "forward": along,
    "staged": lambda f, x: cr.jit(cr.grad(f))(x),
    "of staged": lambda f, x: cr.grad(cr.jit(f))(x),
    "linearized": lambda f, x: np.array(
        [cr.linearize(f, x)[1](d) for d in np.eye(x.size).reshape(-1, *x.shape)]
    ).reshape(x.shape),
}
SECOND: dict[str, Callable[..., Any]] = {
    "reverse over reverse": lambda f, x: [cr.grad(lambda y, i=i: cr.grad(f)(y)[i])(x) for i in range(x.size)],
    "forward over reverse": lambda f, x: [cr.jvp(cr.grad(f), (x,), (d,))[1] for d in np.eye(x.size)],
    "reverse over forward": lambda f, x: [cr.grad(lambda y, d=d: cr.jvp(f, (y,), (d,))[1])(x) for d in np.eye(x.size)],
    "staged": lambda f, x: cr.jit(lambda y: [cr.grad(lambda z, i=i: cr.grad(f)(z)[i])(y) for i in range(x.size)])(x),
}


def check_first(f: Callable[[Any], Any], x: Any, want: Any, rtol: float = 1e-13, atol: float = 0.0) -> None:
    """Asserts the gradient of f at x in every mode; NaN, infinities and zeros count."""
    for mode, derive in FIRST.items():
        np.testing.assert_allclose(derive(f, np.array(x)), want, rtol, atol, err_msg=mode)


def check_second(f: Callable[[Any], Any], x: Any, want: Any, rtol: float = 1e-13, atol: float = 0.0) -> None:
    """Asserts the second derivatives of f at x in every mode."""
    for mode, derive in SECOND.items():
        np.testing.assert_allclose(derive(f, np.array(x)), want, rtol, atol, err_msg=mode)


WEIGHTS = np.cos(np.arange(1.0, 301.0))
TENSOR = np.sin(np.arange(24.0) * 1.7).reshape(2, 3, 4)


def weighted(y: Any) -> Any:
    """A number that tells the elements of an array, and their order, apart."""
    return np.sum(np.ravel(y) * WEIGHTS[: y.size])


# --- silently wrong in autograd ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "axes", [axes for axes in itertools.product(range(-3, 3), repeat=3) if {a % 3 for a in axes} == {0, 1, 2}]
)
def test_transpose_with_negative_axes(axes: tuple[int, ...]) -> None:
    places = np.arange(24).reshape(2, 3, 4)
    want = np.empty(24)
    want[np.transpose(places, axes).ravel()] = WEIGHTS[:24]  # element by element, by where each one went
    check_first(lambda x: weighted(np.transpose(x, axes)), TENSOR, want.reshape(2, 3, 4))


@pytest.mark.parametrize("shapes", [((3,), (2, 3)), ((2, 1), (3,)), ((), (2, 3)), ((1, 1), (2, 3)), ((2, 3), ())])
@pytest.mark.parametrize("mask_shape", [(2, 3), (3,), (2, 1), ()])
def test_where_with_a_branch_that_broadcasts(shapes: Any, mask_shape: tuple[int, ...]) -> None:
    x, y = (np.cos(np.arange(np.prod(shape)) + 1.0).reshape(shape) for shape in shapes)
    mask = (np.arange(np.prod(mask_shape)) % 2 == 0).reshape(mask_shape)
    out = np.broadcast_shapes(x.shape, y.shape, mask.shape)
    weights = WEIGHTS[: int(np.prod(out))].reshape(out)
    chosen = np.broadcast_to(mask, out)
    for given, other, kept, f in (
        (x, y, chosen, lambda z: np.where(mask, z, y)),
        (y, x, ~chosen, lambda z: np.where(mask, x, z)),
    ):
        want = np.zeros(given.shape)
        places = np.broadcast_to(np.arange(given.size).reshape(given.shape), out)
        np.add.at(want.reshape(-1), places[kept], weights[kept])
        assert other.shape in shapes
        check_first(lambda z, f=f: weighted(f(z)), given, want, atol=1e-15)


@pytest.mark.parametrize(
    "call",
    [
        *[lambda np, x, n=n, axis=axis: np.repeat(x, n, axis) for n in (0, 1, 3) for axis in (None, 0, -1, 1)],
        lambda np, x: np.repeat(x, [2, 0], 0),
        lambda np, x: np.repeat(x, [1, 0, 3], -2),
        lambda np, x: np.repeat(x, [3], 1),
        *[
            lambda np, x, reps=reps: np.tile(x, reps)
            for reps in (0, 1, 2, (2,), (1, 2), (2, 1, 1, 3), (0, 2), (3, 1, 2))
        ],
    ],
)
def test_repeat_and_tile_in_their_corners(call: Callable[..., Any]) -> None:
    places = call(np, np.arange(24).reshape(2, 3, 4))
    want = np.zeros(24)
    np.add.at(want, places.ravel(), WEIGHTS[: places.size])
    check_first(lambda x: weighted(call(np, x)), TENSOR, want.reshape(2, 3, 4), atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_in_forward_mode(axis: int | None) -> None:
    order = np.argsort(TENSOR, axis, kind="stable")
    flat = np.arange(24).reshape(2, 3, 4)
    places = np.take_along_axis(flat, order, axis) if axis is not None else order
    want = np.empty(24)
    want[places.ravel()] = WEIGHTS[:24]
    check_first(lambda x: weighted(np.sort(x, axis)), TENSOR, want.reshape(2, 3, 4))


@pytest.mark.parametrize("axis", [(0, 1), (-1, 0), (1, 2), (0, 1, 2), (-2,), None])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["max", "min"])
def test_max_over_several_axes(name: str, axis: Any, keepdims: bool) -> None:
    reduce = getattr(np, name)
    kept = reduce(TENSOR, axis=axis, keepdims=True)
    chosen = kept == TENSOR
    weights = np.broadcast_to(WEIGHTS[: kept.size].reshape(kept.shape), TENSOR.shape)
    check_first(lambda x: weighted(reduce(x, axis=axis, keepdims=keepdims)), TENSOR, np.where(chosen, weights, 0.0))


@pytest.mark.parametrize("x", [(0.0, 2.0, -3.0), (1.5, 0.0, 0.0), (0.0, 0.0, 0.0), (4.0, -0.0, 0.5)])
def test_prod_with_zeros(x: tuple[float, ...]) -> None:
    f = lambda a, b, c: a * b * c  # noqa: E731
    for run in (np.prod, lambda y: np.cumprod(y)[-1], np.multiply.reduce):
        check_first(run, x, exact_gradient(f, x))
        check_second(run, x, exact_hessian(f, x), atol=1e-18)


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-300, 1e-5, 0.1, 0.5, 1.0, 7.25, 1e6 + 0.25])
def test_sinc_at_and_near_zero(x: float) -> None:
    f = lambda t: mp.sincpi(t)  # noqa: E731
    size = 1 / max(1.0, abs(x))
    check_first(lambda y: np.sinc(y[0]), [x], exact_gradient(f, [x]), 1e-13, 10 * EPS * size)
    check_second(lambda y: np.sinc(y[0]), [x], exact_hessian(f, [x]), 1e-13, 50 * EPS * size)
    third = cr.grad(cr.grad(cr.grad(np.sinc)))(x)
    with mp.workdps(60):
        assert third == pytest.approx(float(mp.diff(f, mp.mpf(x), 3)), rel=1e-12, abs=500 * EPS * size)


@pytest.mark.parametrize("x", [0.0, 0.3, -2.0, 10.0, 20.0, -400.0, 1e300])
def test_tanh_far_out(x: float) -> None:
    check_first(lambda y: np.tanh(y[0]), [x], exact_gradient(mp.tanh, [x]) if abs(x) < 1e3 else [0.0], 1e-12, EPS)
    check_second(lambda y: np.tanh(y[0]), [x], exact_hessian(mp.tanh, [x]) if abs(x) < 1e3 else [[0.0]], 1e-12, 2 * EPS)
    assert abs(cr.grad(cr.grad(cr.grad(np.tanh)))(20.0)) < 8 * EPS


# --- wrong in jax -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [(1.0, 1.0), (-2.5, -2.5), (3.0, -3.0), (3.0, 4.0), (1e-160, 1e-160), (1e160, 1e160)])
def test_the_second_derivative_of_hypot_where_both_are_equal(x: tuple[float, float]) -> None:
    scale = mp.mpf(max(abs(x[0]), abs(x[1])))
    unit = [float(mp.mpf(t) / scale) for t in x]  # hypot is homogeneous: of degree 1, its second derivatives of -1
    f = lambda a, b: mp.sqrt(a * a + b * b)  # noqa: E731
    want = np.array([[float(mp.mpf(t) / scale) for t in row] for row in exact_hessian(f, unit)])
    check_second(lambda y: np.hypot(y[0], y[1]), x, want, 1e-12)
    check_first(lambda y: np.hypot(y[0], y[1]), x, exact_gradient(f, unit))


@pytest.mark.parametrize("x", [(1e200, 1e200), (3e200, -4e200), (1e-200, 2e-200), (1e308, 1e308), (5e-324, 5e-324)])
def test_the_gradient_of_hypot_far_out_and_near_zero(x: tuple[float, float]) -> None:
    with mp.workdps(60):
        length = mp.sqrt(mp.mpf(x[0]) ** 2 + mp.mpf(x[1]) ** 2)
        want = [float(mp.mpf(t) / length) for t in x]
    rtol = 1e-13 if min(map(abs, x)) > 1e-300 else 0.5  # below, hypot itself has one bit
    check_first(lambda y: np.hypot(y[0], y[1]), x, want, rtol)


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
@pytest.mark.parametrize(
    ("x", "first", "second"),
    [
        ((np.inf, 1.0), (1.0, 0.0), 0.0),
        ((1.0, np.inf), (0.0, 1.0), 0.0),
        ((-np.inf, 1.0), (0.0, 1.0), 0.0),
        ((np.inf, -np.inf), (1.0, 0.0), 0.0),
        ((800.0, 800.0), (0.5, 0.5), 0.25),
        ((-800.0, -800.0), (0.5, 0.5), 0.25),
        ((1e300, 0.0), (1.0, 0.0), 0.0),
    ],
)
def test_logaddexp_of_infinities(name: str, x: Any, first: Any, second: float) -> None:
    second *= np.log(2.0) if name == "logaddexp2" else 1.0
    check_first(lambda y: getattr(np, name)(y[0], y[1]), x, first)
    check_second(lambda y: getattr(np, name)(y[0], y[1]), x, [[second, -second], [-second, second]])


@pytest.mark.parametrize("name", ["cholesky", "inv", "eigh", "svd", "qr", "det", "solve"])
def test_decompositions_are_refused_and_not_wrong(name: str) -> None:
    given = (np.eye(2), np.ones(2)) if name == "solve" else (np.eye(2),)
    for namespace in (np.linalg, cnp.linalg):
        call = getattr(namespace, name, None)
        if call is not None:
            with pytest.raises(cr.errors.TraceError, match=name):
                cr.grad(lambda x, call=call: np.sum(call(x, *given[1:])[0]))(given[0])


# --- wrong in all of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "want"),
    [
        (lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 0.0),
        (lambda x: np.where(x > 0, np.log(x), x), 0.0, 1.0),
        (lambda x: np.where(x != 0, 1 / x, 3 * x), 0.0, 3.0),
        (lambda x: np.where(x < 1, np.exp(x), np.exp(1000 * x)), 0.5, float(np.exp(0.5))),
        (lambda x: np.where(np.abs(x) < 1, np.arcsin(x), x**2), 2.0, 4.0),
        (lambda x: np.where(x > 0, x**x, x), -1.0, 1.0),
        (lambda x: np.where(x > 0, np.sqrt(x) * np.log(x), -x), 0.0, -1.0),
        (lambda x: np.where(x > 0, np.arctan2(x, x) / np.hypot(x, x), 2 * x), 0.0, 2.0),
        (lambda x: np.where(x > -1, np.log1p(x) ** 0.5, x), -1.0, 1.0),
        (lambda x: np.select([x > 1, x > 0], [np.log(x - 1), np.sqrt(1 / x)], x), 0.0, 1.0),
    ],
)
def test_where_with_an_unsafe_branch(f: Any, x: float, want: float) -> None:
    with np.errstate(all="ignore"):
        check_first(lambda y: f(y[0]), [x], [want], 1e-13)
        for mode, derive in SECOND.items():
            assert np.isfinite(derive(lambda y: f(y[0]), np.array([x]))).all(), mode


# --- what lets tests miss an error ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "n"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 1, 2, 3), (4, 3, 2))]
)
def test_matmul_against_the_sum_that_it_is(m: tuple[int, ...], n: tuple[int, ...]) -> None:
    """Not against an interpreter of our own, which had the same wrong rule once: the sum, in exact numbers."""
    x, y = (np.sin(np.arange(np.prod(shape)) + 1.0).reshape(shape) for shape in (m, n))
    out = np.matmul(x, y)
    left, right = np.arange(x.size).reshape(m), np.arange(y.size).reshape(n)
    a, b = (left[None] if left.ndim == 1 else left), (right[:, None] if right.ndim == 1 else right)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
    weights = WEIGHTS[: out.size].reshape(*batch, a.shape[-2], b.shape[-1])
    by_x, by_y = [mp.mpf(0)] * x.size, [mp.mpf(0)] * y.size
    for *rest, i, j in np.ndindex(weights.shape):
        for k in range(a.shape[-1]):
            p, q, weight = a[(*rest, i, k)], b[(*rest, k, j)], mp.mpf(weights[(*rest, i, j)])
            by_x[p] += weight * mp.mpf(y.flat[q])
            by_y[q] += weight * mp.mpf(x.flat[p])
    check_first(lambda z: weighted(np.matmul(z, y)), x, np.array(by_x, float).reshape(m), 1e-13, 1e-14)
    check_first(lambda z: weighted(np.matmul(x, z)), y, np.array(by_y, float).reshape(n), 1e-13, 1e-14)


def test_the_checks_notice_a_gradient_of_nan() -> None:
    with np.errstate(all="ignore"), pytest.raises(AssertionError, match="nan"):
        check_grads(lambda x: x + 0 * np.sqrt(cr.stop_gradient(x) - x), (np.array([1.0, 2.0]),), order=1)


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e12])
def test_the_checks_notice_a_gradient_of_zero(size: float) -> None:
    with pytest.raises(AssertionError):
        check_grads(lambda x: size * np.sin(cr.stop_gradient(x)) + 0 * x, (np.array([1.0, 2.0]),), order=1)
    check_grads(lambda x: size * np.sin(x), (np.array([1.0, 2.0]),), order=1)
