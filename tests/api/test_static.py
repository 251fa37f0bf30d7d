"""What is static about a call: values that are equal and yet not the same to a program have graphs of their own."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.tree import FIELD_KIND


@dataclasses.dataclass(frozen=True)
class Power:
    base: Any
    exponent: Any = dataclasses.field(default=2, metadata={FIELD_KIND: "static"})

    def __call__(self) -> Any:
        exponent = self.exponent[0] if isinstance(self.exponent, tuple) else self.exponent
        return self.base**exponent


@pytest.mark.parametrize("exponents", [(2, 2.0, True), ((2,), (2.0,), (True,))])
def test_static_fields_of_other_types(exponents: Any) -> None:
    staged = cr.jit(lambda power: power())
    base = np.array([3, 4])
    for _ in range(2):
        for exponent in exponents:
            found, want = staged(Power(base, exponent)), Power(base, exponent)()
            assert found.dtype == want.dtype and np.array_equal(found, want)
    assert staged.stagings == 3


def test_static_arguments_of_other_types_and_the_sign_of_a_zero() -> None:
    staged = cr.jit(lambda x, s: x / (x * s), static_argnames="s")
    assert staged(1.0, 0.0) == np.inf and staged(1.0, -0.0) == -np.inf and staged(1.0, 1) == staged(1.0, True) == 1.0
    assert staged.stagings == 4
    again = cr.jit(lambda x, s: x * (0.0 if np.isnan(s) else s), static_argnames="s")
    assert again(1.0, float("nan")) == again(1.0, float("nan")) == 0.0 and again.stagings == 1


def test_a_number_is_a_scalar_as_in_numpy() -> None:
    x = np.array([1.0, 2.0])
    for f in (lambda x: x[0], lambda x: x.sum(), lambda x: x[:1].reshape(()), lambda x: x.mean(keepdims=True)[0]):
        assert type(cr.jit(f)(x)) is np.float64
        assert type(cr.value_and_grad(f)(x)[0]) is np.float64 or f(x).shape == ()
