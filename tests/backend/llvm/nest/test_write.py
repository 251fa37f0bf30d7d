"""The code of nests beside what they mean, bit by bit."""

from __future__ import annotations

import platform

import llvmlite.binding
import numpy as np
import pytest
from nest_calls import call, check
from nest_generator import DTYPES, generated
from nest_parts import BOOL, F32, Arrays, apply, stepped

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.nest.kernels import kernels
from chainrule.backend.llvm.target import Target, host
from chainrule.schedule.plan import Fold, Guarded, Nest, Number, Position, Read, Stage, Store

EDGES = (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130)


@pytest.mark.parametrize("first", range(0, 160, 40))
def test_generated_nests(first: int) -> None:
    for seed in range(first, first + 40):
        nest, memory = generated(seed)
        check(nest, memory, (1, 2, 5))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 without AVX")
def test_any_processor_has_the_same_bits() -> None:
    for seed in range(1000, 1012):
        nest, memory = generated(seed)
        check(nest, memory, (1, 2, 5), Target(host().triple, "x86-64", ""))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("step", [1, -1, 3, 0])
def test_every_length_of_a_vector(dtype: np.dtype, step: int) -> None:
    for length in EDGES:
        arrays = Arrays()
        x, y, out = (
            arrays.new(3 * length, dtype=dtype),
            arrays.new(length, dtype=dtype),
            arrays.new(length, dtype=dtype),
        )
        place = stepped(x, step, offset=length - 1 if step < 0 else 0)
        there = stepped(out, -1, offset=length - 1) if step == -1 else out
        values = ((0, Read(place)), (1, Read(y)), (2, apply("maximum", 0, 1, dtype=dtype)))
        stage = Stage(True, values, (), (Store(2, there), Store(0, y)))
        check(Nest((), (length,), (stage,), "columns"), arrays.memory)


@pytest.mark.parametrize("combine", ["add", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("along", ["rows", "columns"])
def test_folds_of_every_length(combine: str, along: str) -> None:
    for length in EDGES:
        arrays = Arrays()
        rows = 5 if along == "columns" else length
        columns = length if along == "columns" else 5
        x, out = arrays.new(5 * length), arrays.new(rows)
        elements = arrays.memory[x.buffer].view(F32)
        elements[:: max(1, length // 3)] = -0.0
        if length > 8:
            elements[8] = np.nan
        place = stepped(x, *((length, 1) if along == "columns" else (1, length)))
        fold = Stage(True, ((0, Read(place)),), (Fold(0, combine, F32, 1),))
        nest = Nest((rows,), (columns,), (fold, Stage(False, (), (), (Store(1, out),))), along)  # pyright: ignore[reportArgumentType]
        check(nest, arrays.memory)


def softmax(x: object, out: object, rows: int, columns: int, along: str) -> Nest:
    highest = Stage(True, ((0, Read(x)),), (Fold(0, "maximum", F32, 1),))
    values = ((2, Read(x)), (3, apply("subtract", 2, 1)), (4, apply("exp", 3)))
    parts = Stage(True, values, (Fold(4, "add", F32, 5),), (Store(4, out),))
    factor = Stage(False, ((6, apply("reciprocal", 5)),))
    last = Stage(True, ((7, Read(out)), (8, apply("multiply", 7, 6))), (), (Store(8, out),))
    return Nest((rows,), (columns,), (highest, parts, factor, last), along)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("along", ["rows", "columns"])
@pytest.mark.parametrize("columns", [1, 5, 16, 100])
def test_softmax(along: str, columns: int) -> None:
    arrays = Arrays()
    x, out = arrays.new(33, columns), arrays.new(33, columns)
    given = arrays.read(x, 33, columns).astype(np.float64)
    (kernel,) = kernels(softmax(x, out, 33, columns, along), None)
    call(kernel, arrays.memory, (1,))
    expected = np.exp(given - given.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(arrays.read(out, 33, columns), expected, rtol=2e-6)
    call(kernels(softmax(x, x, 33, columns, along), None)[0], arrays.memory)
    np.testing.assert_array_equal(arrays.read(x, 33, columns), arrays.read(out, 33, columns))


@pytest.mark.parametrize("along", ["rows", "columns"])
def test_a_sum_in_chunks(along: str) -> None:
    for length in (1, 63, 64, 65, 200):
        arrays = Arrays()
        chunks = -(-length // 64)
        x, out = arrays.new(chunks * 64, 24), arrays.new(chunks, 24)
        steps = (64 * 24, 1, 24)
        fold = Stage(True, ((0, Read(stepped(x, *steps))),), (Fold(0, "add", F32, 1),))
        stages = (fold, Stage(False, (), (), (Store(1, out),)))
        check(Nest((chunks, 24), (64,), stages, along, clip=length), arrays.memory, (1,))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("columns", [(0,), (3, 0), (0, 3)])
def test_folds_of_nothing_are_identities(columns: tuple[int, ...]) -> None:
    arrays = Arrays()
    x, out = arrays.new(8), arrays.new(20)
    fold = Stage(True, ((0, Read(stepped(x, *[1] * (1 + len(columns))))),), (Fold(0, "add", F32, 1),))
    for along in ("rows", "columns"):
        stages = (fold, Stage(False, (), (), (Store(1, out),)))
        (kernel,) = kernels(Nest((20,), columns, stages, along), None)  # pyright: ignore[reportArgumentType]
        call(kernel, arrays.memory)
        assert not arrays.read(out, 20).any()


def test_nothing_is_read_where_a_guard_does_not_hold() -> None:
    for step, length in ((1, 40), (3, 40), (0, 40), (1, 5)):
        arrays = Arrays()
        x, out = arrays.new(length), arrays.new(length + 10)
        far = stepped(x, step, offset=-10 * step)  # the first ten elements would lie before the array
        last = 10 + (length - 1) // max(step, 1)
        values = (
            (0, Position(0)),
            (1, Number(10, np.dtype("i8"))),
            (2, Number(last, np.dtype("i8"))),
            (3, apply("greater_equal", 0, 1, dtype=BOOL)),
            (4, apply("less_equal", 0, 2, dtype=BOOL)),
            (5, apply("logical_and", 3, 4, dtype=BOOL)),
            (6, Number(2.5, F32)),
            (7, Guarded(far, 5, 6)),
        )
        check(Nest((), (length + 10,), (Stage(True, values, (), (Store(7, out),)),), "columns"), arrays.memory)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64")
def test_vectors_are_as_wide_as_the_processor_has_them() -> None:
    arrays = Arrays()
    x = arrays.new(100)
    stage = Stage(True, ((0, Read(x)), (1, apply("add", 0, 0))), (), (Store(1, x),))
    (kernel,) = kernels(Nest((), (100,), (stage,), "columns"), None)
    for cpu, widest in (("skylake-avx512", "zmm"), ("haswell", "ymm"), ("x86-64", "xmm")):
        module = Module()
        kernel.write(module, "nest")
        target = Target(host().triple, cpu, "")
        text = target.machine.emit_assembly(llvmlite.binding.parse_assembly(str(module)))
        assert widest in text and ("zmm" in text) == (widest == "zmm")
