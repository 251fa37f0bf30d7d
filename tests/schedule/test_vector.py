from __future__ import annotations

import pytest
from planned import apply, matmul, new, planned, words

from chainrule.ir.graph import Value
from chainrule.schedule.vector import LONG, MUCH, SHORTEST


def by_rows(x: Value, y: Value) -> Value:
    """The sums of products along the last axes of both."""
    return apply("dot_general", x, y, contract=((len(x.shape) - 1,), (len(y.shape) - 1,)), batch=((), ()))


def is_sum(x: Value, y: Value) -> bool:
    """Whether the products along the last axes are a sum along the vector, in parts or not."""
    found = set(words(planned([x, y], [by_rows(x, y)])))
    assert found in ({"nest multiply sum"}, {"product dot_general"})
    return found == {"nest multiply sum"}


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_a_vector_with_the_rows_of_a_matrix_is_a_sum_of_each(rows: int) -> None:
    assert is_sum(new(rows, SHORTEST), new(SHORTEST))
    assert is_sum(new(SHORTEST), new(rows, SHORTEST))
    assert not is_sum(new(rows, SHORTEST - 1), new(SHORTEST - 1))


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_a_matrix_of_one_row_is_a_matrix_like_others(rows: int) -> None:
    assert not is_sum(new(rows, SHORTEST), new(7, SHORTEST))
    assert not is_sum(new(7, SHORTEST), new(rows, SHORTEST))
    assert not is_sum(new(rows, LONG - 1), new(1, LONG - 1))


def test_two_vectors_are_a_sum_and_so_are_one_long_row_and_one_long_column() -> None:
    assert is_sum(new(2), new(2))
    assert is_sum(new(1, LONG), new(1, LONG))
    x, y = new(1, LONG), new(LONG, 1)
    assert words(planned([x, y], [matmul(x, y)])) == ["nest multiply sum"] * 2  # it is cut


def test_a_row_with_many_rows_is_a_sum_of_each_where_it_is_a_result() -> None:
    row, matrix = new(1, 512), new(MUCH // 512, 512)
    turned = apply("transpose", matrix, axes=(1, 0))
    for product in (by_rows(row, matrix), by_rows(matrix, row), matmul(row, turned)):
        assert words(planned([row, matrix], [product])) == ["nest multiply sum"]
    vector = new(512)
    assert words(planned([vector, matrix], [apply("tanh", matmul(vector, turned))])) == ["nest multiply sum tanh"]
    product = by_rows(row, matrix)
    assert words(planned([row, matrix], [apply("tanh", product)])) == ["product dot_general tanh"]
    assert "product dot_general" in words(planned([row, matrix], [product, apply("sort", product, axis=1)]))
    few = new(MUCH // 512 - 1, 512)
    assert words(planned([row, few], [by_rows(row, few)])) == ["product dot_general"]
