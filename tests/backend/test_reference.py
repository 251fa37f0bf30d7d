"""The reference backend: what every backend has to do with what it is given, returned and donated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.base import Misfit
from chainrule.backend.reference import ReferenceBackend

GRAPH = cr.graph(lambda a, b, rate: (b, a + b * rate, rate * 2.0, a.sum(), a))(np.ones(3), np.ones(3), 1.0)
A, B = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


def test_outputs_are_the_callers() -> None:
    run = ReferenceBackend().compile(GRAPH)
    outs = run((A, B[::-1], 2.0))
    for out in (outs[0], outs[1], outs[4]):
        assert out.flags.c_contiguous and out.flags.writeable
        assert not any(np.shares_memory(out, other) for other in (A, B))
    assert type(outs[2]) is float and type(outs[3]) is np.float64 and outs[2:4] == [4.0, 6.0]
    assert outs[1].tolist() == [13.0, 12.0, 11.0]


def test_inputs_of_other_types_are_refused() -> None:
    run = ReferenceBackend().compile(GRAPH)
    others: list[tuple[Any, ...]] = [
        (A.astype(np.float32), B, 1.0),
        (A[:2], B, 1.0),
        (A, B, np.float64(1.0)),
        (A, B, 1),
        (A, None, 1.0),
        (A, "b", 1.0),
    ]
    for inputs in others:
        with pytest.raises(Misfit):
            run(inputs)


def test_donated_inputs_are_written_over_after_all_was_read() -> None:
    run = ReferenceBackend().compile(GRAPH, ((0, 0), (1, 4)))
    a, b = A.copy(), B.copy()
    outs = run((a, b, 1.0))
    assert outs[0] is a and outs[4] is b
    assert a.tolist() == B.tolist() and b.tolist() == A.tolist() and outs[1].tolist() == (A + B).tolist()
    with pytest.raises(Misfit):
        run((a, a, 1.0))


def test_bound_buffers() -> None:
    a, b, rate = A.copy(), B.copy(), np.array(2.0)
    outputs = [a, np.empty(3), np.empty(()), np.empty(()), b]
    call = ReferenceBackend().compile(GRAPH, ((0, 0), (1, 4))).bind([a, b, rate], outputs)
    for first, second in ((A, B), (B, A)):
        call()
        assert outputs[1].tolist() == (first + 2.0 * second).tolist()
        assert a.tolist() == second.tolist() and b.tolist() == first.tolist()
    assert outputs[2] == 4.0
