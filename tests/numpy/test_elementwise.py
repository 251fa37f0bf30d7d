"""NumPy's elementwise functions: its values, dtypes and errors on plain and traced arrays, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import numpy as np
import pytest

from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.errors import DTypeError, StagingError, TraceError
from chainrule.ir.evaluate import evaluate
from chainrule.ir.op import Traced
from chainrule.numpy import elementwise as cnp
from chainrule.numpy import ufuncs
from chainrule.trace import stage
from chainrule.types import DTYPES, Type, type_of

pytestmark = pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # since NumPy 2.5

OWN: Final = {"erf", "erfc", "log_sigmoid", "sigmoid", "softplus", "xlogy"}
"""What NumPy does not have."""

UNARY: Final = (
    *[name for name in ufuncs.__all__ if getattr(np, name).nin == 1],
    *"conj conjugate deg2rad degrees fabs fix imag isneginf isposinf nan_to_num positive rad2deg radians real".split(),  # noqa: SIM905
    *("around", "round", "sinc", "modf"),
)
BINARY: Final = (
    *[name for name in ufuncs.__all__ if getattr(np, name).nin == 2],
    *("divmod", "float_power", "fmax", "fmin", "heaviside", "isclose"),
)
ROUNDED: Final = {"float_power", "deg2rad", "radians", "rad2deg", "degrees"}
"""What NumPy computes otherwise than by the composition, the last place apart."""

EDGES: Final = (-math.inf, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, math.inf, math.nan)
WHOLE: Final = (0, 1, 2, 3, 7)
MIXED: Final = (
    ("f32", "f64"),
    ("f64", "f32"),
    ("f32", "i64"),
    ("i32", "f32"),
    ("u8", "i32"),
    ("bool", "f32"),
    ("u8", "bool"),
)


def operands(short: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """Operands of the dtypes, in all combinations of edge values."""
    values = [EDGES if DTYPES[name].kind == "f" else WHOLE for name in short]
    columns = zip(*product(*values), strict=True)
    return tuple(np.array(column).astype(DTYPES[name]) for column, name in zip(columns, short, strict=True))


def results(function: Callable[..., Any], *args: Any) -> list[Any] | type[Exception]:
    """The results as a list, or the kind of error."""
    try:
        with np.errstate(all="ignore"):
            out = function(*args)
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    return list(out) if isinstance(out, tuple) else [out]


def staged(function: Callable[..., Any], *args: Any) -> list[Any]:
    """The results of the function's graph."""

    def several(*xs: Any) -> list[Any]:
        out = function(*xs)
        return list(out) if isinstance(out, tuple) else [out]

    with np.errstate(all="ignore"):
        return evaluate(stage(several, [type_of(x) for x in args]).graph, args)


def assert_same(found: Any, wanted: Any, rounded: bool = False) -> None:
    if isinstance(wanted, type):
        assert found is wanted
        return
    assert not isinstance(found, type), found
    for ours, theirs in zip(found, wanted, strict=True):
        assert (np.shape(ours), ours.dtype) == (np.shape(theirs), theirs.dtype)
        if rounded and theirs.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=2 * np.finfo(theirs.dtype).eps, atol=0)
        else:
            np.testing.assert_array_equal(ours, theirs)
            if theirs.dtype.kind == "f":
                known = ~np.isnan(theirs)
                np.testing.assert_array_equal(np.signbit(ours)[known], np.signbit(theirs)[known])


def compare(name: str, short: tuple[str, ...]) -> None:
    """Compares plain and staged results with NumPy's."""
    args = operands(short)
    ours, theirs = getattr(cnp, name), getattr(np, name)
    wanted = results(theirs, *args)
    assert_same(results(ours, *args), wanted)
    known = isinstance(wanted, list) and all(x.dtype in DTYPES.values() for x in wanted)
    if known:
        assert_same(staged(ours, *args), wanted, name in ROUNDED)
    else:
        with pytest.raises(DTypeError):
            staged(ours, *args)


def test_every_name_is_there_and_is_numpy_s() -> None:
    assert len(set(cnp.__all__)) == len(cnp.__all__)
    for name in cnp.__all__:
        assert callable(getattr(cnp, name))
        assert hasattr(np, name) or name in OWN, name
    assert set(UNARY) | set(BINARY) | OWN | {"astype", "clip", "where"} == set(cnp.__all__)


def test_every_elementwise_ufunc_of_numpy_s_is_there_or_left_out_on_purpose() -> None:
    # of pairs and machine numbers, of dates, of integers alone, and products of matrices, which are not elementwise
    absent = "frexp ldexp nextafter spacing isnat gcd lcm bitwise_count matmul matvec vecdot vecmat"
    ufunc_names = {name for name in dir(np) if isinstance(getattr(np, name), np.ufunc)}
    assert ufunc_names - set(cnp.__all__) == set(absent.split()) & ufunc_names


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("short", DTYPES.values(), ids=list(DTYPES))
def test_unary_functions_are_numpy_s(name: str, short: Any) -> None:
    compare(name, (next(key for key, dtype in DTYPES.items() if dtype == short),))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("short", [*[(key, key) for key in DTYPES], *MIXED], ids="-".join)
def test_binary_functions_are_numpy_s(name: str, short: tuple[str, str]) -> None:
    compare(name, short)


@pytest.mark.parametrize("name", ["exp", "floor", "modf", "isnan", "fix", "nan_to_num", "real"])
def test_eager_values_are_numpy_s(name: str) -> None:
    (x,) = operands(("f64",))
    with np.errstate(all="ignore"):
        outs = jvp(getattr(cnp, name), (x,), (np.ones_like(x),))[0]
    assert_same(list(outs) if isinstance(outs, tuple) else [outs], results(getattr(np, name), x))


@pytest.mark.parametrize("name", ["exp", "sqrt", "isfinite", "around", "positive", "rint"])
@pytest.mark.parametrize("x", [2, 2.25, True, np.float32(2.25), [1, 2], [[1.5], [2.5]], (1.0, 2.0)])
def test_numbers_and_lists_are_taken(name: str, x: Any) -> None:
    wanted = results(getattr(np, name), x)
    found = results(getattr(cnp, name), x)
    assert found is wanted if isinstance(wanted, type) else type(found[0]) is type(wanted[0])
    assert_same(found, wanted)


def test_functions_of_python_numbers_are_strong_and_operators_weak() -> None:
    single = Type((2,), np.dtype(np.float32))
    weak = Type((), np.dtype(np.float64), weak=True)
    for f, wanted in (
        (lambda x, t: x * t, "f32[2]"),
        (lambda x, t: x * (2 * t + 1), "f32[2]"),
        (lambda x, t: x * (t**2 + t**0.5 + t**3 + 2**t + t**t), "f32[2]"),
        (lambda x, t: x * cnp.power(t, 2), "f64[2]"),
        (lambda x, t: cnp.add(x, t), "f32[2]"),
        (lambda x, t: x * cnp.exp(t), "f64[2]"),
        (lambda x, t: x * cnp.clip(t, 0.0, 1.0), "f64[2]"),
        (lambda x, t: x * cnp.where(t > 0, t, 0.0), "f64[2]"),
        (lambda x, t: x * cnp.modf(t)[0], "f64[2]"),
    ):
        graph = stage(lambda x, t, f=f: [f(x, t)], [single, weak]).graph
        assert str(graph.outputs[0].type) == wanted


def test_lists_may_hold_traced_numbers() -> None:
    found = grad(lambda x: cnp.exp([x, 2 * x])[1])(0.5)
    assert found == pytest.approx(2 * math.e)
    mask = np.array([True, False])
    for f, wanted in (
        (lambda x: cnp.where(mask, [x, 2 * x], 0.0), [0.5, 0.0]),
        (lambda x: cnp.clip([x, 2 * x], 0.0, 0.75), [0.5, 0.75]),
        (lambda x: cnp.nan_to_num([x, 2 * x]), [0.5, 1.0]),
        (lambda x: cnp.real([x, 2 * x]), [0.5, 1.0]),
        (lambda x: cnp.sinc([x, 2 * x]), [2 / math.pi, 0.0]),
        (lambda x: cnp.isposinf([x, 2 * x]), [False, False]),
    ):
        np.testing.assert_allclose(vjp(f, 0.5)[0], wanted, atol=1e-15)


# --- options --------------------------------------------------------------------------------------------------------


def test_options_are_numpy_s_on_plain_arrays() -> None:
    x, out = np.array([1.0, 4.0]), np.zeros(2)
    assert cnp.sqrt(x, out=out) is out
    assert cnp.add(x, 1, out) is out
    np.testing.assert_array_equal(cnp.add(x, 1, where=x > 1, out=out), [2.0, 5.0])
    assert cnp.multiply(2, 3, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(cnp.floor_divide(x, 2, casting="unsafe"), [0.0, 2.0])


def test_dtype_of_a_traced_result() -> None:
    out, pullback = vjp(lambda x: cnp.add(x, x, dtype=np.float32), np.array([1.0, 2.0]))
    assert out.dtype == np.float32
    (ct,) = pullback(np.ones(2, np.float32))
    np.testing.assert_array_equal(ct, [2.0, 2.0])
    assert ct.dtype == np.float64


def test_a_traced_result_goes_into_a_traced_target() -> None:
    def f(x: Any) -> Any:
        y = 0 * x
        assert cnp.multiply(x, x, out=y) is y
        return y

    out, pullback = vjp(f, np.array([1.0, 3.0]))
    np.testing.assert_array_equal(out, [1.0, 9.0])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 6.0])


def test_a_traced_result_does_not_go_into_a_plain_target() -> None:
    target = np.zeros(2)
    with pytest.raises(TraceError, match=r"plain ndarray as the target of out= of add at .*test_elementwise.py"):
        grad(lambda x: cnp.add(x, 1.0, out=target)[0])(np.ones(2))
    np.testing.assert_array_equal(target, [0.0, 0.0])


def test_unknown_options_are_errors() -> None:
    with pytest.raises(TypeError, match=r"exp\(\) of traced arrays .*, got casting= at .*test_elementwise\.py"):
        grad(lambda x: cnp.exp(x, casting="unsafe"))(1.0)


# --- where, clip, casts, rounding -----------------------------------------------------------------------------------


def test_where_takes_any_condition_and_broadcasts() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for condition in (x > 2, x - 2, np.array([1, 0, 2]), True, 0, [[True], [False]]):
        found, pullback = vjp(lambda x, c=condition: cnp.where(c, x, -1.0), x)
        np.testing.assert_array_equal(found, np.where(condition, x, -1.0))
        np.testing.assert_array_equal(pullback(np.ones((2, 3)))[0], np.where(condition, np.ones((2, 3)), 0.0))


def test_where_with_the_condition_alone_gives_indices() -> None:
    x = np.array([[0.0, 2.0], [3.0, 0.0]])
    np.testing.assert_array_equal(cnp.where(x), np.where(x))

    def f(x: Any) -> Any:
        rows, columns = cnp.where(x > 1)
        assert not isinstance(rows, Traced)
        return sum(x[i, j] ** 2 for i, j in zip(rows, columns, strict=True))

    np.testing.assert_array_equal(grad(f)(x), 2 * x)
    with pytest.raises(StagingError, match=r"no list of indices on a staged value.* try where with three arguments"):
        stage(lambda x: list(cnp.where(x)), [type_of(x)])
    with pytest.raises(ValueError, match="both x and y or neither"):
        grad(lambda x: cnp.where(x > 0, x))(1.0)


@pytest.mark.parametrize("where", [cnp.where, np.where], ids=["chainrule", "numpy"])
def test_what_where_leaves_out_does_not_matter(where: Any) -> None:
    def f(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return where(x > 0, cnp.sqrt(x) + cnp.log(x) + 1 / x, x * x)

    for point, slope, bend in ((0.0, 0.0, 2.0), (-3.0, -6.0, 2.0), (1.0, 0.5 + 1 - 1, -0.25 - 1 + 2)):
        with np.errstate(all="ignore"):
            assert grad(f)(point) == jvp(f, (point,), (1.0,))[1] == slope
            assert grad(grad(f))(point) == jvp(grad(f), (point,), (1.0,))[1] == bend


@pytest.mark.parametrize(
    "bounds",
    [
        {"a_min": -1.0, "a_max": 1.0},
        {"a_min": -1.0, "a_max": None},
        {"a_min": None, "a_max": 0.5},
        {"min": -1.0},
        {"max": 1},
        {"min": np.array([-9.0, 0.0, 2.0]), "max": [-8.0, 1.0, 3.0]},
        {},
    ],
)
def test_clip(bounds: dict[str, Any]) -> None:
    x = np.array([-2.0, 0.25, 2.5])
    out, pullback = vjp(lambda x: cnp.clip(x, **bounds), x)
    np.testing.assert_array_equal(out, np.clip(x, **bounds))
    np.testing.assert_array_equal(cnp.clip(x, **bounds), np.clip(x, **bounds))
    np.testing.assert_array_equal(pullback(np.ones(3))[0], (out == x).astype(float))


def test_clip_refuses_a_bound_given_twice() -> None:
    for f in (lambda x: cnp.clip(x, 0.0, None, min=0.0), lambda x: cnp.clip(x, None, 1.0, max=1.0)):
        with pytest.raises(ValueError, match="is forbidden"):
            f(np.ones(2))
        with pytest.raises(ValueError, match="is forbidden"):
            grad(f)(1.0)


def test_results_are_never_the_input() -> None:
    x = np.array([1.0, 2.0])
    copying = (cnp.positive, cnp.conj, cnp.clip, cnp.nan_to_num, cnp.around, lambda x: cnp.astype(x, np.float64))
    for f in copying:
        out = f(x)
        assert not np.shares_memory(out, x)
        traced, _ = vjp(f, x)
        assert not np.shares_memory(traced, x)
        np.testing.assert_array_equal(traced, out)


def test_astype() -> None:
    x = np.array([0.5, -1.75])
    out, pullback = vjp(lambda x: cnp.astype(x, np.float32), x)
    assert out.dtype == np.float32
    (ct,) = pullback(np.array([2.0, 3.0], np.float32))
    assert ct.dtype == np.float64
    assert cnp.astype(x, np.float16).dtype == np.float16
    assert cnp.astype(x, x.dtype, copy=False) is x
    np.testing.assert_array_equal(cnp.astype([1, 2], bool), [True, True])
    seen = []
    grad(lambda x: seen.append(cnp.astype(x, np.float64, copy=False) is x) or x[0])(x)
    assert seen == [True]
    with pytest.raises(DTypeError, match=r"expected one of the dtypes .* got float16"):
        grad(lambda x: cnp.astype(x, np.float16)[0])(x)


def test_casting_in_place_stays_in_its_kind() -> None:
    assert cnp.cast_in_place(np.ones(2), np.dtype(np.float32), "add").dtype == np.float32
    with pytest.raises(DTypeError, match=r"got float64 into int64 by an in-place add at .*test_elementwise.py"):
        cnp.cast_in_place(np.ones(2), np.dtype(np.int64), "add")


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("x", [np.array([-1234.5678, 0.25, 149.95]), np.array([-1250, 15, 149]), np.float32(3.14159)])
def test_rounding_to_decimals(decimals: int, x: Any) -> None:
    assert_same(staged(lambda x: cnp.round(x, decimals), x), [np.round(x, decimals)])
    assert_same([cnp.round(x, decimals)], [np.round(x, decimals)])


@pytest.mark.parametrize("options", [{}, {"nan": 7.0}, {"posinf": 3.0}, {"neginf": -3.0}, {"nan": 1, "posinf": 2}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_to_num(options: dict[str, Any], dtype: Any) -> None:
    x = np.array(EDGES, dtype)
    assert_same(staged(lambda x: cnp.nan_to_num(x, **options), x), [np.nan_to_num(x, **options)])
    np.testing.assert_array_equal(grad(lambda x: cnp.nan_to_num(x, **options)[-1])(x), np.zeros(len(EDGES)))
    np.testing.assert_array_equal(grad(lambda x: cnp.nan_to_num(x, **options)[1])(x), np.eye(len(EDGES))[1])


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose_with_tolerances(equal_nan: bool) -> None:
    x, y = operands(("f64", "f64"))
    y = y * (1 + 1e-4)
    for options in ({}, {"rtol": 1e-3}, {"atol": 1e-3, "rtol": 0.0}):
        given = {**options, "equal_nan": equal_nan}
        assert_same(staged(lambda x, y, given=given: cnp.isclose(x, y, **given), x, y), [np.isclose(x, y, **given)])
