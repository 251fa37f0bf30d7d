from __future__ import annotations

import numpy as np
from planned import apply, matmul, nest, new, planned

from chainrule.schedule.partial import SUM, combined, partial_places
from chainrule.schedule.plan import Contraction


def test_partial_results_lie_one_behind_the_other() -> None:
    x = new(5, 7)
    step = nest(planned([x], [apply("sum", x, axes=(1,)), apply("max", x, axes=(1,))]))
    places = partial_places(step, 3)
    assert [place.strides for place in places.values()] == [(5, 1)] * 2
    assert all(place.buffer.nbytes == 3 * 5 * 4 for place in places.values())
    assert len({place.buffer for place in places.values()}) == 2


def test_what_adds_them_up_does_with_the_sums_what_the_step_did() -> None:
    x, b = new(5, 7), new(5)
    step = nest(planned([x, b], [apply("add", apply("sum", x, axes=(1,)), b)]))
    found = combined(step, 3, partial_places(step, 3))
    assert (found.rows, found.columns) == ((5,), (3,))
    assert found.stages[1:] == step.stages[1:]
    assert found.stages[0].folds[0].result == step.stages[0].folds[0].result


def test_a_products_sums_go_where_the_product_goes() -> None:
    x, w = new(5, 7), new(7, 4)
    (step,) = planned([x, w], [matmul(x, w)]).steps
    assert isinstance(step, Contraction) and step.out is not None
    places = partial_places(step, 2)
    found = combined(step, 2, places)
    assert (found.rows, found.columns, found.along) == ((5, 4), (2,), "rows")
    (store,) = found.stages[-1].stores
    assert (store.value, store.place) == (SUM, step.out)
    assert places[step, SUM].dtype == np.float32
