"""Options that decide about values: dtype=, out=, initial=, copy=, views that einsum gives, empty values to put."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy_calls import Call, table

import chainrule as cr
import chainrule.numpy as cnp
from chainrule.errors import DTypeError, PrecisionWarning

I32 = np.array([2**20, -3, 7], np.int32)
F32 = np.array([1.1, 2.7, -0.3], np.float32)
F64 = np.array([1.7, -2.2, 0.4])
U8 = np.array([250, 3, 9], np.uint8)
BOOL = np.array([True, True, False])


def check(call: Call, *operands: Any) -> None:
    """Asserts that NumPy's function given traced arrays has NumPy's values and dtype; eager ones, too, exactly."""
    want = call(np, *operands)
    found = cr.jit(lambda *xs: call(np, *xs))(*operands)
    assert found.dtype == want.dtype and found.shape == want.shape
    if want.dtype.kind == "f":  # sums of native code have an order of their own
        np.testing.assert_allclose(found, want, 50 * np.finfo(want.dtype).eps)
    else:
        np.testing.assert_array_equal(found, want)
    if all(x.dtype.kind == "f" for x in operands):
        np.testing.assert_array_equal(cr.vjp(lambda *xs: call(np, *xs), *operands)[0], want)


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, i, f: np.multiply(i, i, dtype=np.int64),
        lambda np, i, f: np.multiply(i, 2.5, dtype=np.float32),
        lambda np, i, f: np.divide(i, i, dtype=np.float32),
        lambda np, i, f: np.power(i, -1, dtype=np.float64),
        lambda np, i, f: np.add(f, f, dtype=np.float32),
        lambda np, i, f: np.sqrt(np.abs(f), dtype=np.float32),
        lambda np, i, f: np.less(f, 0, dtype=bool),
        lambda np, i, f: np.divmod(i, 7, dtype=np.int64)[1],
        lambda np, i, f: np.add.accumulate(i, dtype=np.float32),
        lambda np, i, f: np.multiply.accumulate(i, dtype=np.float64),
        lambda np, i, f: np.multiply.outer(i, i, dtype=np.float64),
        lambda np, i, f: np.multiply.outer(i, f),
        lambda np, i, f: np.multiply.reduce(i, dtype=np.float64),
    ),
)
def test_the_dtype_of_the_computation(call: Call) -> None:
    check(call, I32, F64)


def test_a_dtype_that_the_ufunc_does_not_give() -> None:
    with pytest.raises(DTypeError, match=r"expected a dtype= that add gives, got int64 of f64\[3\] and f64\[3\] at"):
        cr.jit(lambda x: np.add(x, x, dtype=np.int64))(F64)


def test_out_takes_the_same_kind_only() -> None:
    def run(x: Any, dtype: Any) -> Any:
        out = cnp.zeros(3, dtype)
        np.add(x, 0.7, out=out)
        return out

    def total(x: Any, dtype: Any) -> Any:
        out = cnp.zeros(1, dtype)[0:1].reshape(())
        np.sum(x, out=out)
        return out

    for f in (run, total):
        for derive in (cr.jit, lambda f: lambda x: cr.vjp(f, x)[0]):
            found = derive(lambda x, f=f: f(x, np.float32))(F64)
            assert found.dtype == np.float32 and np.allclose(found, F64 + 0.7 if f is run else F64.sum())
            with pytest.raises(DTypeError, match=r"of dtype int64 or less, got float64 at .*test_options\.py"):
                derive(lambda x, f=f: f(x, np.int64))(F64)


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, i, u, b: np.max(b, initial=True),
        lambda np, i, u, b: np.max(b, initial=1),
        lambda np, i, u, b: np.max(i, initial=0.5),
        lambda np, i, u, b: np.min(i, initial=-3.7, axis=0),
        lambda np, i, u, b: np.sum(i, initial=0.5),
        lambda np, i, u, b: np.prod(i[1:], initial=2.5),
        lambda np, i, u, b: np.max(u, initial=3),
    ),
)
def test_initial_is_cast(call: Call) -> None:
    check(call, I32, U8, BOOL)


def diagonal_cleared(np: Any, x: Any) -> Any:
    y = np.outer(x, x)
    np.einsum("ii->i", y)[...] = 0
    return y


def row_through_the_other_order(np: Any, x: Any) -> Any:
    y = np.outer(x, x)
    np.einsum("ij->ji", y)[0] = 7
    return y


def two_diagonals(np: Any, x: Any) -> Any:
    y = np.ones((2, 3, 2, 3)) * x[0]
    part = np.einsum("ijij->ji", y)
    part += np.reshape(np.arange(6.0), (3, 2))
    return y


def a_diagonal_read_later(np: Any, x: Any) -> Any:
    y = np.ones((2, 3, 2)) * x[0]
    part = np.einsum("iji->ij", y)
    y[0, 1, 0] = 5
    return part * 1


def a_diagonal_of_the_other_order(np: Any, x: Any) -> Any:
    y = np.outer(x, x + 1).T
    np.einsum("...ii->...i", y)[1:] *= 2.0
    return y.reshape(-1)


def in_place(np: Any, x: Any) -> Any:
    y = x * np.array([np.nan, 1.0, np.inf])
    np.nan_to_num(y, copy=False, nan=3.0)
    return y


def nothing_put(np: Any, x: Any) -> Any:
    y = x * 1
    np.put(y, [0], [])
    y = np.outer(y, y)
    np.fill_diagonal(y, [])
    y = np.repeat(y, [1, 2, 0], axis=0) + np.repeat(y[:0], [], axis=0).sum()
    np.putmask(y, y > 0, [])
    return y


@pytest.mark.parametrize(
    "call",
    [
        diagonal_cleared,
        row_through_the_other_order,
        two_diagonals,
        a_diagonal_read_later,
        a_diagonal_of_the_other_order,
        nothing_put,
    ],
)
def test_what_is_written_to(call: Call) -> None:
    check(call, F64)
    np.testing.assert_array_equal(call(cnp, F64), call(np, F64))
    weights = np.cos(np.arange(call(np, F64).size)).reshape(call(np, F64).shape)
    gradient = cr.grad(lambda x: np.sum(call(np, x) ** 2 * weights))(F64)
    steps = np.eye(3) * 1e-6
    want = [np.sum((call(np, F64 + s) ** 2 - call(np, F64 - s) ** 2) * weights) / 2e-6 for s in steps]
    np.testing.assert_allclose(gradient, want, rtol=1e-6, atol=1e-8)


def test_nan_to_num_in_place() -> None:
    check(in_place, F64)


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, i, b, x: np.einsum("a,b->b", b, x),
        lambda np, i, b, x: np.einsum("a,b->b", i * 2000, x),
        lambda np, i, b, x: np.einsum("a->", b),
        lambda np, i, b, x: np.einsum("a,b->", b, b),
        lambda np, i, b, x: np.einsum("a,b,c->c", b, b, x),
    ),
)
def test_einsum_sums_in_the_dtype_of_the_result(call: Call) -> None:
    operands = np.array([2**20, 2**20, 7], np.int32), BOOL, np.array([1.5, -2.0, 4.0])
    check(call, *operands)
    np.testing.assert_array_equal(call(cnp, *operands), call(np, *operands))


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, f, x, b: np.linspace(f, 2, 3),
        lambda np, f, x, b: np.linspace(f, b, 3),
        lambda np, f, x, b: np.linspace(f, x, 3),
        lambda np, f, x, b: np.linspace(b, 3, 4),
        lambda np, f, x, b: np.logspace(f, 2, 3),
        lambda np, f, x, b: np.geomspace(np.abs(f), 2, 3),
        lambda np, f, x, b: np.geomspace(np.abs(x), 2, 5, axis=-1),
    ),
)
def test_the_dtype_of_ranges(call: Call) -> None:
    operands = F32, F64, BOOL
    want, found = call(np, *operands), cr.jit(lambda *xs: call(np, *xs))(*operands)
    assert found.dtype == want.dtype
    np.testing.assert_allclose(found, want, rtol=1e-6 if want.dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("call", [np.inner, np.dot, np.vdot, np.multiply, lambda x, y: np.einsum(",", x, y)])
def test_functions_of_python_numbers_give_numpys(call: Any) -> None:
    assert type(cr.jit(lambda s: call(s, s))(3.0)) is type(call(3.0, 3.0)) is np.float64
    if call is not np.multiply:
        f32 = np.float32(2.0)
        with warnings.catch_warnings(action="ignore", category=PrecisionWarning):
            assert type(cr.jit(lambda s: call(s, f32))(3.0)) is type(call(3.0, f32)) is np.float64


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, i: np.add.reduce(x, axis=None),
        lambda np, x, i: np.multiply.reduce(i, dtype=np.float64),
        lambda np, x, i: np.maximum.reduce(x, initial=1.0),
        lambda np, x, i: np.add.accumulate(x),
        lambda np, x, i: np.subtract.outer(x, i),
        lambda np, x, i: x.compress([True, False], 0),
        lambda np, x, i: x.compress(np.array([False, True, True])),
    ),
)
def test_methods_of_ufuncs_and_arrays(call: Call) -> None:
    check(call, F64, I32)
    np.testing.assert_array_equal(call(cnp, F64, I32), call(np, F64, I32))
    np.testing.assert_array_equal(cr.vjp(lambda x: call(cnp, x, I32), F64)[0], call(np, F64, I32))


def test_at_counts_every_index() -> None:
    def f(x: Any) -> Any:
        y = cnp.zeros(3)
        cnp.add.at(y, [0, 0, 2], x)
        cnp.subtract.at(y, 1, x[0])
        return y

    np.testing.assert_array_equal(cr.jit(f)(F64), [F64[0] + F64[1], -F64[0], F64[2]])
    plain = np.zeros(3)
    cnp.add.at(plain, [0, 0, 2], F64)
    np.testing.assert_array_equal(plain, [F64[0] + F64[1], 0, F64[2]])
