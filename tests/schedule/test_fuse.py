from __future__ import annotations

import pytest
from planned import apply, matmul, nest, new, number, planned, words

from chainrule.ir.graph import Value
from chainrule.schedule.group import MOST_PLACES
from chainrule.schedule.plan import Contraction, Position


def test_a_chain_is_one_nest() -> None:
    x, y = new(3, 5), new(5)
    out = apply("tanh", apply("add", apply("multiply", x, y), number(1.0)))
    assert words(planned([x, y], [out])) == ["nest multiply add tanh"]


def test_bias_and_activation_are_made_of_the_products_sums() -> None:
    x, w, b = new(3, 5), new(5, 16), new(16)
    assert words(planned([x, w, b], [apply("tanh", apply("add", matmul(x, w), b))])) == ["product dot_general add tanh"]


def test_a_sum_of_whole_numbers_products_is_stored_as_it_is() -> None:
    x, w, b = (new(*shape, dtype="int64") for shape in ((3, 5), (5, 16), (16,)))
    assert words(planned([x, w, b], [apply("add", matmul(x, w), b)])) == ["product dot_general", "nest add"]


def test_what_follows_a_product_of_few_columns_has_a_nest_of_its_own() -> None:
    x, w, v = new(3, 5), new(5, 15), new(5)
    assert words(planned([x, w], [apply("tanh", matmul(x, w))])) == ["product dot_general", "nest tanh"]
    assert words(planned([x, v], [apply("tanh", matmul(x, v))])) == ["product dot_general", "nest tanh"]


def test_counts_are_none_of_what_follows_a_product() -> None:
    """Also where they wait with something else: an epilogue has no positions."""
    x, w, labels = new(20, 5), new(5, 16), new(20, 1, dtype="int64")
    for partner in (labels, apply("add", labels, number(1))):
        chosen = apply("equal", partner, apply("iota", length=16, dtype="int64"))
        plan = planned([x, w, labels], [apply("select", chosen, matmul(x, w), number(0.0))])
        products = [step for step in plan.steps if isinstance(step, Contraction) and step.epilogue]
        values = [value for step in products for _, value in step.epilogue.values]
        assert not any(isinstance(value, Position) for value in values)


def test_softmax_is_one_nest() -> None:
    x = new(7, 5)
    (line,) = words(planned([x], [apply("softmax", x, axes=(1,))]))
    assert line.startswith("nest max") and line.endswith("divide")


def test_cheap_operations_wait_for_the_group_that_needs_them() -> None:
    """The difference is made where it is used, not in the product's group, which came first."""
    x, w, y = new(3, 5), new(5, 16), new(3, 16)
    z = matmul(x, w)
    error = apply("subtract", z, y)
    total = apply("sum", apply("square", error), axes=(0, 1))
    assert words(planned([x, w, y], [total])) == ["product dot_general", "nest subtract square sum"]


def test_what_depends_on_inputs_alone_is_done_first() -> None:
    x, w, t = new(3, 5), new(5, 16), new()
    rate = apply("power", number(0.9), t)
    out = apply("multiply", matmul(x, w), rate)
    assert words(planned([x, w, t], [out])) == ["nest power", "product dot_general multiply"]


def test_what_waited_is_no_longer_early_once_some_of_it_was_done_late() -> None:
    """The exponential joins a group behind the product; what selects of it must come behind that."""
    x, w, c = new(9, 5), new(9), new(9, 5, dtype="bool")
    e = apply("exp", x)
    chosen = apply("select", c, e, number(0.0))
    late = apply("strong_mul", e, apply("dot_general", w, w, contract=((0,), (0,)), batch=((), ())))
    backwards = apply("tanh", apply("flip", chosen, axes=(1,)))
    planned([x, w, c], [late, backwards])


@pytest.mark.parametrize(("first", "second"), [(MOST_PLACES, 1), (MOST_PLACES, MOST_PLACES), (40, 3), (16, 16)])
def test_sums_of_more_arrays_than_a_group_reads(first: int, second: int) -> None:
    xs = [new(3) for _ in range(first + second)]
    planned(xs, [apply("add", tree(xs[:first]), tree(xs[first:]))])


def tree(values: list[Value]) -> Value:
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [apply("add", *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return values[0]


def test_a_value_that_is_used_at_each_step_is_looked_at_once() -> None:
    """2 ** 60 ways lead back to the input."""
    x = new(3)
    y = x
    for _ in range(60):
        y = apply("add", apply("multiply", y, y), apply("negative", y))
    planned([x], [apply("multiply", y, number(0.0))])


def test_a_moment_and_its_parameter_are_updated_together() -> None:
    """Though the product's group is tried first, in vain: the scale is known only later."""
    x, y, w, v = new(30, 5), new(30, 16), new(5, 16), new(5, 16)
    gradient = apply("dot_general", x, y, contract=((0,), (0,)), batch=((), ()))
    scale = apply("sqrt", apply("sum", apply("square", gradient), axes=(0, 1)))
    moment = apply("add", apply("multiply", v, number(0.9)), apply("multiply", gradient, scale))
    out = apply("subtract", w, apply("multiply", moment, number(0.1)))
    plan = planned([x, y, w, v], [out, moment], [(2, 0), (3, 1)])
    assert words(plan)[-1].split()[-4:] == ["multiply", "add", "multiply", "subtract"]
    assert "copy" not in words(plan)


def test_numbers_are_computed_at_once() -> None:
    x = new(3)
    two = apply("add", apply("full", shape=(3,), value=1.0, dtype="float32"), number(1.0))
    plan = planned([x], [apply("multiply", x, two)])
    assert words(plan) == ["nest multiply"]
    assert len(nest(plan).stages[0].values) == 3
