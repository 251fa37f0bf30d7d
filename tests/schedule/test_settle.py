from __future__ import annotations

import pytest
from planned import apply, matmul, nest, new, number, part, planned, words, written


def test_an_output_is_computed_where_it_goes() -> None:
    x = new(4)
    plan = planned([x], [apply("tanh", x)])
    assert written(plan, nest(plan)) == [plan.outputs[0]]


def test_an_update_is_written_over_its_parameter() -> None:
    w, g = new(4, 5), new(4, 5)
    plan = planned([w, g], [apply("subtract", w, apply("multiply", g, number(0.1)))], [(0, 0)])
    assert written(plan, nest(plan)) == [plan.inputs[0]] == [plan.outputs[0]]
    assert words(plan) == ["nest multiply subtract"]


def test_a_parameter_with_an_axis_of_length_1() -> None:
    for shape in ((4, 1), (1, 4), (1, 1)):
        w, g = new(*shape), new(*shape)
        assert words(planned([w, g], [apply("subtract", w, g)], [(0, 0)])) == ["nest subtract"]


def test_rows_whose_axis_is_put_back_are_written_over() -> None:
    b, x = new(40, 1), new(40, 16)
    kept = apply("reshape", apply("max", apply("add", x, b), axes=(1,)), shape=(40, 1))
    planned([b, x], [kept], [(0, 0)])
    planned([b], [apply("reshape", apply("max", b, axes=(1,)), shape=(40, 1))], [(0, 0)])


def test_rows_are_written_over_though_there_is_a_later_pass() -> None:
    """A running mean, beside what is centred by the mean of this batch."""
    x, running = new(40, 16), new(16)
    mean = apply("sum", x, axes=(0,))
    out = apply("add", apply("multiply", running, number(0.9)), mean)
    assert words(planned([x, running], [out, apply("subtract", x, mean)], [(1, 0)])) == [
        "nest sum multiply add subtract"
    ]


def test_a_parameter_is_kept_as_long_as_it_is_read() -> None:
    w, x = new(16, 16), new(3, 16)
    gradient = apply("dot_general", x, matmul(x, w), contract=((0,), (0,)), batch=((), ()))
    new_w = apply("subtract", w, gradient)
    plan = planned([w, x], [new_w], [(0, 0)])
    assert words(plan) == ["product dot_general", "product dot_general subtract"]
    planned([w, x], [new_w, matmul(x, apply("add", w, new_w))], [(0, 0)])


def test_elements_that_are_read_elsewhere_are_not_written_over() -> None:
    w = new(5, 5)
    for other in (apply("transpose", w, axes=(1, 0)), apply("flip", w, axes=(0,)), part(w, (0, 1), (0, 5))):
        assert words(planned([w], [apply("add", w, other)], [(0, 0)])) == ["nest add", "copy"]


def test_what_a_sum_is_made_of_is_written_over_in_the_last_pass() -> None:
    w = new(4, 5)
    total = apply("sum", apply("square", w), axes=(1,))
    out = apply("multiply", w, apply("reshape", total, shape=(4, 1)))
    assert words(planned([w], [out], [(0, 0)])) == ["nest square sum multiply"]


def test_what_is_computed_again_in_a_later_pass_is_not_written_over_before() -> None:
    w = new(4, 5)
    y = apply("square", w)
    total = apply("reshape", apply("sum", y, axes=(1,)), shape=(4, 1))
    assert "copy" in words(planned([w], [apply("negative", w), apply("multiply", y, total)], [(0, 0)]))


def test_what_all_columns_of_a_row_read_is_written_over_behind_them() -> None:
    """A bias, and its update."""
    x, b = new(5, 40), new(5)
    y = apply("sigmoid", apply("add", x, apply("reshape", b, shape=(5, 1))))
    out = apply("subtract", b, apply("sum", y, axes=(1,)))
    assert words(planned([x, b], [out], [(1, 0)])) == ["nest add sigmoid sum subtract"]
    later = apply("multiply", y, apply("reshape", apply("max", y, axes=(1,)), shape=(5, 1)))
    assert "copy" not in words(planned([x, b], [out, later]))
    planned([x, b], [out, later], [(1, 0)])
    long = new(9, 9000)
    y = apply("add", long, apply("reshape", c := new(9), shape=(9, 1)))
    assert len(words(planned([long, c], [apply("subtract", c, apply("sum", y, axes=(1,)))], [(1, 0)]))) == 2


def test_rows_are_written_over_by_sums() -> None:
    b, x = new(4), new(4, 5)
    plan = planned([b, x], [apply("subtract", b, apply("sum", x, axes=(1,)))], [(0, 0)])
    assert words(plan) == ["nest sum subtract"]
    assert written(plan, nest(plan)) == [plan.inputs[0]]


@pytest.mark.parametrize("count", [2, 3])
def test_one_value_for_several_outputs(count: int) -> None:
    x = new(4)
    y = apply("tanh", x)
    assert words(planned([x], [y] * count)) == ["nest tanh"] + ["copy"] * (count - 1)
    planned([x, z := new(4)], [y, y, x, z], [(0, 1), (1, 0)])


def test_inputs_as_outputs() -> None:
    x, y = new(4), new(4)
    assert words(planned([x], [x], [(0, 0)])) == []
    assert words(planned([x], [x])) == ["copy"]
    planned([x, y], [y, x], [(0, 0), (1, 1)])
    planned([x, y], [apply("flip", x, axes=(0,)), x, y], [(0, 0)])
    planned([x, y], [y, y, x], [(0, 0), (1, 1)])


def test_an_input_that_is_returned_and_replaced_is_copied_first() -> None:
    x = new(4)
    assert words(planned([x], [apply("tanh", x), x], [(0, 0)])) == ["copy", "nest tanh"]


PARTS = {
    "columns": lambda y: apply("reshape", part(y, (0, 4), (0, 3)), shape=(2, 2, 3)),
    "later columns": lambda y: apply("reshape", part(y, (0, 4), (1, 4)), shape=(2, 2, 3)),
    "backwards": lambda y: apply("reshape", apply("flip", y, axes=(0,)), shape=(2, 2, 6)),
    "rows": lambda y: apply("reshape", part(y, (1, 3), (0, 6)), shape=(12,)),
    "transposed": lambda y: apply("transpose", y, axes=(1, 0)),
}


@pytest.mark.parametrize("way", PARTS)
def test_a_part_of_an_array_is_no_array_of_its_own(way: str) -> None:
    x = new(4, 6)
    y = apply("tanh", x)
    planned([x], [PARTS[way](y)])
    planned([x], [PARTS[way](y), y])
    planned([x], [y, PARTS[way](y)], [(0, 0)])


def test_axes_of_length_1_change_no_place() -> None:
    x = new(4, 6)
    kept = apply("reshape", apply("sum", x, axes=(1,)), shape=(4, 1))
    assert words(planned([x], [kept])) == ["nest sum"]
    assert words(planned([x], [apply("reshape", apply("tanh", x), shape=(24,))])) == ["nest tanh"]


def test_numbers_and_counts_as_outputs() -> None:
    x = new(3)
    planned(
        [x], [apply("full", shape=(2, 2), value=3, dtype="int32"), apply("iota", length=3, dtype="float32")], [(0, 1)]
    )
