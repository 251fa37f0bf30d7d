"""Writes src/chainrule/backend/llvm/scalar/coefficients.py: the polynomials of the native elementary functions.

Usage: generate_coefficients.py [NAME ...]. Without names all are computed (a minute); the rest is kept as it is.

Method: the polynomial whose largest relative error of the function is smallest, by exchange of points (E. Remez 1934,
C. R. Acad. Sci. 198, 2063) in 90-digit arithmetic on a grid of Chebyshev's points. Its lowest coefficient is rounded to
the dtype, the others are fitted anew, the next one is rounded, and so on.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

PAGE: Final = Path(__file__).resolve().parent.parent / "src/chainrule/backend/llvm/scalar/coefficients.py"
HEAD: Final = '''"""Coefficients of polynomials, lowest power first, by the dtype's name.

Written by scripts/generate_coefficients.py, where the method stands.
"""

from __future__ import annotations

from typing import Final

# fmt: off
'''
IN_A_ROW: Final = 4

mp: Final[Any] = importlib.import_module("mpmath")  # which has no types
Real: TypeAlias = float  # an mpf, as far as type checkers need to know


@dataclass(frozen=True)
class Fit:
    """A function to be approximated on an interval.

    `weight` is how much an error of it counts, as a part of the elementary function's value; `terms` are the numbers
    of coefficients for float32 and float64 (0: not wanted), `medium` that of a float64 polynomial for float32 results.
    """

    doc: str
    function: Callable[[Real], Real]
    weight: Callable[[Real], Real]
    low: Real
    high: Real
    terms: tuple[int, int]
    medium: int = 0
    highs: tuple[Real, Real] | None = None  # where the interval's end depends on the dtype


def _odd(doc: str, function: Callable[[Real], Real], high: Real, terms: tuple[int, int]) -> Fit:
    """(f(x) / x - 1) / x ** 2 in z = x ** 2 up to `high`."""
    return Fit(
        doc,
        lambda z: (function(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / function(mp.sqrt(z)),
        0,
        high,
        terms,
    )


def _twice_atanh(s: Real) -> Real:
    return mp.log((1 + s) / (1 - s))


def _far(v: Real) -> tuple[Real, Real]:
    """x and e ** x ** 2 erfc(x) (1 + 2 x) for v = (x - 3.75) / (x + 3.75)."""
    x = mp.mpf(15) / 4 * (1 + v) / (1 - v)
    return x, mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)


mp.mp.dps = 90
HALF_LN2: Final = mp.mpf("0.34661")
LOG2_0: Final = 2 / mp.log(2)
SEAM: Final = mp.mpf("0.02945")  # ((sqrt 2 - 1) / (sqrt 2 + 1)) ** 2

FITS: Final[dict[str, Fit]] = {
    "EXP": Fit(
        "(e ** r - 1 - r) / r ** 2 for |r| <= log(2) / 2",
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.expm1(r),
        -HALF_LN2,
        HALF_LN2,
        (5, 11),
    ),
    "EXP2": Fit(
        "(2 ** r - 1) / r for |r| <= 1/2",
        lambda r: mp.expm1(r * mp.log(2)) / r,
        lambda r: r / mp.mpf(2) ** r,
        mp.mpf("-0.5001"),
        mp.mpf("0.5001"),
        (7, 12),
        7,
    ),
    "LOG": Fit(
        "(log((1 + s) / (1 - s)) - 2 s) / s ** 3 in s ** 2, (1 + s) / (1 - s) between the roots of 1/2 and 2",
        lambda z: (_twice_atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        lambda z: z * mp.sqrt(z) / _twice_atanh(mp.sqrt(z)),
        0,
        SEAM,
        (3, 7),
    ),
    "LOG1P": Fit(
        "(log(1 + f) - f + f ** 2 / 2) / f ** 3, 1 + f between the roots of 1/2 and 2",
        lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        mp.sqrt("0.5") - 1 - mp.mpf("1e-7"),
        mp.sqrt(2) - 1 + mp.mpf("1e-7"),
        (9, 0),
    ),
    "LOG_ONE_TWO": Fit(
        "(log(1 + e) - e) / e ** 2 for 0 <= e <= 1",
        lambda e: (mp.log1p(e) - e) / e**2,
        lambda e: e**2 / mp.log1p(e),
        0,
        1,
        (9, 20),
    ),
    "LOG2": Fit(
        "(log2((1 + s) / (1 - s)) / s - 2 / log(2)) / s ** 2 in s ** 2, as LOG",
        lambda z: (_twice_atanh(mp.sqrt(z)) / mp.log(2) / mp.sqrt(z) - LOG2_0) / z,
        lambda z: z / 2,
        0,
        SEAM,
        (0, 0),
        5,
    ),
    "LOG2_PAIR": Fit(
        "(log2((1 + s) / (1 - s)) / s - (2 + 2 / 3 s ** 2) / log(2)) / s ** 4 in s ** 2, as LOG",
        lambda z: (_twice_atanh(mp.sqrt(z)) / mp.log(2) / mp.sqrt(z) - LOG2_0 * (1 + z / 3)) / z**2,
        lambda z: z**2 / 2,
        0,
        SEAM,
        (0, 8),
    ),
    "ATANH": _odd("(atanh(x) / x - 1) / x ** 2 in x ** 2 for x <= 1/2", mp.atanh, mp.mpf("0.25"), (6, 14)),
    "SINE": _odd("(sin(x) / x - 1) / x ** 2 in x ** 2 for x <= pi / 4", mp.sin, mp.mpf("0.6170"), (3, 6)),
    "COSINE": Fit(
        "(cos(x) - 1 + x ** 2 / 2) / x ** 4 in x ** 2 for x <= pi / 4",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / mp.cos(mp.sqrt(z)),
        0,
        mp.mpf("0.6170"),
        (3, 6),
    ),
    "ARCSINE": _odd("(asin(x) / x - 1) / x ** 2 in x ** 2 for x <= 1/2", mp.asin, mp.mpf("0.25"), (5, 13)),
    "ARCTANGENT": _odd("(atan(x) / x - 1) / x ** 2 in x ** 2 for x <= 1/2", mp.atan, mp.mpf("0.25"), (6, 13)),
    "SINH": _odd("(sinh(x) / x - 1) / x ** 2 in x ** 2 for x <= 1", mp.sinh, mp.mpf(1), (4, 8)),
    "ERF": Fit(
        "erf(x) / x - 1 in x ** 2 for x <= 1",
        lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
        lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
        0,
        1,
        (7, 14),
    ),
    "ERFC_FAR": Fit(
        "erfc(5/2 + u) for 1 <= 5/2 + u <= 4",
        lambda u: mp.erfc(mp.mpf(5) / 2 + u),
        lambda u: mp.mpf(1),
        mp.mpf("-1.501"),
        mp.mpf("1.451"),
        (15, 0),
    ),
    "ERFC_LOG": Fit(
        "-log(erfc(1 + u)) for 1 <= 1 + u <= 6",
        lambda u: -mp.log(mp.erfc(1 + u)),
        lambda u: mp.erfc(1 + u) / mp.erf(1 + u),
        0,
        mp.mpf("4.95"),
        (0, 22),
    ),
    "ERFC": Fit(
        "e ** x ** 2 erfc(x) (1 + 2 x) - 5/4 in (x - 3.75) / (x + 3.75), 1/2 <= x <= 10.1 (float32) or 27.3 (float64)",
        lambda v: _far(v)[1] - mp.mpf(5) / 4,
        lambda v: 1 / _far(v)[1],
        mp.mpf("-0.76471"),
        mp.mpf("0.46"),
        (11, 23),
        0,
        (mp.mpf("0.46"), mp.mpf("0.7587")),
    ),
    "CUBE_ROOT": Fit(
        "m ** (-1 / 3) for m between the roots of 1/8 and 8",
        lambda m: m ** (-mp.mpf(1) / 3),
        lambda m: m ** (mp.mpf(1) / 3),
        mp.mpf("0.35355"),
        mp.mpf("2.82843"),
        (5, 5),
    ),
}


def fit(weight: list[Real], value: list[Real], x: list[Real], fixed: list[Real], terms: int) -> tuple[list[Real], Real]:
    """The coefficients `fixed` and further ones to `terms` with the smallest largest error on a grid; that error."""
    first, count = len(fixed), terms - len(fixed)
    left = [v - mp.polyval([*fixed[::-1]] or [0], t) for v, t in zip(value, x, strict=True)]
    if not count:
        return fixed, max(abs(w * r) for w, r in zip(weight, left, strict=True))
    powers = [[t ** (first + j) for j in range(count)] for t in x]
    places = [round((len(x) - 1) * (1 - mp.cos(mp.pi * i / count)) / 2) for i in range(count + 1)]
    weight = [
        w * mp.sign(t) ** first for w, t in zip(weight, x, strict=True)
    ]  # t ** first times a polynomial is fitted
    found: list[Real] = []
    errors: list[Real] = []
    for _ in range(40):
        rows = [[*[weight[p] * v for v in powers[p]], (-1) ** i] for i, p in enumerate(places)]
        solution = list(mp.lu_solve(mp.matrix(rows), mp.matrix([weight[p] * left[p] for p in places])))
        found = solution[:-1]
        errors = [w * (r - mp.fdot(found, q)) for w, r, q in zip(weight, left, powers, strict=True)]
        following = _exchange(errors, count + 1)
        if following == places or following is None:
            break
        places = following
    return [*fixed, *found], max(abs(error) for error in errors)


def _exchange(errors: list[Real], count: int) -> list[int] | None:
    """The places of the largest errors of alternating sign."""
    runs: list[int] = []
    for place, error in enumerate(errors):
        if runs and mp.sign(errors[runs[-1]]) == mp.sign(error):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = place
        elif error != 0:
            runs.append(place)
    while len(runs) > count:
        least = min(range(len(runs)), key=lambda place: abs(errors[runs[place]]))
        if least in (0, len(runs) - 1) or len(runs) == count + 1:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        else:  # with its smaller neighbour, so that signs alternate
            neighbour = min(least - 1, least + 1, key=lambda place: abs(errors[runs[place]]))
            del runs[min(least, neighbour) : max(least, neighbour) + 1]
    return runs if len(runs) == count else None


def rounded_fit(record: Fit, high: Real, terms: int, dtype: type[np.floating[Any]]) -> tuple[list[float], Real]:
    """The coefficients in a dtype, and the largest relative error of the elementary function by them."""
    points = 24 * terms
    x = [
        record.low + (high - record.low) * (1 - mp.cos(mp.pi * (i + mp.mpf(1) / 2) / points)) / 2 for i in range(points)
    ]
    value, weight = [record.function(t) for t in x], [abs(record.weight(t)) for t in x]
    fixed: list[Real] = []
    for place in range(terms):
        coefficients, _ = fit(weight, value, x, fixed, terms)
        fixed.append(mp.mpf(float(dtype(mp.nstr(coefficients[place], 30)))))
    return [float(c) for c in fixed], fit(weight, value, x, fixed, terms)[1]


def kept() -> dict[str, dict[str, tuple[float, ...]]]:
    """The coefficients that are in the file."""
    if not PAGE.exists():
        return {}
    spec = importlib.util.spec_from_file_location("coefficients", PAGE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: getattr(module, name) for name in FITS if hasattr(module, name)}


def computed(name: str) -> dict[str, tuple[float, ...]]:
    """The coefficients by dtype; prints how large the error is."""
    record = FITS[name]
    found: dict[str, tuple[float, ...]] = {}
    highs = record.highs or (record.high, record.high)
    wanted = [("float32", np.float32, highs[0], record.terms[0]), ("float64", np.float64, highs[1], record.terms[1])]
    for label, dtype, high, terms in [*wanted, ("medium", np.float64, record.high, record.medium)]:
        if terms:
            coefficients, error = rounded_fit(record, high, terms, dtype)
            found[label] = tuple(coefficients)
            print(f"{name} {label}: {terms} terms, relative error 2 ** {float(mp.log(error, 2)):.1f}", flush=True)
    return found


def _rows(numbers: tuple[float, ...]) -> str:
    """Lines of a few numbers each."""
    rows = [numbers[start : start + IN_A_ROW] for start in range(0, len(numbers), IN_A_ROW)]
    return "".join("        " + " ".join(f"{number!r}," for number in row) + "\n" for row in rows)


def main() -> None:
    """Writes the file."""
    names = sys.argv[1:] or list(FITS)
    found = kept() | {name: computed(name) for name in names}
    text = HEAD
    for name in FITS:
        if name in found:
            rows = [f'    "{label}": (\n{_rows(numbers)}    ),\n' for label, numbers in found[name].items()]
            text += f'\n{name}: Final = {{\n{"".join(rows)}}}\n"""{FITS[name].doc}."""\n'
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
