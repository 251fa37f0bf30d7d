"""einsum in every form, against NumPy's, with derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from hypothesis import given, settings
from hypothesis import strategies as st
from same_as_numpy import check_same

from chainrule.api.derivatives import grad
from chainrule.api.jit import graph, jit
from chainrule.errors import ShapeError
from chainrule.ir.graph import Graph
from chainrule.numpy import einsum

RNG = np.random.default_rng(12)
SIZES = dict(zip("abcdijklmn", (2, 3, 2, 4, 3, 2, 4, 3, 2, 3), strict=True))
FORMULAS = [
    "ij->ji",
    "ij->",
    "ij",
    "ba",
    "ii",
    "ii->i",
    "iij->j",
    "iij->ij",
    "jii->ji",
    "iji->ij",
    "iiji->ij",
    "iijj->ij",
    "iijj->",
    "ijij->ji",
    "i,i",
    "i,j",
    "i,j->ji",
    "ij,jk",
    "ij,jk->ki",
    "ij,kj->ik",
    "ij,ij->ij",
    "ij,ij->i",
    "ij,ji->",
    "ij,j->ij",
    "bij,bjk->bik",
    "bij,bjk->k",
    "bij,bkj->bki",
    "abi,cbi->abc",
    "abij,abjk->abik",
    "ii,ij->ij",
    "iij,jk->ik",
    "ij,jk,kl->il",
    "ij,jk,kl,lm->mi",
    "i,i,i->i",
    "a,b,c->cab",
    "ij,ij,ij->",
    "ij,k->k",
]


def operands(formula: str) -> list[Any]:
    inputs = formula.partition("->")[0].replace(" ", "").split(",")
    return [RNG.normal(size=[SIZES[label] for label in labels]) for labels in inputs]


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas(formula: str) -> None:
    given_arrays = operands(formula)
    check_same(lambda *xs: einsum(formula, *xs), lambda *xs: np.einsum(formula, *xs), *given_arrays)
    check_both_modes(lambda *xs: einsum(formula, *xs), *given_arrays)


@pytest.mark.parametrize(
    ("formula", "shapes"),
    [
        ("...", [(2, 3)]),
        ("...i->i...", [(2, 3, 4)]),
        ("i...->...", [(2, 3, 4)]),
        ("...ij->...ji", [(5, 2, 3)]),
        ("...ii->...", [(2, 3, 3)]),
        ("...ij,...jk->...ik", [(4, 2, 3), (4, 3, 2)]),
        ("...ij,...jk->...ik", [(4, 2, 3), (3, 2)]),
        ("...ij,...jk", [(5, 1, 2, 3), (4, 3, 2)]),
        ("i...j,j->...i", [(2, 4, 5, 3), (3,)]),
        ("...,...", [(2, 3), (3,)]),
        (" i j , j k -> k i ", [(2, 3), (3, 4)]),
        ("ij,ij->ij", [(2, 1), (2, 3)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,j->i", [(2, 3), (1,)]),
        ("ij,jk->ik", [(0, 3), (3, 4)]),
        ("ij,jk->ik", [(2, 0), (0, 4)]),
        ("ii->i", [(0, 0)]),
        ("i,->i", [(3,), ()]),
        (",->", [(), ()]),
    ],
)
def test_ellipsis_broadcasting_and_empty_axes(formula: str, shapes: Any) -> None:
    given_arrays = [RNG.normal(size=shape) for shape in shapes]
    check_same(lambda *xs: einsum(formula, *xs), lambda *xs: np.einsum(formula, *xs), *given_arrays)
    check_both_modes(lambda *xs: einsum(formula, *xs), *given_arrays)


def test_lists_of_labels() -> None:
    x, y = RNG.normal(size=(2, 3)), RNG.normal(size=(5, 3, 4))
    for arguments in (
        (x, [0, 1], y, [5, 1, 2], [2, 5, 0]),
        (x, [0, 1], y, [5, 1, 2]),
        (x, [0, 1], y, [..., 1, 2], [..., 0, 2]),
    ):
        np.testing.assert_allclose(einsum(*arguments), np.einsum(*arguments), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8", "bool"])
def test_dtypes(dtype: str) -> None:
    x = RNG.integers(0, 99, size=(3, 3)).astype(dtype)
    for formula in ("ij->", "ij->i", "ii", "ij,jk->ik", "ij,ij->i", "ij,kl->k"):
        count = formula.count(",") + 1
        check_same(lambda *xs: einsum(formula, *xs), lambda *xs: np.einsum(formula, *xs), *[x] * count)  # noqa: B023
    check_same(lambda x: einsum("ij->", x, dtype="float64"), lambda x: np.einsum("ij->", x, dtype="float64"), x)


def test_the_same_operand_again() -> None:
    x = RNG.normal(size=(3, 3))
    for formula in ("ij,jk->ik", "ij,ij->", "ij,ji->", "ii,ij->ij", "ij,jk,ki->"):
        check_both_modes(lambda x: einsum(formula, *[x] * (formula.count(",") + 1)), x)  # noqa: B023


def multiplications(graph: Graph) -> int:
    """The number of products in the contractions of a graph whose operands are matrices or vectors."""
    total = 0
    for node in graph.nodes:
        if node.op.name == "dot_general":
            x, y = node.inputs
            total += x.type.size * y.type.size // int(np.prod([x.shape[i] for i in node.attrs["contract"][0]]))
    return total


def test_the_cheapest_pair_comes_first() -> None:
    x, y, z = np.ones((30, 2)), np.ones((2, 30)), np.ones((30,))
    assert multiplications(graph(lambda x, y, z: einsum("ij,jk,k->i", x, y, z))(x, y, z)) == 120
    assert multiplications(graph(lambda x, y, z: einsum("k,ki,ij->j", z, x, y))(x, y, z)) == 120


LABELS = st.lists(st.sampled_from("abcd"), min_size=0, max_size=4)


@settings(max_examples=250)
@given(st.lists(LABELS, min_size=1, max_size=3), st.data())
def test_random_formulas(inputs: list[list[str]], data: Any) -> None:
    used = sorted({label for labels in inputs for label in labels})
    output = data.draw(st.permutations(used).map(lambda p: p[: len(p) // 2 + 1]))
    sizes = {label: data.draw(st.integers(0, 3)) for label in used}
    formula = f"{','.join(map(''.join, inputs))}->{''.join(output)}"
    rng = np.random.default_rng(len(used))
    given_arrays = [rng.normal(size=[sizes[label] for label in labels]) for labels in inputs]
    found, want = einsum(formula, *given_arrays), np.einsum(formula, *given_arrays)
    assert np.shape(found) == np.shape(want)
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-12)


def test_a_view_where_numpy_gives_one_and_never_the_operand() -> None:
    x = np.arange(9.0).reshape(3, 3)
    for formula in ("ij->ij", "ij->ji", "ij"):
        out = einsum(formula, x)
        assert out is not x
        assert np.shares_memory(out, x)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ij,jk->ik", (2, 3), (4, 5)), r"one length for 'j' in 'ij,jk->ik', got 3 and 4 in shapes \(2, 3\), \(4, 5\)"),
        (("ii->i", (1, 3)), r"one length for 'i' in 'ii->i', got 1 and 3"),
        (("...i,...i", (2, 3), (4, 3)), r"one length for '\.\.\.'"),
        (("ij->k", (2, 3)), "an output in which labels of the operands stand once"),
        (("ij->ii", (2, 3)), "an output in which labels of the operands stand once"),
        (("i...->i", (2, 3)), r"'\.\.\.' too where it has axes, got 'i\.\.\.->i'"),
        (("ij", (2,)), "expected 2 axes for the labels ij in 'ij', got an operand with 1 axes"),
        (("ij,jk", (2, 3)), "expected 2 operands for 'ij,jk', got 1"),
        (("i1", (2, 3)), "expected letters, at most one '...' in each operand"),
        (("i->i->i", (2,)), "expected letters, at most one '...' in each operand"),
        (("i......", (2,)), "expected letters, at most one '...' in each operand"),
    ],
)
def test_errors(arguments: Any, text: str) -> None:
    formula, *shapes = arguments
    given_arrays = [np.ones(shape) for shape in shapes]
    for run in (einsum, jit(einsum)):
        with pytest.raises(ShapeError, match=text + r".* at .*test_einsum\.py:\d+"):
            run(formula, *given_arrays)


def test_no_formula_is_an_error() -> None:
    with pytest.raises(
        ShapeError, match="expected a formula such as 'ij,jk->ik', or every array followed by its labels"
    ):
        einsum(np.ones(3), np.ones(3))
    with pytest.raises(ShapeError, match="expected a formula such as"):
        grad(lambda x: einsum(x))(np.ones(3))
