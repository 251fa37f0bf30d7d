"""jit: staging, what is static, what is read again, donation, and what a staged function may not do."""

from __future__ import annotations

import functools
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DTypeError, OutOfRangeError, OwnershipError, PrecisionWarning, ShapeError, StagingError


def test_one_graph_serves_one_combination_of_types() -> None:
    f = cr.jit(lambda x: np.sum(x * 2.0))
    assert f(np.ones(3)) == 6.0 and f(np.zeros(3)) == 0.0 and f.stagings == 1
    assert f(np.ones(4)) == 8.0 and f.stagings == 2
    assert f(np.ones(3, np.float32)) == 6.0 and f.stagings == 3
    assert f(np.ones(3, np.float32)).dtype == np.float32 and f.stagings == 3


def test_python_numbers_are_static_or_traced() -> None:
    seen = []

    @cr.jit
    def f(x: Any, n: int, flag: bool, name: str, rate: float) -> Any:
        seen.append((n, flag, name))
        for _ in range(n):
            x = x * rate
        return x if flag else -x

    assert f(2.0, 2, True, "a", 3.0) == 18.0 and f(2.0, 2, True, "a", 4.0) == 32.0
    assert f(2.0, 3, True, "a", 3.0) == 54.0 and f(2.0, 3, False, "a", 3.0) == -54.0
    assert seen == [(2, True, "a"), (3, True, "a"), (3, False, "a")]


def test_static_argnames_and_weak_floats() -> None:
    f = cr.jit(lambda x, power: x**power, static_argnames="power")
    assert f(np.float32(3.0), power=2.0).dtype == np.float32
    assert f.stagings == 1 and f(np.float32(3.0), power=3.0) == 27.0 and f.stagings == 2
    assert cr.jit(lambda x, s: x * s)(np.ones(2, np.float32), 2.0).dtype == np.float32
    with pytest.warns(PrecisionWarning, match=r"float32 becomes float64 at .*test_jit\.py"):
        assert cr.jit(lambda x, s: x * s)(np.ones(2, np.float32), np.float64(2.0)).dtype == np.float64


def test_a_loop_over_a_traced_count_says_to_pass_an_int() -> None:
    @cr.jit
    def power(x: Any, n: Any) -> Any:
        result = 1.0
        for _ in range(n):
            result = result * x
        return result

    with pytest.raises(StagingError, match=r"no Python index .* got i64 at .*; try int\(n\) for the argument n"):
        power(2.0, np.int64(3))
    assert power(2.0, int(np.int64(3))) == 8.0


def test_a_method_of_a_plain_class_says_how_to_stage_it() -> None:
    class Plain:
        def __init__(self) -> None:
            self.factor = 2.0
            self.good = cr.jit(self.good)

        @cr.jit
        def bad(self, x: Any) -> Any:
            return self.factor * x

        def good(self, x: Any) -> Any:
            return self.factor * x

    plain = Plain()
    hint = r"argument `0`, got Plain at .*; try self.method = cr.jit\(self.method\) in __init__, or .* an nn.Module"
    with pytest.raises(DTypeError, match=hint):
        plain.bad(1.0)
    assert plain.good(1.0) == 2.0
    plain.factor = 3.0
    assert plain.good(1.0) == 3.0


def test_methods_partials_and_decorators() -> None:
    class Model:
        rate = 2.0

        @cr.jit
        def step(self, x: Any) -> Any:
            return x * self.rate

    assert cr.jit(functools.partial(lambda a, b: a - b, 5.0))(2.0) == 3.0
    with pytest.raises(DTypeError, match=r"cr\.jit\(self\.method\)"):
        Model().step(1.0)


def test_results_keep_their_tree_and_constants() -> None:
    out = cr.jit(lambda x: {"x": x, "pair": (x * 2, None), "n": 3, "name": "a"})(np.ones(2))
    assert out["n"] == 3 and out["name"] == "a" and out["pair"][1] is None
    np.testing.assert_array_equal(out["pair"][0], [2.0, 2.0])


def test_a_result_is_never_an_input_or_a_capture() -> None:
    w, x = np.ones(2), np.ones(2)
    a, b, c, d = cr.jit(lambda x: (x, w, x.reshape(2, 1), x))(x)
    for out in (a, b, c, d):
        out[...] = 9.0
    assert w.tolist() == x.tolist() == [1.0, 1.0] and a is not d


# --- what a function finds outside itself -----------------------------------------------------------------------------

GLOBAL = np.ones(3)
RATE = 2.0


def test_captured_arrays_are_read_at_every_call() -> None:
    w = np.ones(3)
    f = cr.jit(lambda x: np.sum(x * w * GLOBAL))
    assert f(np.ones(3)) == 3.0
    w -= 0.5
    assert f(np.ones(3)) == 1.5 and f.stagings == 1
    w = np.full(3, 2.0)
    assert f(np.ones(3)) == 6.0 and f.stagings == 1
    w = np.full((2, 3), 2.0)
    assert f(np.ones(3)) == 12.0 and f.stagings == 2


def test_captured_numbers_are_compared_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(rate=2.0, table={"a": [1.0, 2.0]})
    scale = 3.0

    def helper(x: Any) -> Any:
        return x * RATE * settings.table["a"][1]

    f = cr.jit(lambda x: helper(x) * settings.rate * scale)
    assert f(1.0) == 24.0 and f(1.0) == 24.0 and f.stagings == 1
    settings.rate = 1.0
    assert f(1.0) == 12.0
    settings.table["a"][1] = 1.0
    assert f(1.0) == 6.0
    scale = 1.0
    assert f(1.0) == 2.0
    monkeypatch.setitem(globals(), "RATE", 5.0)
    assert f(1.0) == 5.0 and f.stagings == 5


def test_a_captured_container_that_changes() -> None:
    weights = [np.ones(2)]
    f = cr.jit(lambda x: sum(np.sum(w * x) for w in weights))
    assert f(1.0) == 2.0
    weights.append(np.ones(3))
    assert f(1.0) == 5.0
    weights[0] = np.full(2, 2.0)
    assert f(1.0) == 7.0


def test_a_captured_tracer_is_differentiated() -> None:
    def f(w: Any) -> Any:
        return cr.jit(lambda x: np.sum(x * w * w))(np.ones(3))

    np.testing.assert_allclose(cr.grad(f)(np.arange(3.0)), 2 * np.arange(3.0))
    inner = cr.jit(lambda x: x * 2.0)
    assert cr.jit(lambda x: inner(x) + 1.0)(1.0) == 3.0


def test_taps_and_layers_inside_are_seen_whatever_was_staged_before() -> None:
    model, x, y = nn.MLP([3, 4, 2], rng=0), np.ones((5, 3), np.float32), np.zeros(5, np.int64)
    staged = cr.jit(lambda model, x: model(x))
    wanted = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y), taps=True)(model)[2]
    for _ in range(2):
        found = cr.value_and_grad(lambda m: nn.cross_entropy(staged(m, x), y), taps=True)(model)[2]
        assert found.keys() == wanted.keys()
        for name, ct in wanted.items():
            np.testing.assert_array_equal(found[name], ct)
        staged(model, x)


def test_a_staged_function_prints_as_what_it_was_made_from() -> None:
    assert repr(cr.jit(np.sum)) == "jit(sum)"


# --- donation ---------------------------------------------------------------------------------------------------------


def test_donated_arrays_are_overwritten_and_returned() -> None:
    @cr.jit(donate=(0, 1))
    def step(params: Any, state: Any, x: Any) -> Any:
        return {k: v - x for k, v in params.items()}, state + 1, x * 2

    params = {"a": np.zeros(2), "b": np.ones(2)}
    state, x = np.array(0), np.ones(2)
    new, count, twice = step(params, state, x)
    assert new["a"] is params["a"] and new["b"] is params["b"] and count is state
    np.testing.assert_array_equal(new["a"], [-1.0, -1.0])
    np.testing.assert_array_equal(new["b"], [0.0, 0.0])
    assert state == 1 and twice is not x
    np.testing.assert_array_equal(x, [1.0, 1.0])


def test_results_that_swap_donated_arrays() -> None:
    swap = cr.jit(lambda a, b: (b, a), donate=(0, 1))
    a, b = np.zeros(2), np.ones(2)
    x, y = swap(a, b)
    assert x is a and y is b and a[0] == 1.0 and b[0] == 0.0


def test_an_array_donated_and_used_elsewhere() -> None:
    step = cr.jit(lambda a, b: a + b, donate=0)
    a = np.ones(2)
    with pytest.raises(OwnershipError, match="passed twice"):
        step(a, a)
    with pytest.raises(OwnershipError, match="passed twice"):
        step(a, a[::-1])
    a.flags.writeable = False
    with pytest.raises(OwnershipError, match="read-only"):
        step(a, np.ones(2))
    np.testing.assert_array_equal(a, [1.0, 1.0])


# --- what a staged function may not do --------------------------------------------------------------------------------


def test_a_branch_on_a_staged_value_names_the_line() -> None:
    @cr.jit
    def f(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    with pytest.raises(StagingError, match=r"no Python branch on a staged value, got bool at .*test_jit\.py:\d+; try"):
        f(1.0)


def test_random_draws_while_staging() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(StagingError, match="no draw from a random generator"):
        cr.jit(lambda x: x + np.random.rand())(1.0)
    with pytest.raises(StagingError, match="no draw from a random generator"):
        cr.jit(lambda x: x + generator.normal())(1.0)


def test_what_is_drawn_at_the_first_call_alone_stays_drawn() -> None:
    generator, made = np.random.default_rng(0), []

    def f(x: Any) -> Any:
        if not made:
            made.append(generator.normal())
        return 2 * x

    assert cr.jit(f)(1.0) == 2.0
    assert [*made, generator.normal()] == np.random.default_rng(0).normal(size=2).tolist()


def test_a_graph_without_results_is_none() -> None:
    with pytest.raises(DTypeError, match=r"expected an array or a float as the result, got 9 at .*; try 3\.0 in place"):
        cr.graph(lambda x: x**2)(3)


def test_the_first_draw_of_a_process_is_seen_even_in_code_without_a_file() -> None:
    """numpy.random is loaded when it is first used, here by the function that is staged."""
    program = "import numpy as np, chainrule as cr; print(cr.jit(lambda x: x + np.random.rand())(1.0))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "StagingError: expected no draw from a random generator while staging" in done.stderr


def test_errors_at_run_time_name_the_line_that_was_staged() -> None:
    f = cr.jit(lambda x, i: x[i])
    with pytest.raises(OutOfRangeError, match=r"test_jit\.py:\d+"):
        f(np.ones(3), np.array([0, 7]))


def test_shapes_that_do_not_fit_name_the_line() -> None:
    with pytest.raises(ShapeError, match=r"got f64\[3\] and f64\[4\] at .*test_jit\.py:\d+"):
        cr.jit(lambda x, y: x + y)(np.ones(3), np.ones(4))


def test_an_argument_that_is_no_array() -> None:
    with pytest.raises(DTypeError, match=r"for argument `0\.a`, got object .*static_argnames"):
        cr.jit(lambda x: x)({"a": object()})
