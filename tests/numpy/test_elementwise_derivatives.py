"""Derivatives of the elementwise functions that are compositions, and NumPy's own names for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from chainrule.api.derivatives import jvp, vjp
from chainrule.numpy import elementwise as cnp

pytestmark = pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # since NumPy 2.5

SMOOTH: Final[dict[str, Callable[[Any], Any]]] = {
    "degrees": cnp.degrees,
    "radians": cnp.radians,
    "sinc": cnp.sinc,
    "fabs": cnp.fabs,
    "positive": cnp.positive,
    "real": cnp.real,
    "imag": cnp.imag,
    "modf": lambda x: cnp.modf(x)[0] * cnp.modf(x)[1],
    "divmod": lambda x: cnp.divmod(x * x, 0.7)[1],
    "fix": lambda x: x * cnp.fix(x),
    "fmax": lambda x: cnp.fmax(x * x, 1 - x),
    "fmin": lambda x: cnp.fmin(cnp.sin(x), 0.3),
    "fmax of nan": lambda x: cnp.fmax(x * x, math.nan),
    "heaviside": lambda x: x * cnp.heaviside(x, 0.5),
    "float_power": lambda x: cnp.float_power(cnp.abs(x), x),
    "power": lambda x: x**2 + abs(x) ** 0.5 + x**-1 + 2.0**x + x**3,
    "log_sigmoid": cnp.log_sigmoid,
    "sigmoid": cnp.sigmoid,
    "softplus": cnp.softplus,
    "erf": cnp.erf,
    "erfc": cnp.erfc,
    "xlogy": lambda x: cnp.xlogy(x, x * x),
    "isclose": lambda x: cnp.where(cnp.isclose(x, x), x * x, 0.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_compositions(name: str) -> None:
    f = SMOOTH[name]
    x = np.array([-1.85, -0.45, 0.35, 1.6])
    ones = np.ones(4)
    step = 1e-5

    def slope(x: Any) -> Any:
        return vjp(f, x)[1](ones)[0]

    wanted = (f(x + step) - f(x - step)) / (2 * step)
    np.testing.assert_allclose(slope(x), wanted, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(jvp(f, (x,), (ones,))[1], wanted, rtol=1e-8, atol=1e-9)
    wanted = (slope(x + step) - slope(x - step)) / (2 * step)
    bends = (
        vjp(slope, x)[1](ones)[0],
        jvp(slope, (x,), (ones,))[1],
        vjp(lambda x: jvp(f, (x,), (ones,))[1], x)[1](ones)[0],
    )
    for bend in bends:
        np.testing.assert_allclose(bend, wanted, rtol=1e-8, atol=1e-8)


def test_log_sigmoid_keeps_its_precision() -> None:
    x = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    np.testing.assert_allclose(
        cnp.log_sigmoid(x), [-800.0, -30.0 - math.log1p(math.exp(-30)), -math.log(2), -math.exp(-30), 0]
    )
    np.testing.assert_allclose(vjp(cnp.log_sigmoid, x)[1](np.ones(5))[0], [1, 1, 0.5, math.exp(-30), 0], rtol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "maximum", "where", "clip", "sinc", "round", "modf", "divmod", "isposinf"])
def test_numpy_s_own_functions_are_answered(name: str) -> None:
    args: dict[str, tuple[Any, ...]] = {"maximum": (0.0,), "clip": (-1.0, 1.0), "divmod": (0.7,)}
    x = np.array([-1.5, 0.25, 2.0])

    def call(namespace: Any) -> Callable[[Any], Any]:
        if name == "where":
            return lambda x: namespace.where(x > 0, x * x, x)
        return lambda x: getattr(namespace, name)(x, *args.get(name, ()))

    theirs, ours = (jvp(call(namespace), (x,), (np.ones(3),)) for namespace in (np, cnp))
    for a, b, plain in zip(*(np.atleast_2d(out) for out in (theirs[0], ours[0], call(np)(x))), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, plain)
    np.testing.assert_array_equal(np.array(theirs[1]), np.array(ours[1]))
