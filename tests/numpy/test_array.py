"""Traced arrays as operands and as objects: operators, in place and reflected, and attributes as NumPy has them."""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
import pytest

import chainrule as cr

BINARY: Final = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge")
BITS: Final = ("and_", "or_", "xor", "lshift", "rshift")
IN_PLACE: Final = ("iadd", "isub", "imul", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "ilshift", "irshift")
FLOATS: Final = np.array([0.5, -2.0, 3.0])
WHOLE: Final = np.array([1, 6, 3])


def assert_same(found: Any, wanted: Any) -> None:
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def everywhere(f: Any, x: np.ndarray, wanted: Any) -> None:
    """f of a staged and of an eagerly traced x is what it is of the plain one; native code may round in its own way."""
    staged = cr.jit(f)(x)
    assert staged.dtype == wanted.dtype
    np.testing.assert_array_max_ulp(staged, wanted, 2) if wanted.dtype.kind == "f" else assert_same(staged, wanted)
    assert_same(cr.vjp(lambda t: f(x + cr.numpy.astype(0 * t, x.dtype)), 0.0)[0], wanted)


@pytest.mark.parametrize("other", [2.0, np.array([1.5, 0.5, 2.0]), np.float32(1.5), 3])
@pytest.mark.parametrize("name", BINARY)
def test_operators_of_floats(name: str, other: Any) -> None:
    apply, x = getattr(operator, name), np.abs(FLOATS)
    everywhere(lambda x: apply(x, other), x, apply(x, other))
    everywhere(lambda x: apply(other, x), x, apply(other, x))


@pytest.mark.parametrize("other", [2, np.array([3, 1, 2]), np.uint8(3)])
@pytest.mark.parametrize("name", BINARY + BITS)
def test_operators_of_integers(name: str, other: Any) -> None:
    apply = getattr(operator, name)
    everywhere(lambda x: apply(x, other), WHOLE, apply(WHOLE, other))
    everywhere(lambda x: apply(other, x), WHOLE, apply(other, WHOLE))


@pytest.mark.parametrize("name", ["neg", "pos", "abs", "invert"])
def test_operators_of_one_array(name: str) -> None:
    apply = getattr(operator, name)
    everywhere(apply, WHOLE - 4, apply(WHOLE - 4))


@pytest.mark.parametrize("name", IN_PLACE)
def test_operators_in_place_change_every_view(name: str) -> None:
    apply = getattr(operator, name)

    def f(x: Any) -> Any:
        y = x.copy()
        view = y[::2]
        apply(y, 2)
        return view

    everywhere(f, WHOLE, f(WHOLE))


def test_products_of_matrices_and_divmod() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    everywhere(lambda x: x @ y, x, x @ y)
    everywhere(lambda x: y @ x, x, y @ x)
    everywhere(lambda x: divmod(x, 4.0)[1] + divmod(4.0, x + 1)[0], x, divmod(x, 4.0)[1] + divmod(4.0, x + 1)[0])


@pytest.mark.parametrize("name", ["T", "mT", "real", "imag"])
def test_attributes_that_are_arrays(name: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    everywhere(lambda x: getattr(x, name), x, getattr(x, name))


@pytest.mark.parametrize("name", ["shape", "dtype", "ndim", "size", "nbytes", "itemsize"])
def test_attributes_that_are_known_while_staging(name: str) -> None:
    seen: list[Any] = []
    x = np.zeros((2, 3), np.float32)
    cr.jit(lambda x: (seen.append(getattr(x, name)), x)[1])(x)
    assert seen == [getattr(x, name)]
