"""`dot_general` with every kind of attributes, against einsum."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.api.jit import jit
from chainrule.errors import ShapeError
from chainrule.ir.op import OPS
from chainrule.ops.contraction import dot_general
from chainrule.types import Type, type_of

LETTERS = "abcdefghijklmnop"


def by_einsum(x: Any, y: Any, contract: Any, batch: Any) -> Any:
    """The contraction as NumPy's einsum computes it."""
    xs = list(LETTERS[: x.ndim])
    ys = list(LETTERS[x.ndim : x.ndim + y.ndim])
    for pairs in (contract, batch):
        for i, j in zip(*pairs, strict=True):
            ys[j] = xs[i]
    first = [xs[i] for i in batch[0]]
    rows = [xs[i] for i in range(x.ndim) if i not in contract[0] + batch[0]]
    columns = [ys[j] for j in range(y.ndim) if j not in contract[1] + batch[1]]
    return np.einsum(f"{''.join(xs)},{''.join(ys)}->{''.join(first + rows + columns)}", x, y)


@st.composite
def contractions(draw: Any, lengths: Any) -> tuple[Any, ...]:
    """Shapes and attributes: up to two contracted, batch and free axes on each side, in any order."""
    kinds = [draw(st.integers(0, 2)) for _ in range(4)]
    contracted, batches, rows, columns = ([draw(lengths) for _ in range(k)] for k in kinds)
    sides = []
    for free in (rows, columns):
        given_lengths = [*contracted, *batches, *free]
        order = draw(st.permutations(range(len(given_lengths))))  # axis i holds length order[i]
        shape = tuple(given_lengths[k] for k in order)
        place = {k: i for i, k in enumerate(order)}
        paired = tuple(place[k] for k in range(len(contracted)))
        sides.append((shape, paired, tuple(place[len(contracted) + k] for k in range(len(batches)))))
    (x_shape, x_over, x_batch), (y_shape, y_over, y_batch) = sides
    return x_shape, y_shape, (x_over, y_over), (x_batch, y_batch)


@settings(max_examples=300)
@given(contractions(st.integers(0, 4)), st.integers(0, 2**31))
def test_values_and_type(drawn: Any, number: int) -> None:
    x_shape, y_shape, contract, batch = drawn
    rng = np.random.default_rng(number)
    x, y = rng.normal(size=x_shape), rng.normal(size=y_shape)
    found = dot_general(x, y, contract=contract, batch=batch)
    np.testing.assert_allclose(found, by_einsum(x, y, contract, batch), rtol=1e-12, atol=1e-12)
    assert type_of(found) == dot_general.infer(type_of(x), type_of(y), contract=contract, batch=batch)
    apart = dot_general(np.array(x, order="F"), y.astype(np.float32), contract=contract, batch=batch)
    np.testing.assert_allclose(apart, found, rtol=1e-4, atol=1e-4)


@settings(max_examples=60)
@given(contractions(st.integers(1, 3)), st.integers(0, 2**31))
def test_derivatives(drawn: Any, number: int) -> None:
    x_shape, y_shape, contract, batch = drawn
    rng = np.random.default_rng(number)
    x, y = rng.normal(size=x_shape), rng.normal(size=y_shape)
    check_both_modes(lambda x, y: dot_general(x, y, contract=contract, batch=batch), x, y, staged=number % 4 == 0)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_derivatives_in_every_order_of_contracted_axes(order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    lengths = (2, 3, 4)
    x = rng.normal(size=(*lengths, 2))
    y = rng.normal(size=(3, *[lengths[k] for k in order]))
    over = (order, (1, 2, 3))
    assert dot_general(x, y, contract=over, batch=((), ())).shape == (2, 3)
    check_both_modes(lambda x, y: dot_general(x, y, contract=over, batch=((), ())), x, y)


def test_the_same_operand_twice_counts_twice() -> None:
    x = np.random.default_rng(4).normal(size=(3, 3))
    for over in (((1,), (0,)), ((0,), (0,)), ((1,), (1,)), ((0, 1), (1, 0))):
        check_both_modes(lambda x: dot_general(x, x, contract=over, batch=((), ())), x)  # noqa: B023


@pytest.mark.parametrize("dtypes", [("int32", "int64"), ("uint8", "uint8"), ("bool", "bool"), ("float64", "int32")])
def test_dtypes(dtypes: tuple[str, str]) -> None:
    rng = np.random.default_rng(6)
    for shapes, attrs in (
        (((2, 3), (3, 2)), {"contract": ((1,), (0,)), "batch": ((), ())}),
        (((4, 2, 3), (4, 3)), {"contract": ((2,), (1,)), "batch": ((0,), (0,))}),
        (((2,), (3,)), {"contract": ((), ()), "batch": ((), ())}),
    ):
        x, y = (rng.integers(0, 9, shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True))
        found = dot_general(x, y, **attrs)
        want = by_einsum(x, y, **attrs)
        assert found.dtype == want.dtype == jit(lambda x, y: dot_general(x, y, **attrs))(x, y).dtype  # noqa: B023
        np.testing.assert_array_equal(found, want)


def test_nothing_is_written_to_and_nothing_shared() -> None:
    x, y = np.ones((2, 3)), np.ones((3, 2))
    out = dot_general(x, y, contract=((1,), (0,)), batch=((), ()))
    out[...] = 7
    assert x.min() == x.max() == y.min() == y.max() == 1
    scalar = dot_general(np.array(2.0), np.array([3.0]), contract=((), ()), batch=((), ()))
    assert scalar.tolist() == [6.0]


@pytest.mark.parametrize(
    ("shapes", "contract", "batch", "text"),
    [
        (((5, 3), (4, 2)), ((1,), (0,)), ((), ()), r"equal lengths along the contracted axes, got f64\[5,3\] and f64"),
        (((2, 5, 3), (1, 3, 2)), ((2,), (1,)), ((0,), (0,)), r"equal lengths along the batch axes"),
        (
            ((2, 3), (3, 2)),
            ((0, 1), (0, 1)),
            ((), ()),
            r"over axes \[0, 1\] and \[0, 1\] at .*test_contraction\.py:\d+",
        ),
        (((2, 3), (3, 2)), ((1, 1), (0, 0)), ((), ()), "pairs of different axes"),
        (((2, 3), (3, 2)), ((1,), (0, 1)), ((), ()), "pairs of different axes"),
        (((2, 3), (3, 2)), ((2,), (0,)), ((), ()), "pairs of different axes"),
    ],
)
def test_errors(shapes: Any, contract: Any, batch: Any, text: str) -> None:
    x, y = (np.ones(shape) for shape in shapes)
    with pytest.raises(ShapeError, match=text):
        dot_general.infer(type_of(x), type_of(y), contract=contract, batch=batch)
    with pytest.raises(ShapeError, match=text):
        jit(lambda x, y: dot_general(x, y, contract=contract, batch=batch))(x, y)


def test_lengths_that_would_broadcast_or_merge_are_errors() -> None:
    """NumPy alone would compute something: a batch axis of length 1, and merged axes of as many elements."""
    with pytest.raises(ShapeError, match="batch axes"):
        dot_general(np.ones((1, 2, 3)), np.ones((4, 3, 2)), contract=((2,), (1,)), batch=((0,), (0,)))
    with pytest.raises(ShapeError, match="contracted axes"):
        dot_general(np.ones((2, 3)), np.ones((3, 2)), contract=((0, 1), (0, 1)), batch=((), ()))


def test_record() -> None:
    assert OPS["dot_general"] is dot_general
    weak = Type((), np.dtype(np.float64), weak=True)
    array = Type((3,), np.dtype(np.float32))
    assert dot_general.infer(weak, array, contract=((), ()), batch=((), ())).shape == (3,)
