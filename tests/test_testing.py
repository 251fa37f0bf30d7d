"""`chainrule.testing`: differences are as accurate as they say, and wrong derivatives do not pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_table import MODES, op_table

from chainrule import stop_gradient
from chainrule.errors import ArgumentError, DTypeError, ShapeError, StagingError, TreeError
from chainrule.ir.kinds import Case, Domain, IndexMap, Linear, Partials
from chainrule.ir.op import OPS, Op
from chainrule.ops.arithmetic import add, multiply, sign
from chainrule.testing import check_grads, check_op, gradients, numerical_grad, numerical_jvp
from chainrule.testing.differences import difference

X = np.array([-1.5, 0.25, 2.0])
TREE = {"weight": np.array([[0.5, -1.0], [2.0, 0.25]]), "scales": (np.array([1.0, 3.0]), 2.0)}


def network(tree: dict[str, Any], count: int) -> dict[str, Any]:
    hidden = np.tanh(tree["weight"] @ tree["scales"][0]) * tree["scales"][1]
    return {"sum": np.sum(hidden**count), "hidden": hidden, "count": count}


# --- differences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (np.exp, 1.0, math.e),
        (np.sin, 0.0, 1.0),
        (np.log, 1e-7, 1e7),
        (np.sqrt, 1e-4, 50.0),
        (lambda x: 1 / x, -1e-3, -1e6),
        (lambda x: x**2, 1e6, 2e6),
        (np.abs, 1e-3, 1.0),
        (np.arcsin, 1 - 2**-14, 1 / math.sqrt(1 - (1 - 2**-14) ** 2)),
    ],
)
def test_numerical_grad_is_accurate(f: Callable[[Any], Any], x: float, slope: float) -> None:
    assert numerical_grad(f, x) == pytest.approx(slope, rel=1e-9)


def test_numerical_grad_has_the_argument_s_tree() -> None:
    found = numerical_grad(
        lambda count, tree: np.sum(tree["a"][0] ** 2) * tree["b"] * count, 3, {"a": [X], "b": 2.0}, argnums=1
    )
    np.testing.assert_allclose(found["a"][0], 12 * X, rtol=1e-10)
    assert found["b"] == pytest.approx(3 * np.sum(X**2), rel=1e-10)


def test_numerical_grad_leaves_integers_alone() -> None:
    assert numerical_grad(lambda pair: np.sum(X[pair[0]] * pair[1]), (np.array([0, 2]), 1.0))[0] is None


def test_numerical_grad_is_of_scalars() -> None:
    with pytest.raises(ShapeError, match=r"scalar result, got \(3,\)"):
        numerical_grad(np.sin, X)


def test_numerical_jvp_is_accurate_in_every_result() -> None:
    sine, product, count = numerical_jvp(lambda x, y: (np.sin(x), x @ y, 3), (X, 2 * X), (X**2, np.ones(3)))
    np.testing.assert_allclose(sine, np.cos(X) * X**2, rtol=1e-9)
    assert product == pytest.approx(np.sum(X**2 * 2 * X + X), rel=1e-9)
    assert count is None


def test_numerical_jvp_takes_a_tangent_for_each_primal() -> None:
    with pytest.raises(TreeError, match="tangents like the primals"):
        numerical_jvp(np.add, (X, X), (X,))


def test_difference_says_how_good_it_is() -> None:
    slope, error = difference(lambda t: np.array([np.exp(t), abs(t - 0.05)]))
    assert np.all(np.abs(slope - [1.0, -1.0]) <= 4 * error)
    assert np.all(error < 1e-11)
    kink, error = difference(lambda t: np.array(2 * max(t, 0.0)))
    assert kink == pytest.approx(1.0)
    assert error >= 1.0 - 1e-9
    assert np.isinf(difference(lambda t: np.array(np.nan))[1])


# --- check_grads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives_pass(order: int) -> None:
    check_grads(network, (TREE, 2), order=order)


def test_scalars_and_single_precision_pass() -> None:
    check_grads(lambda x, y: x * np.sin(y), (1.5, np.float64(0.5)))
    check_grads(lambda x: np.exp(x) * x, (X.astype(np.float32),))


def test_many_elements_are_sampled() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return np.sum(np.tanh(x) ** 2)

    check_grads(f, (np.linspace(-1, 1, 10_000),), order=1, elements=4)
    assert calls < 100


@pytest.fixture
def wrong_vjp(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Makes reverse mode give something else for the first argument."""
    right = gradients.vjp

    def install(change: Callable[[Any], Any]) -> None:
        def vjp(f: Any, *primals: Any) -> Any:
            out, pullback = right(f, *primals)

            def changed(ct: Any) -> Any:
                first, *rest = pullback(ct)
                return (change(first), *rest)

            return out, changed

        monkeypatch.setattr(gradients, "vjp", vjp)

    return install


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g * (1 + 2e-6),
        lambda g: -g,
        lambda g: g * 0.0,
        lambda g: g + np.array([0.0, 1e-4, 0.0]),
        lambda g: g * np.nan,
    ],
    ids=["scaled", "negated", "zero", "one element", "nan"],
)
def test_wrong_gradients_do_not_pass(wrong_vjp: Any, change: Callable[[Any], Any]) -> None:
    wrong_vjp(change)
    with pytest.raises(AssertionError, match=r"reverse mode, eager, argument 0: element \[\d\] is .*, by differences"):
        check_grads(lambda x, y: np.sum(np.sin(x) * y), (X, X + 4), order=1)


def test_a_wrong_gradient_is_named_with_both_numbers(wrong_vjp: Any) -> None:
    wrong_vjp(lambda g: g + np.array([0.0, 0.5, 0.0]))
    with pytest.raises(AssertionError, match=r"argument 0\.w: element \[1\] is ") as caught:
        check_grads(lambda tree: np.sum(tree["w"] ** 2), ({"w": X},), order=1, modes=("reverse",))
    got, want = (float(word) for word in str(caught.value).replace(",", "").split() if word[-1].isdigit())
    assert got - want == pytest.approx(0.5 * abs(got - want) / 0.5)


def test_a_gradient_of_another_dtype_does_not_pass(wrong_vjp: Any) -> None:
    wrong_vjp(lambda g: np.asarray(g, np.float32))
    with pytest.raises(AssertionError, match=r"expected a derivative of type f64\[3\], got f32\[3\]"):
        check_grads(lambda x: np.sum(x**2), (X,), order=1)


def test_a_wrong_second_derivative_does_not_pass() -> None:
    def f(x: Any) -> Any:  # its value is x ** 2 and its first derivative is right; it says that it has no second one
        slope = stop_gradient(2 * x)
        return slope * x - stop_gradient(slope * x - x**2)

    check_grads(f, (X,), order=1)
    with pytest.raises(AssertionError, match="over"):
        check_grads(f, (X,), order=2)


@pytest.mark.parametrize("x", [1e-6, 0.0])
def test_a_kink_is_said(x: float) -> None:
    with pytest.raises(AssertionError, match="a kink or an end of the domain is near"):
        check_grads(np.abs, (np.array([1.0, x]),))


@pytest.mark.parametrize("options", [{"order": 0}, {"modes": ()}, {"modes": ("sideways",)}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an order from 1 and modes among"):
        check_grads(np.sin, (X,), **options)


def test_check_grads_without_staging_takes_a_function_that_decides() -> None:
    def f(x: Any) -> Any:
        return x**3 if x > 1 else x

    check_grads(f, (2.0,), staged=False)
    with pytest.raises(StagingError) as caught:
        check_grads(f, (2.0,))
    assert caught.value.__notes__ == ["check_grads(..., staged=False) checks the function eagerly alone"]
    with pytest.raises(AssertionError, match="eager"):
        check_grads(lambda x: stop_gradient(x) * x if x > 1 else x, (2.0,), staged=False)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        (2.0, ArgumentError, r"expected a tuple of arguments, got float at .*test_testing.py:\d+; try \(2.0,\)"),
        (X, ArgumentError, r"expected a tuple of arguments, got ndarray at .*; try \(x,\) for a function of one"),
        (
            (np.arange(3),),
            DTypeError,
            r"expected a floating-point argument, got i64\[3\] for argument 0 at .*; try x",
        ),
        (({"n": 3}, np.arange(2)), DTypeError, r"got ~i64 for argument 0.n, i64\[2\] for argument 1 at "),
        ((), DTypeError, "got no arguments at "),
    ],
)
def test_check_grads_says_what_is_wrong_with_its_arguments(args: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        check_grads(np.sin, args)


# --- check_op ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def cube(request: pytest.FixtureRequest) -> Any:
    """A function that registers an operation x ** 3 with a given factor, for one test."""

    def make(factor: Any, cases: tuple[Case, ...] = (Case(((3,),), domains=(Domain(1.0, 3.0),)),)) -> Op:
        request.addfinalizer(lambda: OPS.pop("test_cube"))
        numpy = lambda x: x * x * x  # noqa: E731
        return Op("test_cube", lambda x: x, numpy, Partials(factor), IndexMap(), cases, "x ** 3")

    return make


def test_check_op_counts_what_it_checked(cube: Any) -> None:
    counts = check_op(cube(lambda x: 3.0 * multiply(x, x)))
    assert counts["reverse eager"] == counts["second staged"] == 2
    assert "promotion" not in counts


def test_check_op_rejects_a_wrong_rule(cube: Any) -> None:
    with pytest.raises(AssertionError, match=r"test_cube\(f64\[3\]\) \[0\]: reverse mode by operand 0, eager: element"):
        check_op(cube(lambda x: 2.0 * multiply(x, x)))


def test_check_op_rejects_a_record_without_cases(cube: Any) -> None:
    with pytest.raises(AssertionError, match="test_cube: has no cases"):
        check_op(cube(1.0, cases=()))


def test_check_op_sees_a_kink_in_the_domain(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: OPS.pop("test_kink"))
    case = Case(((2,),), make=lambda rng: (np.array([1e-6, 1.0]),))
    op = Op("test_kink", lambda x: x, np.abs, Partials(lambda x: sign(x)), IndexMap(), (case,), "|x|")
    with pytest.raises(AssertionError, match="differences do not settle"):
        check_op(op)


def test_check_op_sees_a_missing_derivative(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: OPS.pop("test_missing"))
    op = Op("test_missing", lambda x: x, lambda x: 2.0 * x, None, IndexMap(), (Case(((2,),)),), "")
    with pytest.raises(AssertionError, match="declares no derivative, by differences"):
        check_op(op)


def test_check_op_sees_a_pullback_that_reads_the_caller_s_array(request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: OPS.pop("test_shared"))
    seen: list[Any] = []

    def value(x: Any, y: Any) -> Any:
        seen[:] = [y]
        return x + y

    def transpose(ct: Any, *_: Any) -> tuple[Any, Any]:
        return ct * np.where(np.all(seen[0] == 0), 0.0, 1.0), ct

    op = Op("test_shared", add.infer, value, Linear(transpose, (0, 1)), IndexMap(), (Case(((2,), (2,))),), "")
    with pytest.raises(AssertionError, match="writing to a constant operand changes the pullback by operand 0"):
        check_op(op)


def test_the_table_has_a_row_for_each_operation_and_totals() -> None:
    heads, more, first, second, total = op_table({"tanh": {"value": 3}, "add": {"value": 2, "text": 4}})
    assert "reverse" in heads and "staged" in more
    assert first.split()[:3] == ["add", "2", "4"] and second.split()[:3] == ["tanh", "3", "-"]
    assert total.split() == ["total", "5", "4", *["0"] * (len(MODES) - 2)]
