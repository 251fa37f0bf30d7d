from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.api.derivatives import grad, jvp
from chainrule.api.jit import jit
from chainrule.errors import ShapeError
from chainrule.ops import movement as ops
from chainrule.ops.reduction import sum_

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: ops.reshape(x, shape=(4, 2)), r"a shape of 6 elements for f64\[2,3\], got \(4, 2\)"),
        (lambda x: ops.transpose(x, axes=(0, 0)), "a permutation of the 2 axes"),
        (lambda x: ops.broadcast_to(x, shape=(2, 4)), "broadcasts to"),
        (lambda x: ops.slice_(x, starts=(0, 2), stops=(2, 4), steps=(1, 1)), "0 <= start <= stop <= length"),
        (lambda x: ops.slice_(x, starts=(0,), stops=(2,), steps=(1,)), "0 <= start <= stop <= length"),
        (lambda x: ops.slice_set(x, x, starts=(0, 0), stops=(1, 3), steps=(1, 1)), r"an update of shape \(1, 3\)"),
        (lambda x: ops.concatenate(x, x, axis=2), "arrays with the axis to join along"),
        (lambda x: ops.concatenate(x, x[0], axis=0), "arrays of the same lengths but along axis 0"),
        (lambda x: ops.pad(x, 0.0, widths=((1, 1),)), "a pair of widths of at least 0 for each of the 2 axes"),
        (lambda x: ops.pad(x, x[0], widths=((0, 0), (0, 0))), "one number to pad with, got f64.3."),
    ],
)
def test_misfits_name_the_line(call: Any, text: str) -> None:
    with pytest.raises(ShapeError, match=text) as caught:
        jit(call)(X)
    assert "test_movement.py" in str(caught.value)


def test_the_transpose_of_a_join_with_constants() -> None:
    """The rule is told the lengths of constant parts, which stand before the one that is differentiated."""
    w = np.arange(8.0).reshape(2, 4)

    def f(x: Any) -> Any:
        return sum_(ops.concatenate(np.ones((2, 1)), x, axis=1) * w, axes=(0, 1))

    np.testing.assert_array_equal(grad(f)(X), w[:, 1:])
    np.testing.assert_array_equal(jit(grad(f))(X), w[:, 1:])


@pytest.mark.parametrize("place", [0, 1])
def test_each_side_of_an_assignment_alone(place: int) -> None:
    bounds = {"starts": (0, 1), "stops": (2, 3), "steps": (1, 1)}
    operands = [X, -X[:, 1:]]
    w = np.arange(1.0, 7).reshape(2, 3)

    def f(x: Any) -> Any:
        given = [x if i == place else operand for i, operand in enumerate(operands)]
        return sum_(ops.slice_set(*given, **bounds) * w, axes=(0, 1))

    want = [w * [1, 0, 0], w[:, 1:]][place]
    np.testing.assert_array_equal(grad(f)(operands[place]), want)
    assert jvp(f, (operands[place],), (want,))[1] == np.sum(want * want)


def test_padding_keeps_the_dtype() -> None:
    assert ops.pad(np.arange(2), 3.7, widths=((1, 1),)).tolist() == [3, 0, 1, 3]
    for x in (np.ones(2, np.float32), np.ones(2, np.uint8)):
        assert ops.pad(x, np.float64(0.0), widths=((0, 1),)).dtype == x.dtype
        assert jit(lambda x: ops.pad(x, np.float64(0.0), widths=((0, 1),)))(x).dtype == x.dtype
