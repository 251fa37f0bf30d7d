from __future__ import annotations

import numpy as np
import pytest
from nest_calls import call, check
from nest_parts import F32, F64, Arrays, apply, stepped

from chainrule.backend.llvm.nest.kernels import kernels
from chainrule.ir.op import OPS
from chainrule.schedule.plan import Compute, Fold, Nest, Number, Read, Stage, Store


def scaled(rows: int, factor: float) -> tuple[Nest, Arrays]:
    arrays = Arrays()
    x, b, out = arrays.new(rows, 10), arrays.new(10), arrays.new(rows, 10)
    values = ((0, Read(x)), (1, Read(stepped(b, 0, 1))), (2, Number(factor, F32)), (3, apply("multiply", 0, 2)))
    stage = Stage(True, (*values, (4, apply("add", 3, 1))), (), (Store(4, out),))
    return Nest((rows,), (10,), (stage,), "columns"), arrays


def test_other_lengths_and_numbers_are_the_same_code() -> None:
    kept = {kernels(scaled(rows, factor)[0], None)[0].structure for rows in (7, 32, 5000) for factor in (0.1, 1e-3)}
    assert len(kept) == 1


@pytest.mark.parametrize("number", [0.5, 1.0, 2.0])
def test_numbers_that_a_length_may_be_are_no_part_of_the_code(number: float) -> None:
    assert kernels(scaled(7, number)[0], None)[0].structure == kernels(scaled(7, 0.1)[0], None)[0].structure


@pytest.mark.parametrize("number", [0.0, -0.0, float("inf"), float("nan")])
def test_zeros_and_what_is_not_finite_are_part_of_the_code(number: float) -> None:
    assert str(number) in kernels(scaled(7, number)[0], None)[0].structure


def test_the_numbering_of_values_is_no_part_of_the_code() -> None:
    arrays = Arrays()
    x, out = arrays.new(8), arrays.new(8)
    nests = [
        Nest((), (8,), (Stage(True, ((n, Read(x)), (n + 5, apply("abs", n))), (), (Store(n + 5, out),)),), "columns")
        for n in (0, 100)
    ]
    assert len({kernels(nest, None)[0].structure for nest in nests}) == 1


def test_nothing_to_do_is_no_kernel() -> None:
    arrays = Arrays()
    x = arrays.new(8)
    free = Stage(True, ((0, Read(stepped(x, 1, 1))),), (), (Store(0, stepped(x, 1, 1)),))
    assert kernels(Nest((0,), (3,), (free,), "columns"), None) == []
    assert kernels(Nest((3,), (0,), (free,), "columns"), None) == []
    fold = Stage(True, free.values, (Fold(0, "add", F32, 1),))
    assert kernels(Nest((0,), (3,), (fold, Stage(False, (), (), (Store(1, x),))), "columns"), None) == []


def test_a_nest_without_axes() -> None:
    arrays = Arrays()
    x, out = arrays.new(), arrays.new()
    (kernel,) = kernels(
        Nest((), (), (Stage(True, ((0, Read(x)), (1, apply("negative", 0))), (), (Store(1, out),)),), "columns"), None
    )
    call(kernel, arrays.memory)
    assert arrays.read(out)[()] == -arrays.read(x)[()]


def test_a_float_beside_an_array_does_not_halve_the_vectors() -> None:
    arrays = Arrays()
    x, rate = arrays.new(100), arrays.new(dtype=F64)
    single = Compute(OPS["cast"], (1,), {"dtype": "float32"}, F32)
    values = ((0, Read(x)), (1, Read(stepped(rate, 0))), (2, single), (3, apply("multiply", 0, 2)))
    (kernel,) = kernels(Nest((), (100,), (Stage(True, values, (), (Store(3, x),)),), "columns"), None)
    assert "x 16" in kernel.structure
    before = arrays.read(x, 100).copy()
    call(kernel, arrays.memory)
    np.testing.assert_array_equal(arrays.read(x, 100), before * np.float32(arrays.read(rate)[()]))


def test_parts_do_not_change_bits() -> None:
    nest, arrays = scaled(100_000, 0.37)
    (kernel,) = kernels(nest, None)
    assert kernel.parts > 8
    out = nest.stages[0].stores[0].place
    call(kernel, arrays.memory)
    whole = arrays.read(out, 100_000, 10).copy()
    for cuts in ((1,), (3, 4), tuple(range(1, kernel.parts))):
        arrays.memory[out.buffer][:] = 0
        call(kernel, arrays.memory, cuts)
        np.testing.assert_array_equal(arrays.read(out, 100_000, 10), whole)


def test_a_call_is_described() -> None:
    (kernel,) = kernels(scaled(32, 0.3)[0], None)
    assert kernel.title == "multiply, add of [32,10]"
    assert kernel.operations == 640
    assert kernel.nbytes == 4 * (320 + 10 + 320)


@pytest.mark.parametrize("length", [63, 64, 65, 79, 127, 128, 1000])
@pytest.mark.parametrize("name", ["add", "maximum"])
def test_folds_along_several_vectors_of_columns_go_from_one_to_the_next(length: int, name: str) -> None:
    arrays = Arrays()
    x, y, out = arrays.new(7, length), arrays.new(length), arrays.new(7)
    products = ((0, Read(x)), (1, Read(stepped(y, 0, 1))), (2, apply("multiply", 0, 1)))
    sums = Stage(True, products, (Fold(2, name, F32, 3),))
    nest = Nest((7,), (length,), (sums, Stage(False, (), (), (Store(3, out),))), "columns")
    (kernel,) = kernels(nest, None)
    assert ("x 16 x 4" in kernel.structure) == (length >= 64)
    check(nest, arrays.memory, (3,))
