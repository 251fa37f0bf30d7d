"""Calls in pieces, on each backend: iterations are counted, results are those of the iterations that are done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.llvm.executable import NativeBackend
from chainrule.backend.reference import ReferenceBackend
from chainrule.errors import OutOfRangeError, StagingError

BACKENDS = [ReferenceBackend(), NativeBackend()]
XS = np.random.default_rng(0).normal(size=(9, 3))
W = np.random.default_rng(1).normal(size=(3, 3))


def loop(w: Any, xs: Any, reverse: bool = False) -> Any:
    def body(c: Any, x: Any) -> Any:
        c = np.tanh(c @ w + x)
        return c, (c[0], c * 2)

    return cr.scan(body, np.zeros(3), xs, reverse=reverse)


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("reverse", [False, True])
def test_each_piece_is_an_iteration_where_there_is_no_time(backend: Any, reverse: bool) -> None:
    graph = cr.graph(lambda w, xs: loop(w, xs, reverse))(W, XS)
    course = backend.compile(graph).begin((W, XS))
    assert course.iterations == 0
    for done in range(1, 10):
        assert course.proceed(0.0) == (done == 9)
        assert course.iterations == done
        carry, (first, double) = loop(W, XS[9 - done :] if reverse else XS[:done], reverse)
        for got, expected in zip(course.outputs(), (carry, first, double), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert course.proceed(0.0)


def test_pieces_give_the_bits_of_a_call(backend: Any) -> None:
    call = backend.compile(cr.graph(loop)(W, XS))
    course = call.begin((W, XS))
    while not course.proceed(0.0):
        pass
    for one, other in zip(course.outputs(), call((W, XS)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_results_so_far_are_copies(backend: Any) -> None:
    course = backend.compile(cr.graph(loop)(W, XS)).begin((W, XS))
    course.proceed(0.0)
    kept = course.outputs()
    first = [np.array(x) for x in kept]
    course.proceed(10.0)
    for x, y in zip(kept, first, strict=True):
        np.testing.assert_array_equal(x, y)


def test_all_is_done_at_once_where_there_is_time_or_no_loop(backend: Any) -> None:
    course = backend.compile(cr.graph(loop)(W, XS)).begin((W, XS))
    assert course.proceed(10.0) and course.iterations == 9
    course = backend.compile(cr.graph(lambda x: x * 2)(W)).begin((W,))
    assert course.proceed(0.0) and course.iterations == 0
    np.testing.assert_array_equal(course.outputs()[0], W * 2)


def test_what_is_not_there_yet_is_an_error(backend: Any) -> None:
    call = backend.compile(cr.graph(lambda w, xs: loop(w, xs)[1][0].sum())(W, XS))
    course = call.begin((W, XS))
    with pytest.raises(StagingError, match="expected one loop, an iteration of which is done, got none so far"):
        course.outputs()
    course.proceed(0.0)
    with pytest.raises(StagingError, match=r"got result 0, which is made after it at .*; try proceed\(\) until"):
        course.outputs()
    assert course.proceed(10.0)
    np.testing.assert_allclose(course.outputs()[0], loop(W, XS)[1][0].sum())


def test_an_error_is_raised_in_the_piece_it_is_in(backend: Any) -> None:
    rows, x = np.arange(6).reshape(3, 2), np.arange(7.0)
    graph = cr.graph(lambda rows, x: cr.scan(lambda c, row: (c + x[row].sum(), x[row]), 0.0, rows))(rows, x)
    rows[1, 1] = 9
    course = backend.compile(graph).begin((rows, x))
    assert not course.proceed(0.0)
    with pytest.raises(OutOfRangeError, match="got 9"):
        course.proceed(0.0)


def test_donated_arrays_hold_what_is_carried() -> None:
    step = cr.jit(lambda c, xs: cr.scan(lambda c, x: (c + x, None), c, xs)[0], donate=0)
    carry = np.zeros(3)
    running = step.begin(carry, XS)
    while not running.proceed(0.0):
        np.testing.assert_allclose(running.result(), XS[: running.iterations].sum(axis=0))
    assert running.result() is carry
    np.testing.assert_allclose(carry, XS.sum(axis=0))
