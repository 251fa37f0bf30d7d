"""Native elementwise operations against NumPy's: every record, the dtypes it takes, numbers that are special."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import pytest
from native_loops import loop, result_dtype
from ulps import mathematics, of_two

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.scalar.apply import loop_dtypes, scalar
from chainrule.backend.llvm.values import F64
from chainrule.errors import BackendError, ChainruleError
from chainrule.ir.kinds import Scalar
from chainrule.ir.op import OPS, Op
from chainrule.testing.catalog import catalog
from chainrule.testing.draws import draws

Array = np.ndarray[Any, Any]

KNOWN: Final = {op.name for ops in catalog().values() for op in ops}
NAMES: Final = sorted(
    name for name, op in OPS.items() if name in KNOWN and isinstance(op.lowering, Scalar) and name != "in_range"
)
DTYPES: Final = tuple(np.dtype(t) for t in ("f4", "f8", "i4", "i8", "u1", "?"))
MIXED: Final = tuple(
    (np.dtype(x), np.dtype(y))
    for x, y in (
        ("f4", "f8"),
        ("f4", "i4"),
        ("i4", "i8"),
        ("u1", "i4"),
        ("?", "f4"),
        ("i8", "f4"),
        ("f8", "u1"),
        ("?", "u1"),
    )
)
ROUNDED: Final = frozenset({*mathematics(), *of_two()} - {"sqrt", "reciprocal"})
"""Functions whose result is not the nearest number: within 2 ulp of float64's, or some of NumPy's own."""

SPECIAL: Final[dict[str, list[Any]]] = {
    "f": [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25, 2.5, -0.3, 6.5e9, 1e-40, -1e30, 1e30, np.inf, -np.inf, np.nan],
    "b": [False, True],
    "u": [0, 1, 2, 3, 7, 8, 9, 200, 255],
    "i": [0, 1, -1, 2, -2, 3, 5, -7, 31, 32, 63, 64, 65, 100],
}


def special(dtype: np.dtype[Any]) -> Array:
    """Numbers at which functions have cases of their own."""
    found = SPECIAL[dtype.kind]
    if dtype.kind == "i":
        found = [*found, np.iinfo(dtype).max, np.iinfo(dtype).min]
    return np.array(found, dtype)


def combinations(op: Op) -> list[tuple[tuple[np.dtype[Any], ...], dict[str, Any]]]:
    """The dtypes of operands that the operation takes, and attributes."""
    if op.name == "cast":
        return [((d,), {"dtype": to.name}) for d in DTYPES for to in DTYPES]
    arity = len(op.cases[0].shapes)
    if op.name == "sinc":
        return [((d,), {"order": order}) for d in DTYPES for order in (0, 1, 2, 4)]
    if op.name == "select":
        return [((np.dtype("?"), *pair), {}) for pair in (*zip(DTYPES, DTYPES, strict=True), *MIXED)]
    rows = [(d,) * arity for d in DTYPES]
    return [(row, {}) for row in (rows if arity == 1 else [*rows, *MIXED])]


def accepted(op: Op, dtypes: tuple[np.dtype[Any], ...], attrs: dict[str, Any]) -> bool:
    try:
        result_dtype(op.name, attrs, dtypes)
    except ChainruleError:
        return False
    return True


def grid(op: Op, dtypes: tuple[np.dtype[Any], ...], out: np.dtype[Any]) -> list[Array]:
    """Every pair of special numbers; exponents of integers are not negative, where NumPy has an error."""
    found = [x.ravel() for x in np.meshgrid(*map(special, dtypes), indexing="ij")]
    if op.name == "power" and out.kind == "i":
        found[1] = np.where(found[1] < 0, 5, found[1]).astype(dtypes[1])
    return found


def reference(op: Op, operands: list[Array], attrs: dict[str, Any]) -> Array:
    """NumPy's value; of float32 functions that are rounded, that in float64."""
    wide = op.name in ROUNDED and all(x.dtype.kind != "f" or x.dtype == np.float32 for x in operands)
    if wide and op.name not in ("xlogy", "logaddexp", "logaddexp2"):
        operands = [x.astype(np.float64) if x.dtype == np.float32 else x for x in operands]
    with np.errstate(all="ignore"):
        return np.asarray(op.numpy(*operands, **attrs))


def assert_same(op: Op, got: Array, want: Array, operands: list[Array]) -> None:
    """Bits of integers and booleans; NaN, infinities, and signs of zeros; a few ulp of rounded functions."""
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    with np.errstate(over="ignore"):
        rounded = want.astype(got.dtype)
    same = (np.isnan(got) & np.isnan(rounded)) | ((got == rounded) & (np.signbit(got) == np.signbit(rounded)))
    if op.name in ("maximum", "minimum"):
        same |= (got == 0) & (rounded == 0)  # of zeros with different signs either
    if op.name in ROUNDED:
        same |= near(op, got, want, rounded)
    places = np.flatnonzero(~same.ravel())
    assert not places.size, [(*(x.ravel()[i] for x in operands), got.ravel()[i], want.ravel()[i]) for i in places[:5]]


def near(op: Op, got: Array, want: Array, rounded: Array) -> Array:
    """Whether the difference is a few ulp, where neither is a zero; of sums that cancel in ulp of 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance, scale = np.abs(got - want), np.abs(rounded)
        if op.name == "sinc":  # NumPy's own error; its derivatives here go up to 300
            return distance <= 1e3 * np.finfo(got.dtype).eps
        if op.name in ("logaddexp", "logaddexp2"):
            scale = np.maximum(scale, 1)
        return (distance <= 4 * np.spacing(scale)) & ((got != 0) | (rounded != 0))


@pytest.mark.parametrize("name", NAMES)
def test_special_numbers_are_as_numpy_has_them(name: str) -> None:
    op, checked = OPS[name], 0
    for dtypes, attrs in combinations(op):
        if accepted(op, dtypes, attrs):
            operands = grid(op, dtypes, result_dtype(name, attrs, dtypes))
            got = loop(name, dtypes, 8, **attrs)(*operands)
            assert_same(op, got, reference(op, operands, attrs), operands)
            checked += 1
    assert checked


@pytest.mark.parametrize("name", NAMES)
def test_the_cases_of_the_record(name: str) -> None:
    op = OPS[name]
    for draw in itertools.islice(draws(op), 0, None, 2):
        for drawn in (draw, draw.narrowed()):
            operands = [np.ascontiguousarray(x) for x in np.broadcast_arrays(*drawn.operands)]
            dtypes = [x.dtype for x in operands]
            got = loop(name, dtypes, 8, **drawn.attrs)(*operands)
            assert_same(op, got, reference(op, operands, drawn.attrs), operands)


@pytest.mark.parametrize("name", NAMES)
def test_every_width_gives_the_same_bits_and_so_do_fewer_instructions(name: str) -> None:
    op, seen = OPS[name], set[Any]()
    for dtypes, attrs in combinations(op):
        if len(set(dtypes)) == 1 and len(seen) < 2 and accepted(op, dtypes, attrs) and dtypes not in seen:
            seen.add(dtypes)
            operands = grid(op, dtypes, result_dtype(name, attrs, dtypes))
            made = [*((lanes, "") for lanes in (0, 8, 16)), (8, "baseline")]
            first, *others = (loop(name, dtypes, lanes, level, **attrs)(*operands) for lanes, level in made)
            numbers = ~np.isnan(first) if first.dtype.kind == "f" else np.ones(first.shape, bool)
            for other in others:  # NaN is NaN, with whatever payload
                np.testing.assert_array_equal(other[~numbers], first[~numbers])
                assert other[numbers].tobytes() == first[numbers].tobytes()


def test_loops_have_numpys_dtypes() -> None:
    f4, f8, i4, i8, u1, boolean = DTYPES
    assert loop_dtypes("add", [f4, i4]) == (f8, f8, f8)
    assert loop_dtypes("divide", [u1, u1]) == (f8, f8, f8)
    assert loop_dtypes("signbit", [u1]) == (f4, boolean)
    assert loop_dtypes("strong_mul", [i4, i8]) == (i8, i8, i8)
    assert loop_dtypes("erf", [i4]) == (f8, f8)


def test_what_has_no_native_code_is_named() -> None:
    module = Module()
    with (
        module.function("f", F64, x=F64) as f,
        pytest.raises(BackendError, match="native code for float64, got in_range"),
    ):
        scalar(f, "in_range", {}, f.arguments, [DTYPES[1]], DTYPES[1])
