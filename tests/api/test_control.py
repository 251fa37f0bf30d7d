"""scan and fori_loop as users call them: trees, promotion, staging, and what does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, ShapeError, StagingError, TreeError


@dataclass(frozen=True, eq=False)
class State:
    position: Any
    velocity: Any


# --- values -----------------------------------------------------------------------------------------------------------


def test_trees_in_and_out() -> None:
    def step(state: State, x: dict[str, Any]) -> tuple[State, list[Any]]:
        velocity = state.velocity + x["force"] - x["drag"] * state.velocity
        return State(state.position + velocity, velocity), [state.position, {"v": velocity}]

    xs = {"force": np.array([1.0, 0.0, 2.0]), "drag": np.array([0.5, 0.5, 0.0])}
    last, (positions, named) = cr.scan(step, State(0.0, 1.0), xs)
    assert isinstance(last, State) and (last.position, last.velocity) == (5.0, 2.75)
    assert np.array_equal(positions, [0.0, 1.5, 2.25]) and np.array_equal(named["v"], [1.5, 0.75, 2.75])


def test_a_length_in_place_of_xs_and_nothing_stacked() -> None:
    carry, ys = cr.scan(lambda c, x: (c * 2, x), 1, length=10)
    assert carry == 1024 and ys is None
    assert cr.scan(lambda c, x: (c, None), None, length=3) == (None, None)
    assert cr.scan(lambda c, x: (c, x), None, np.arange(3))[1].tolist() == [0, 1, 2]
    assert cr.scan(lambda c, x: (c + x, c), 0, np.arange(3), length=3)[0] == 3


def test_reverse_begins_with_the_last_x() -> None:
    carry, ys = cr.scan(lambda c, x: (10 * c + x, c), 0, np.array([1, 2, 3]), reverse=True)
    assert carry == 321 and ys.tolist() == [32, 3, 0]


def test_the_function_is_called_once_whatever_the_length() -> None:
    calls = []

    def step(c: Any, x: Any) -> Any:
        calls.append(type(x).__name__)
        return c + x, None

    assert cr.scan(step, 0.0, np.ones(1000))[0] == 1000.0
    assert len(calls) == 2  # once with a Python number in the carry, once with the float64 that it becomes
    calls.clear()
    assert cr.scan(step, np.float64(0), np.ones(1000))[0] == 1000.0
    assert len(calls) == 1


def test_results_are_the_callers_own() -> None:
    w, init, xs = np.ones(2), np.zeros(2), np.ones((3, 2))
    (kept, last), ys = cr.scan(lambda c, x: ((c[0], x), x), (w, init), xs)
    assert kept is not w and not any(np.shares_memory(a, b) for a in (kept, last, ys) for b in (w, init, xs))
    kept += 1.0
    assert np.array_equal(w, np.ones(2))


def test_arrays_from_outside_are_read_once_before_the_loop() -> None:
    w = np.array([1.0, 2.0])
    f = cr.jit(lambda c: cr.scan(lambda c, _: (c * w, None), c, length=2)[0])
    assert f(np.ones(2)).tolist() == [1.0, 4.0]
    w *= 10.0
    assert f(np.ones(2)).tolist() == [100.0, 400.0] and f.stagings == 1


# --- dtypes -----------------------------------------------------------------------------------------------------------

SINGLE = np.ones(3, np.float32)
PROMOTIONS = {
    "python float with float32": (0.0, lambda c, x: (c + x, None), SINGLE, np.dtype(np.float32)),
    "python int with float32": (0, lambda c, x: (c + x, None), SINGLE, np.dtype(np.float32)),
    "python int with int32": (0, lambda c, x: (c + x, None), np.ones(3, np.int32), np.dtype(np.int32)),
    "python float with float64": (0.0, lambda c, x: (c + x, None), np.ones(3), np.dtype(np.float64)),
    "python float with int64": (0.5, lambda c, x: (c + x, None), np.ones(3, int), np.dtype(np.float64)),
    "float64 with float32": (np.float64(0), lambda c, x: (c + x, None), SINGLE, np.dtype(np.float64)),
    "float32 overwritten by a number": (np.float32(0), lambda c, x: (0.5, None), SINGLE, np.dtype(np.float32)),
    "python int overwritten by a float": (1, lambda c, x: (0.5, None), SINGLE, float),
    "python float alone": (1.0, lambda c, x: (c * 0.5, None), SINGLE, float),
    "python int alone": (1, lambda c, x: (c * 3, None), SINGLE, int),
    "bool": (True, lambda c, x: (c == (x > 2), None), SINGLE, np.dtype(np.bool_)),
}


@pytest.mark.parametrize(("init", "f", "xs", "expected"), PROMOTIONS.values(), ids=PROMOTIONS)
def test_a_number_takes_the_dtype_it_is_given(init: Any, f: Any, xs: Any, expected: Any) -> None:
    carry, _ = cr.scan(f, init, xs)
    by_hand = init
    for x in xs:
        by_hand, _ = f(by_hand, x)
    assert carry == by_hand
    assert (type(carry) if isinstance(expected, type) else carry.dtype) == expected


def test_a_number_that_stays_one_yields_as_in_a_python_loop() -> None:
    scale, ys = cr.scan(lambda c, x: (c * 0.5, x * c), 1.0, SINGLE)
    assert type(scale) is float and ys.dtype == np.float32 and ys.tolist() == [1.0, 0.5, 0.25]


def test_two_numbers_promote_each_other() -> None:
    (a, b), _ = cr.scan(lambda c, x: ((c[1], c[0] + x), None), (0, 0.0), SINGLE)
    assert a.dtype == b.dtype == np.float32 and (a, b) == (1.0, 2.0)


# --- what does not fit ------------------------------------------------------------------------------------------------

THREE, X = np.zeros(3), np.zeros((2, 3))
MISFITS: dict[str, tuple[Any, type[Exception], str]] = {
    "carry of another shape": (
        lambda: cr.scan(lambda c, x: ({"h": x}, None), {"h": 0.0}, X),
        ShapeError,
        r"expected the carry `h` to stay ~f64, got f64\[3\] .* at .*test_control.py:\d+; try .* of shape \(3,\)",
    ),
    "carry of another dtype": (
        lambda: cr.scan(lambda c, x: ((c[0], c[1] + x), None), (1.0, np.float32([0, 0, 0])), X),
        DTypeError,
        r"the carry `1` to stay f32\[3\], got f64\[3\] .* at .*; try x.astype\(np.float32\) .* of type f64\[3\]",
    ),
    "integer carry that becomes a float": (
        lambda: cr.scan(lambda c, x: (c + 0.5, None), np.int64(0), length=2),
        DTypeError,
        "the carry to stay i64, got f64",
    ),
    "carry of another structure": (
        lambda: cr.scan(lambda c, x: ({"g": c["h"]}, None), {"h": 0.0}, X),
        TreeError,
        r"expected a carry like dict\(h: \*\), got dict\(g: \*\) at .*test_control.py:\d+; try",
    ),
    "no pair": (lambda: cr.scan(lambda c, x: c, 0.0, X), TreeError, r"a pair \(carry, y\) .*, got a Tracer at"),
    "a number among the xs": (
        lambda: cr.scan(lambda c, x: (c, None), 0.0, {"a": X, "b": 2.0}),
        ShapeError,
        "xs `b` with at least one axis, got ~f64 at",
    ),
    "xs of different lengths": (
        lambda: cr.scan(lambda c, x: (c, None), 0.0, (X, THREE)),
        ShapeError,
        r"xs `1` of length 2.*, got f64\[3\] at",
    ),
    "length unlike xs": (lambda: cr.scan(lambda c, x: (c, None), 0.0, X, length=3), ShapeError, "xs of length 3"),
    "neither xs nor length": (lambda: cr.scan(lambda c, x: (c, None), 0.0), ShapeError, "xs or length=, got neither"),
    "negative length": (lambda: cr.scan(lambda c, x: (c, None), 0.0, length=-1), ShapeError, "a length of 0 or more"),
    "a leaf that is no array": (lambda: cr.scan(lambda c, x: (c, None), "a", X), DTypeError, "got str"),
    "a branch on a traced value": (
        lambda: cr.scan(lambda c, x: (c if c > 0 else x, None), THREE, X),
        StagingError,
        r"no Python branch on a staged value, got bool\[3\] at .*test_control.py:\d+",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), MISFITS.values(), ids=MISFITS)
def test_misfits_name_the_leaf_and_the_line(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


# --- staged -----------------------------------------------------------------------------------------------------------


def test_a_staged_loop_is_one_node_of_any_length() -> None:
    def run(h: Any, xs: Any) -> Any:
        return cr.scan(lambda h, x: (np.tanh(h + x), h), h, xs)

    short, long = (cr.graph(run)(THREE, np.zeros((n, 3))) for n in (2, 1000))
    assert short.cost().nodes == long.cost().nodes and long.cost().nodes["scan"] == 1
    rng = np.random.default_rng(0)
    h, xs = rng.normal(size=3), rng.normal(size=(5, 3))
    for staged, eager in zip(cr.jit(run)(h, xs), run(h, xs), strict=True):
        np.testing.assert_allclose(staged, eager, rtol=1e-14)


def test_a_value_and_its_copy_without_derivative_are_two() -> None:
    def run(x: Any) -> Any:
        fixed = cr.stop_gradient(x)
        return cr.scan(lambda c, _: (c + x * fixed, None), np.float64(0), length=3)[0]

    assert cr.grad(run)(np.float64(2.0)) == 6.0


def test_views_and_assignments_inside_a_body() -> None:
    def step(c: Any, x: Any) -> Any:
        new = c.copy()
        new[0] = x
        new[1:] = c[:-1]
        return new, new[-1]

    window, out = cr.scan(step, np.zeros(3), np.arange(1.0, 6.0))
    assert window.tolist() == [5.0, 4.0, 3.0] and out.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    gradient = cr.grad(lambda xs: cr.scan(step, np.zeros(3), xs)[1].sum())(np.arange(1.0, 6.0))
    assert gradient.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_keys_in_a_carry_and_among_the_xs() -> None:
    def draw(key: Any, _: Any) -> Any:
        key, own = cr.random.split(key)
        return key, cr.random.uniform(own, 2)

    first = cr.random.key(0)
    last, drawn = cr.scan(draw, first, length=3)
    key = first
    for row in drawn:
        key, own = cr.random.split(key)
        assert np.array_equal(row, cr.random.uniform(own, 2))
    assert np.array_equal(last, key)
    keys = cr.random.split(first, 4)
    stacked = cr.scan(lambda c, k: (c, cr.random.bits(k, 3)), None, keys)[1]
    assert np.array_equal(stacked, np.stack([cr.random.bits(k, 3) for k in keys]))


# --- counted loops ----------------------------------------------------------------------------------------------------


def test_a_counted_loop_is_a_loop_over_range() -> None:
    def body(i: Any, state: Any) -> Any:
        return {"sum": state["sum"] + i, "last": i + 0 * state["last"]}

    for lower, upper in ((0, 5), (2, 4), (-3, 2), (np.int64(1), np.int32(3))):
        found = cr.fori_loop(lower, upper, body, {"sum": 0, "last": 0})
        assert found == {"sum": sum(range(lower, upper)), "last": upper - 1}
    for lower, upper in ((3, 3), (5, 1)):
        assert cr.fori_loop(lower, upper, body, {"sum": 7, "last": -1}) == {"sum": 7, "last": -1}


def test_the_index_of_a_counted_loop_yields_like_a_python_int() -> None:
    found = cr.fori_loop(0, 3, lambda i, x: x * (i + 1), np.ones(2, np.float32))
    assert found.dtype == np.float32 and found.tolist() == [6.0, 6.0]


def test_a_counted_loop_says_what_does_not_fit() -> None:
    with pytest.raises(
        StagingError, match=r"bounds of fori_loop that are numbers, got a staged i64 at .*static_argnames"
    ):
        cr.jit(lambda n: cr.fori_loop(0, n, lambda i, x: x + i, 0))(np.int64(3))
    assert cr.jit(lambda n: cr.fori_loop(0, n, lambda i, x: x + i, 0))(4) == 6
    with pytest.raises(ShapeError, match=r"the carry `b` to stay f64\[3\], got f64 from"):
        cr.fori_loop(0, 2, lambda i, s: {"a": s["a"], "b": s["b"].sum()}, {"a": 0.0, "b": THREE})
    with pytest.raises(TypeError):
        cr.fori_loop(0, 2.5, lambda i, x: x, 0)  # type: ignore[arg-type]
