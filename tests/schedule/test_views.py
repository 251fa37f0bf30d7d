from __future__ import annotations

import random

import numpy as np
from planned import apply, new, part

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Value
from chainrule.schedule.plan import Buffer, Place
from chainrule.schedule.views import Base, dense, is_dense, located, moved, reshaped, whole


def seen(shape: tuple[int, ...], out: Value, x: Value) -> np.ndarray | None:
    """What the moves between x and out see of 0, 1, 2, ..., through a view; None where they are no view."""
    view = whole(Base(shape, np.dtype(np.int64)))
    chain = []
    while out is not x:
        chain.append(out.node)
        (out,) = out.node.inputs
    for node in reversed(chain):
        found = moved(view, node)
        if found is None:
            return None
        view = found
    place = located(view, Place(Buffer("arena", 0), view.base.dtype, dense(shape)))
    first = np.arange(int(np.prod(shape)))[place.offset :]
    return np.lib.stride_tricks.as_strided(first, view.shape, [s * 8 for s in place.strides])


def test_a_row_of_moves_is_a_view() -> None:
    x = new(4, 6, dtype="int64")
    y = apply("flip", part(apply("transpose", x, axes=(1, 0)), (1, 6, 2), (0, 3)), axes=(0, 1))
    got = seen((4, 6), y, x)
    assert got is not None
    assert np.array_equal(got, np.arange(24).reshape(4, 6).T[1:6:2, :3][::-1, ::-1])


def test_drawn_moves_are_what_numpy_makes_of_them() -> None:
    pick = random.Random(3)
    views = 0
    for _ in range(300):
        shape = tuple(pick.choice((1, 2, 3, 5)) for _ in range(pick.randrange(1, 4)))
        x = out = new(*shape, dtype="int64")
        for _ in range(4):
            out = draw_move(pick, out)
        got = seen(shape, out, x)
        (wanted,) = evaluate(Graph((x,), (out,)), [np.arange(int(np.prod(shape))).reshape(shape)])
        assert got is None or np.array_equal(got, wanted)
        views += got is not None
    assert views > 200


def draw_move(pick: random.Random, x: Value) -> Value:
    n = len(x.shape)
    match pick.randrange(5):
        case 0:
            return apply("transpose", x, axes=tuple(pick.sample(range(n), n)))
        case 1:
            return apply("flip", x, axes=tuple(axis for axis in range(n) if pick.random() < 0.5))
        case 2:
            return part(x, *[(pick.randrange(m), m, pick.choice((1, 2))) for m in x.shape])
        case 3:
            return apply("broadcast_to", x, shape=(2, *[3 if m == 1 else m for m in x.shape]))
        case _:
            return apply("reshape", x, shape=(1, *[m for m in x.shape if m != 1]))


def test_whole_is_the_base_in_its_own_order() -> None:
    x = new(3, 3)
    view = whole(Base((3, 3), x.dtype))
    assert view.whole
    turned = moved(view, apply("transpose", x, axes=(1, 0)).node)
    assert turned is not None and not turned.whole


def test_places_in_another_shape() -> None:
    buffer = Buffer("arena", 96)
    place = Place(buffer, np.dtype(np.float32), (12, 1), 2)
    found = reshaped(place, (2, 6), (2, 2, 3))
    assert found is not None and (found.strides, found.offset) == ((12, 3, 1), 2)
    assert reshaped(place, (2, 6), (12,)) is None


def test_dense_places() -> None:
    buffer = Buffer("arena", 96)
    assert dense((2, 3, 4)) == (12, 4, 1)
    assert is_dense(Place(buffer, np.dtype("f4"), (99, 4, 1)), (1, 3, 4))
    assert not is_dense(Place(buffer, np.dtype("f4"), (1, 2)), (2, 3))


def test_an_axis_of_length_1_stays_one_that_it_may_be() -> None:
    view = whole(Base((1, 5, 1), np.dtype(np.float32)))
    x = new(1, 5, 1)
    for shape, dims in (((1, 5), (0, 1)), ((1, 1, 5), (0, None, 1)), ((5,), (1,)), ((5, 1, 1), (1, 2, None))):
        found = moved(view, apply("reshape", x, shape=shape).node)
        assert found is not None
        assert [dim if dim is None else dim[0] for dim in found.dims] == list(dims)
