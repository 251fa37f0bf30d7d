"""The error function and its complement, which NumPy does not have.

erf(x) = 2 / sqrt(pi) times the integral of e ** -t ** 2 from 0 to x; erfc = 1 - erf. Near 0, erf(x) / x is a polynomial
in x ** 2; further out, e ** x ** 2 erfc(x) (1 + 2 x) is one in (x - 3.75) / (x + 3.75), a variable of Shepherd and
Laframboise (1981), Math. Comp. 36, 249. The coefficients interpolate at Chebyshev's points, in 60-digit arithmetic.
erf is within 2 units in the last place, erfc within 5 down to where it underflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.ir.kinds import Domain, Partials
from chainrule.ops.arithmetic import square
from chainrule.ops.exponential import exp
from chainrule.ops.scalar import special_op

Array = np.ndarray[Any, Any]

NEAR: Final = (
    0.1283791670955126,
    -0.37612638903183754,
    0.1128379167095512,
    -0.02686617064512984,
    0.0052239776254232985,
    -0.000854832702193483,
    0.00012055332902888736,
    -1.4925647567519332e-05,
    1.6462045441468418e-06,
    -1.6364642158167616e-07,
    1.4792401209404813e-08,
    -1.216456005728345e-09,
    8.709045129053106e-11,
    -4.230945824295338e-12,
)
"""erf(x) / x - 1 for |x| <= 1, in powers of x ** 2."""

FAR: Final = (
    1.2375126308378275,
    -0.14024059858554702,
    0.0035854154854636595,
    0.08227673849015017,
    -0.10880393014170636,
    0.0923043211602373,
    -0.05869339859054567,
    0.02836227742070009,
    -0.009746579548162297,
    0.0017556258418799954,
    0.00029371360428269433,
    -0.0002901540462281235,
    5.1649327115663387e-05,
    2.238421628349864e-05,
    -1.1444642657338937e-05,
    -9.737575162722984e-07,
    1.7521493143336468e-06,
    -5.648882545128533e-08,
    -2.5850383762693714e-07,
    2.2092545188283267e-08,
    3.758556054987387e-08,
    -2.800256565516931e-09,
    -4.021812318055577e-09,
)
"""e ** x ** 2 erfc(x) (1 + 2 x) for x >= 1/2, in powers of (x - 3.75) / (x + 3.75)."""

LAST: Final = 30.0
"""From here on erfc(x) is 0 even in float64."""

BLOCK: Final = 8192


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """The polynomial with these coefficients, lowest power first, by Horner's rule."""
    out = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        out *= x
        out += coefficient
    return out


def _erf_near(x: Array) -> Array:
    """erf(x) for |x| <= 1."""
    return x + x * _polynomial(NEAR, x * x)


def _erfc_far(x: Array) -> Array:
    """erfc(x) for x >= 1/2. The exponent is made of a square without rounding and of a small rest."""
    x = np.minimum(x, LAST)
    head = x.astype(np.float32).astype(np.float64)
    scaled = _polynomial(FAR, (x - 3.75) / (x + 3.75)) / (1 + 2 * x)
    return np.exp(-head * head) * (np.exp((head - x) * (head + x)) * scaled)


def _erf(x: Array) -> Array:
    near = np.abs(x) <= 1
    far = x[~near]
    out = np.empty_like(x)
    out[near] = _erf_near(x[near])
    out[~near] = np.copysign(1 - _erfc_far(np.abs(far)), far)
    return out


def _erfc(x: Array) -> Array:
    near = np.abs(x) <= 0.5
    far = x[~near]
    tail = _erfc_far(np.abs(far))
    out = np.empty_like(x)
    out[near] = 1 - _erf_near(x[near])
    out[~near] = np.where(far < 0, 2 - tail, tail)
    return out


def _in_blocks(function: Callable[[Array], Array]) -> Callable[[Any], Any]:
    """The function of any array or number, in float64 and in blocks whose many passes stay in the cache."""

    def value(x: Any) -> Any:
        given = np.asarray(x)
        flat = given.astype(np.float64).ravel()
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            block[:] = function(block)
        return flat.reshape(given.shape).astype(given.dtype, copy=False)[()]

    return value


def _bell(x: Any, height: float) -> Any:
    """height e ** -x ** 2."""
    return height * exp(-square(x))


SLOPE: Final = 2 / math.sqrt(math.pi)

erf = special_op("erf", _in_blocks(_erf), Partials(lambda x: _bell(x, SLOPE)), "the error function of x")
erfc = special_op(
    "erfc",
    _in_blocks(_erfc),
    Partials(lambda x: _bell(x, -SLOPE)),
    "1 - erf(x), precise where it is small",
    Domain(-4.0, 8.0),
)
