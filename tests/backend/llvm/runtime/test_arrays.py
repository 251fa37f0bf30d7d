"""Leaves of a call as native code reads them: every way in which one can be wrong, and runs on those that are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_kernels import toys

from chainrule.backend.llvm.runtime import arrays, objects, program
from chainrule.backend.llvm.runtime.arrays import Form, Leaf, Wrong, fitted, reading
from chainrule.backend.llvm.runtime.layout import Misfit, Status
from chainrule.backend.llvm.runtime.program import Outcome, Program
from chainrule.backend.llvm.runtime.table import Advance, Call, LoopBegin, LoopEnd

F32, F64, I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
DONE = Outcome(Status.DONE)


class Subclass(np.ndarray):
    pass


@pytest.fixture(params=["native", "slow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By native code, and by NumPy where that cannot be trusted."""
    if request.param == "slow":
        for module in (arrays, program):
            monkeypatch.setattr(module, "reading", lambda: None)
    elif reading() is None:
        pytest.skip("arrays are laid out in another way here")
    return request.param


def test_this_python_lays_objects_out_as_is_known() -> None:
    assert objects.object_layout() is not None


def test_a_layout_that_is_not_so_is_found_out() -> None:
    layout = objects.object_layout()
    assert layout is not None
    wrong = objects.ObjectLayout(layout.head + 8, layout.items)
    assert not any(objects._as_laid_out(a, wrong) for a in objects._samples())
    assert not objects._tuples(objects.ObjectLayout(layout.head, layout.items + 8))


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x


def unaligned() -> np.ndarray:
    return np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3)


WHOLE = np.zeros((6, 6), np.float32)
FITS: list[Any] = [np.zeros((2, 3), np.float32), WHOLE[:1].reshape(2, 3), read_only(np.zeros((2, 3), np.float32))]
MISFITS: list[tuple[Any, Misfit]] = [
    (1.0, Misfit.TYPE),
    (None, Misfit.TYPE),
    ([[1.0] * 3] * 2, Misfit.TYPE),
    (np.zeros((2, 3), np.float32).view(Subclass), Misfit.TYPE),
    (np.float32(1), Misfit.TYPE),
    (np.zeros((2, 3)), Misfit.DTYPE),
    (np.zeros((2, 3), np.int32), Misfit.DTYPE),
    (np.zeros((2, 3), ">f4"), Misfit.DTYPE),
    (np.zeros((3, 2), np.float32), Misfit.SHAPE),
    (np.zeros((2, 3, 1), np.float32), Misfit.SHAPE),
    (np.zeros(6, np.float32), Misfit.SHAPE),
    (np.zeros((), np.float32), Misfit.SHAPE),
    (np.zeros((3, 2), np.float32).T, Misfit.ORDER),
    (WHOLE[:2, :3], Misfit.ORDER),
    (WHOLE[:1].reshape(2, 3)[::-1], Misfit.ORDER),
    (np.broadcast_to(np.float32(1), (2, 3)), Misfit.ORDER),
    (unaligned(), Misfit.ALIGNMENT),
]


@pytest.mark.parametrize("x", FITS)
def test_what_fits_is_taken(way: str, x: Any) -> None:
    assert Form([Leaf(0, F32, (2, 3))]).wrong((x,)) is None


@pytest.mark.parametrize(("x", "why"), MISFITS)
def test_what_does_not_fit_is_named(way: str, x: Any, why: Misfit) -> None:
    good = np.zeros(3)
    form = Form([Leaf(0, F64, (3,)), Leaf(1, F32, (2, 3)), Leaf(2, F64, (3,))])
    assert form.wrong((good, x, good)) == Wrong(1, why)


@pytest.mark.parametrize(("x", "why"), MISFITS)
def test_what_is_only_read_is_made_to_fit_where_its_elements_are_right(x: Any, why: Misfit) -> None:
    leaf = Leaf(0, F32, (2, 3))
    y = fitted(leaf, x)
    swapped = isinstance(x, np.ndarray) and not x.dtype.isnative
    if why in (Misfit.ORDER, Misfit.ALIGNMENT) or isinstance(x, Subclass) or swapped:
        assert Form([leaf]).wrong((y,)) is None
        assert (y == x).all()
    elif isinstance(x, np.ndarray):
        assert y is x


def test_a_dtype_that_is_equal_but_another_object_is_made_to_fit() -> None:
    x = np.zeros(3, np.dtype("f4", metadata={"unit": "m"}))
    leaf = Leaf(0, F32, (3,))
    assert Form([leaf]).wrong((x,)) == Wrong(0, Misfit.DTYPE)
    y = fitted(leaf, x)
    assert Form([leaf]).wrong((y,)) is None and np.shares_memory(x, y)


@pytest.mark.parametrize("leaves", [(), (np.zeros(3),) * 3])
def test_another_number_of_leaves_is_named(way: str, leaves: tuple[Any, ...]) -> None:
    assert Form([Leaf(0, F64, (3,))] * 2).wrong(leaves) == Wrong(0, Misfit.COUNT)


def test_what_is_donated_must_be_writeable(way: str) -> None:
    x = read_only(np.zeros(3))
    assert Form([Leaf(0, F64, (3,))]).wrong((x,)) is None
    assert Form([Leaf(0, F64, (3,), donated=True)]).wrong((x,)) == Wrong(0, Misfit.READ_ONLY)


def test_what_is_donated_must_not_overlap_with_anything_else(way: str) -> None:
    x = np.zeros(10)
    form = Form([Leaf(0, F64, (3,)), Leaf(1, F64, (3,), donated=True), Leaf(2, F64, (0,)), Leaf(3, F64, number=True)])
    empty = x[1:1]
    assert form.wrong((x[:3], x[3:6], empty, 1.0)) is None
    assert form.wrong((x[6:9], x[3:6], x[4:4], 1.0)) is None
    assert form.wrong((x[1:4], x[3:6], empty, 1.0)) == Wrong(0, Misfit.OVERLAP)
    assert form.wrong((x[5:8], x[3:6], empty, 1.0)) == Wrong(0, Misfit.OVERLAP)
    both = Form([Leaf(0, F64, (3,), donated=True), Leaf(1, F64, (3,), donated=True)])
    assert both.wrong((x[:3], x[:3])) == Wrong(1, Misfit.OVERLAP)
    assert Form([Leaf(0, F64, (3,)), Leaf(1, F64, (3,))]).wrong((x[:3], x[:3])) is None


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (1,) * 12, (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_every_dtype_and_number_of_axes_fits(way: str, dtype: Any, shape: tuple[int, ...]) -> None:
    assert Form([Leaf(0, np.dtype(dtype), shape)]).wrong((np.zeros(shape, dtype),)) is None


def test_a_run_works_on_the_memory_of_its_leaves(way: str) -> None:
    x, y, arena = np.zeros(5, np.int64), np.zeros(4, np.int64), np.zeros(2, np.int64)
    calls = [Call(toys().add, ((n, 0),), (n,), parts) for n, parts in ((1, 5), (3, 4), (0, 2))]
    state = Program([*calls, LoopBegin(2, False, (Advance(4, 3, 0, 8),)), calls[1], LoopEnd()], 5).state()
    state.set(0, arena.ctypes.data)
    form = Form([Leaf(3, I64, (4,), own=True), Leaf(1, I64, (5,))])
    for _ in range(3):
        assert state.call(form, (y, x)) == DONE
    assert (x.tolist(), y.tolist(), arena.tolist()) == ([3] * 5, [27] * 4, [0, 0])
    assert state.call(form, (x, y)) == Wrong(0, Misfit.SHAPE)
    assert state.entries == 3


def test_floats_are_passed_by_memory(way: str) -> None:
    x = np.zeros(1, np.int64)
    double = Call(toys().add, ((0, 0),), (0,))
    copies = [Call(toys().copy, ((0, 8 * n), (slot, 0))) for n, slot in enumerate((2, 1))]
    out = np.zeros(2)
    form = Form([Leaf(0, F64, (2,)), Leaf(1, F64, number=True), Leaf(3, I64, (1,)), Leaf(2, F64, number=True)])
    state = Program([double, *copies], 4).state()
    assert state.call(form, (out, 2.5, x, -0.125)) == DONE
    assert out.tolist() == [-0.125, 2.5]
    assert state.call(form, (out, 2.5, x, np.float64(1))) == Wrong(3, Misfit.TYPE)
    assert state.call(form, (out, 2, x, 1.0)) == Wrong(1, Misfit.TYPE)


def test_an_error_in_a_call_is_told(way: str) -> None:
    x = np.zeros(9, np.int64)
    state = Program([Call(toys().fail, (), (4,), 9)], 1).state(2)
    assert state.call(Form([Leaf(0, I64, (9,))]), (x,)) == Outcome(Status.ERROR, 0, 4)
