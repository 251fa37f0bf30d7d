from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from planned import apply, matmul, new, number, part, planned, words

from chainrule.ir.graph import Value
from chainrule.schedule.plan import Loop, Plan
from chainrule.schedule.tile import FEWEST, FEWEST_TILES, LARGE, MOST, TILE

N = 4096


def tiles(plan: Plan) -> list[Loop]:
    return [step for step in plan.steps if isinstance(step, Loop) and step.parallel]


def layers(x: Value, *weights: Value) -> Value:
    for w in weights:
        x = apply("tanh", matmul(x, w))
    return x


def test_layers_over_many_rows_are_tiled() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    plan = planned([x, w, v], [layers(x, w, v)])
    assert words(plan) == ["tiles 32", *["  product dot_general tanh"] * 2]
    (loop,) = tiles(plan)
    assert all(step.rows == (N // 32,) for step in loop.steps)


def test_what_only_the_tiles_need_is_memory_of_a_tile() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    plan = planned([x, w, v], [layers(x, w, v)])
    (loop,) = tiles(plan)
    between = loop.steps[0].epilogue.stores[0].place.buffer
    assert (between.kind, between.nbytes) == ("arena", N // 32 * 32 * 4)
    assert {slot.source for slot in loop.slots} == {plan.inputs[0], plan.outputs[0]}


def test_few_rows_or_few_bytes_are_not_tiled() -> None:
    w, v = new(4, 4), new(4, 4)
    for rows in (FEWEST * FEWEST_TILES // 2, LARGE // 64 // 2):
        x = new(rows, 4)
        assert not tiles(planned([x, w, v], [layers(x, w, v)]))


def test_the_features_of_one_row_are_not_its_rows() -> None:
    found: list[list[str]] = []
    for rows in (1, 2):
        w, x, z = new(600, 600), new(rows, 600), new(rows, 600)
        backward = apply("tanh", matmul(z, w))
        update = apply("subtract", w, apply("dot_general", z, x, contract=((0,), (0,)), batch=((), ())))
        found.append(words(planned([w, x, z], [backward, update])))
    assert found[0] == found[1]


def test_one_step_alone_is_not_tiled() -> None:
    x, w = new(N, 32), new(32, 32)
    assert not tiles(planned([x, w], [layers(x, w)]))


def test_large_weights_are_not_read_by_every_tile() -> None:
    x, w, v = new(600, 256), new(256, 256), new(256, 256)
    assert not tiles(planned([x, w, v], [layers(x, w, v)]))


@pytest.mark.parametrize("rows", [1009 * 4, 5000, 8209])
def test_rows_that_are_left_over_are_a_tile_of_their_own(rows: int) -> None:
    x, w, v = new(rows, 32), new(32, 32), new(32, 8)
    plan = planned([x, w, v], [layers(x, w, v), apply("sum", layers(x, w), axes=(0,))])
    found = tiles(plan)
    assert sum(loop.length * loop.steps[0].rows[0] for loop in found) == rows
    sizes = [loop.steps[0].rows[0] for loop in found]
    assert all(FEWEST <= size <= MOST for size in sizes[:1])
    assert len(sizes) == 1 or (sizes[1] < sizes[0] and found[1].length == 1)


def test_sums_over_the_rows_are_added_up_behind_the_tiles() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    h = layers(x, w)
    gradient = apply("dot_general", h, layers(h, v), contract=((0,), (0,)), batch=((), ()))
    plan = planned([x, w, v], [apply("subtract", v, gradient), apply("sum", h, axes=(0,))], [(2, 0)])
    assert len(tiles(plan)) == 1
    assert [line for line in words(plan) if not line.startswith(" ")][1:] == ["nest dot_general subtract", "nest sum"]


def test_what_is_read_behind_the_tiles_is_no_memory_of_a_tile() -> None:
    """The first row of what the tiles compute, beside a sum over all of them."""
    x, w = new(N, 64), new(64, 64)
    y = apply("tanh", x)
    z = apply("tanh", matmul(y, w))
    first = apply("reshape", part(y, (0, 1), (0, 64)), shape=(64,))
    planned([x, w], [apply("add", apply("sum", apply("multiply", z, y), axes=(0,)), first)])


def test_a_step_that_needs_all_rows_ends_the_tiles() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    h = layers(x, w)
    centred = apply("subtract", h, apply("sum", h, axes=(0,)))
    plan = planned([x, w, v], [layers(centred, v, w)])
    assert len(tiles(plan)) >= 1
    assert words(plan)[-1] == "  product dot_general tanh"


def test_rows_that_are_read_elsewhere_are_written_whole() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    h = layers(x, w)
    for other in (apply("flip", h, axes=(0,)), part(h, (1, N), (0, 32))):
        planned([x, w, v], [layers(h, v), apply("multiply", other, number(2.0))])


def test_rows_are_updated_in_place() -> None:
    x, w = new(N, 32), new(32, 32)
    out = apply("add", x, layers(apply("square", x), w, w))
    plan = planned([x, w], [out], [(0, 0)])
    assert len(tiles(plan)) == 1 and "copy" not in words(plan)


def test_counts_along_the_rows_are_not_tiled_and_within_a_row_they_are() -> None:
    x, w = new(N, 32), new(32, 32)
    mask = apply("less", apply("iota", length=32, dtype="int64"), number(7))
    plan = planned([x, w], [layers(apply("select", mask, x, number(0.0)), w, w)])
    assert [line for line in words(plan) if not line.startswith(" ")][1:] == ["tiles 32"]
    wide = new(32, N)
    mask = apply("less", apply("iota", length=N, dtype="int64"), number(700))
    turned = apply("transpose", apply("exp", apply("select", mask, wide, number(0.0))), axes=(1, 0))
    planned([wide, w], [layers(turned, w, w)])


def test_steps_between_that_have_no_rows_come_behind() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    h = layers(x, w)
    aside = apply("sum", apply("tanh", apply("square", v)), axes=(0, 1))
    plan = planned([x, w, v], [layers(h, v), apply("exp", aside)])
    assert len(tiles(plan)) == 1


@pytest.mark.parametrize("shape", list(itertools.permutations((N, 4, 8))))
def test_rows_along_any_axis(shape: Sequence[int]) -> None:
    x = new(*shape)
    y = apply("exp", x)
    axes = tuple(axis for axis, n in enumerate(shape) if n != N)
    total = apply("sum", y, axes=axes)
    kept = apply("reshape", total, shape=tuple(n if n == N else 1 for n in shape))
    planned([x], [apply("divide", y, kept), apply("max", y, axes=(shape.index(N),))])


def test_where_tiles_are_depends_on_the_graph_alone() -> None:
    x, w, v = new(N, 32), new(32, 32), new(32, 32)
    out = layers(x, w, v)
    assert words(planned([x, w, v], [out])) == words(planned([x, w, v], [out]))
    assert TILE < LARGE
