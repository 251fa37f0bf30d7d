"""Contractions of any shape, layout and dtype: right, the same bits whoever computes, and nothing else written."""

from __future__ import annotations

import ctypes
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from contraction_calls import MACHINES, Problem, check, matrices, place_in, run, structures
from special_kernels import Guarded, drawn, one_by_one

from chainrule.backend.llvm.code import code_text
from chainrule.backend.llvm.contract import kernels
from chainrule.backend.llvm.engine import assembly
from chainrule.backend.llvm.kernel import Kernel
from chainrule.ops.arithmetic import add, multiply
from chainrule.schedule.plan import CONTRACT_CHUNK, CONTRACT_STRIP, Compute, Contraction, Number, Read, Stage, Store
from chainrule.testing.bits.inspection import TARGETS

DTYPES = (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_)


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    kind = np.dtype(dtype).kind
    if kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.random(shape) < 0.3 if kind == "b" else rng.integers(0, 200, shape).astype(dtype)


def matrix(rng: np.random.Generator, rows: int, columns: int, turned: bool, dtype: Any = np.float32) -> Any:
    return values(rng, (columns, rows), dtype).T if turned else values(rng, (rows, columns), dtype)


def laid_out(rng: np.random.Generator, x: Any) -> Any:
    """The same elements with axes in another order, reversed, strided, or the same along an axis."""
    order = rng.permutation(x.ndim)
    step = 1 + (rng.random(x.ndim) < 0.2)
    base = np.zeros([n * s for n, s in zip(np.array(x.shape)[order], step[order], strict=True)], x.dtype)
    y = base.transpose(np.argsort(order))[tuple(slice(None, None, int(s)) for s in step)]
    y = y[tuple(slice(None, None, -1 if rng.random() < 0.2 else 1) for _ in x.shape)]
    y[...] = x
    for axis in range(x.ndim):
        if rng.random() < 0.07:
            y = np.broadcast_to(np.take(y, [0], axis), x.shape) if x.shape[axis] else y
    return y


@pytest.mark.parametrize(("left", "right"), list(product((False, True), repeat=2)))
@pytest.mark.parametrize(
    "shape",
    [
        (4, 3, 5),
        (16, 16, 16),
        (1, 50, 100),
        (100, 50, 1),
        (3, 40, 70),
        (7, 300, 17),
        (50, 520, 37),
        (2, 5, 3),
        (13, 256, 16),
        (6, 1, 200),
        (200, 2, 49),
        (1, 1, 1),
        (70, 90, 4),
        (30, 20, 10),
        (210, 33, 130),
        (200, 520, 256),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_transpose(shape: tuple[int, int, int], left: bool, right: bool, dtype: Any) -> None:
    rng = np.random.default_rng(sum(shape))
    m, k, n = shape
    problem = matrices(matrix(rng, m, k, left, dtype), matrix(rng, k, n, right, dtype))
    check(problem, run(problem))
    check(problem, run(problem, layout=np.zeros((n, m), dtype).T))


@pytest.mark.parametrize("seed", range(60))
def test_any_axes_and_strides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = [int(rng.choice(4, p=[0.2, 0.5, 0.25, 0.05])) for _ in range(4)]
    lengths = [
        tuple(int(rng.choice([0, 1, 2, 3, 5, 9, 17], p=[0.02, *[0.98 / 6] * 6])) for _ in range(c)) for c in counts
    ]
    batch, rows, columns, inner = lengths
    first, second = (DTYPES[int(i)] for i in rng.choice(6, 2, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))
    second = first if rng.random() < 0.7 else second
    left = laid_out(rng, values(rng, (*batch, *rows, *inner), first))
    right = laid_out(rng, values(rng, (*batch, *inner, *columns), second))
    b, m, n, k = counts
    problem = Problem(left, right, (b, m, n, k))
    layout = laid_out(np.random.default_rng(seed), np.zeros((*batch, *rows, *columns), problem.dtype))
    dense = prod(layout.shape) == 0 or 0 in layout.strides
    layout = None if dense else layout
    results = [run(problem, machine, drawn(rng), layout) for machine in MACHINES]
    check(problem, results[0])
    assert len({x.tobytes() for x in results}) == 1


@pytest.mark.parametrize("k", [0, 1, 255, 256, 257, 600, 8191, 8192, 8193, 16500])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 40), (2, 35), (17, 21)])
def test_chunks_and_strips(k: int, m: int, n: int) -> None:
    rng = np.random.default_rng(k + m + n)
    left, right = values(rng, (m, k)), values(rng, (k, n))
    problem = matrices(left, right)
    expected = as_it_says(left, right).tobytes()
    for machine, turned in product(MACHINES, (False, True)):
        again = matrices(left.copy(order="F"), right.copy(order="F")) if turned else problem
        assert run(again, machine, one_by_one).tobytes() == expected


def as_it_says(left: Any, right: Any) -> Any:
    """The sums in the order that the plan promises, each product and sum rounded once."""
    fused = ctypes.CDLL(None).fmaf
    fused.restype, fused.argtypes = ctypes.c_float, [ctypes.c_float] * 3
    out = np.zeros((left.shape[0], right.shape[1]), np.float32)
    places = list(np.ndindex(out.shape))
    for i, j in places[:: max(1, len(places) // 4)]:
        out[i, j] = _sum(fused, left[i], right[:, j])
    rest = run(matrices(left, right))
    for i, j in places[:: max(1, len(places) // 4)]:
        rest[i, j] = out[i, j]
    return rest


def _sum(fused: Any, x: Any, y: Any) -> Any:
    strips: list[Any] = []
    for start in range(0, max(len(x), 1), CONTRACT_STRIP):
        chunks: list[Any] = []
        for low in range(start, max(1, min(start + CONTRACT_STRIP, len(x))), CONTRACT_CHUNK):
            total = 0.0
            for p, q in zip(
                x[low : low + CONTRACT_CHUNK].tolist(), y[low : low + CONTRACT_CHUNK].tolist(), strict=True
            ):
                total = fused(p, q, total)
            chunks.append(np.float32(total))
        strips.append(_in_order(chunks))
    return _in_order(strips)


def _in_order(numbers: list[Any]) -> Any:
    total = numbers[0]
    for x in numbers[1:]:
        total = total + x
    return total


@pytest.mark.parametrize("machine", MACHINES)
def test_not_a_number_and_infinity_stay_in_their_row_and_column(machine: Any) -> None:
    rng = np.random.default_rng(5)
    left, right = values(rng, (37, 70)), values(rng, (70, 45))
    left[3, 9], right[11, 44] = np.nan, np.inf
    out = run(matrices(left, right), machine)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(left @ right))
    np.testing.assert_array_equal(np.isinf(out), np.isinf(left @ right))


@pytest.mark.parametrize("shape", [(5, 20, 40), (128, 300, 10), (33, 7, 64), (1, 30, 90), (4, 9000, 6), (70, 40, 3)])
@pytest.mark.parametrize("turned", [False, True])
def test_epilogues(shape: tuple[int, int, int], turned: bool) -> None:
    rng = np.random.default_rng(sum(shape))
    m, k, n = shape
    left, right = matrix(rng, m, k, turned), matrix(rng, k, n, turned)
    bias, scale, old = values(rng, (n,)), values(rng, (m, 1)), values(rng, (m, n))
    memory, f32 = Guarded(0xA5), np.dtype(np.float32)
    target, out = place_in(memory, (m, n), f32, np.zeros((n, m), np.float32).T if turned else None)
    out[...] = old
    reads = [Read(memory.place(np.broadcast_to(x, (m, n)))) for x in (bias, scale)]
    steps = (
        (1, reads[0]),
        (2, reads[1]),
        (3, Compute(multiply, (0, 2), {}, f32)),
        (4, Compute(add, (3, 1), {}, f32)),
        (5, Number(2.0, f32)),
        (6, Read(target)),
        (7, Compute(multiply, (6, 5), {}, f32)),
        (8, Compute(add, (4, 7), {}, f32)),
    )
    stage = Stage(True, steps, (), (Store(8, target),))
    problem = matrices(left, right)
    run(problem, MACHINES[1], drawn(rng), epilogue=stage, memory=memory)
    plain = run(problem)
    np.testing.assert_array_equal(out, plain * scale + bias + old * np.float32(2))


@pytest.mark.parametrize("k", [20, 9000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_another_number_in_an_epilogue_is_the_same_code(k: int, dtype: Any) -> None:
    rng = np.random.default_rng(k)
    problem = matrices(values(rng, (5, k), dtype), values(rng, (k, 40), dtype))
    texts: set[tuple[str, ...]] = set()
    for x, y in ((0.001, -7.5), (0.003, 9.25), (3e-8, 1e6)) if np.dtype(dtype).kind == "f" else ((3, 9), (-4, 1 << 40)):
        memory = Guarded(0xA5)
        target, out = place_in(memory, (5, 40), dtype)
        steps = (
            (1, Number(x, np.dtype(dtype))),
            (2, Number(2, np.dtype(dtype))),
            (3, Number(y, np.dtype(dtype))),
            (4, Compute(multiply, (0, 1), {}, np.dtype(dtype))),
            (5, Compute(add, (4, 2), {}, np.dtype(dtype))),
            (6, Compute(multiply, (5, 3), {}, np.dtype(dtype))),
        )
        stage = Stage(True, steps, (), (Store(6, target),))
        run(problem, MACHINES[1], drawn(rng), epilogue=stage, memory=memory)
        np.testing.assert_array_equal(out, (run(problem) * dtype(x) + dtype(2)) * dtype(y))
        texts.add(structures(problem, stage))
    assert len(texts) == 1


@pytest.mark.parametrize(("inputs", "outputs"), [(20, 16), (16, 3), (784, 100), (100, 10), (784, 30), (8, 16), (16, 1)])
def test_another_size_of_a_batch_is_the_same_code(inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(inputs)
    weights = values(rng, (outputs, inputs))
    texts: list[set[tuple[str, ...]]] = [set(), set(), set()]
    for batch in (128, 96, 63, 32, 11, 10, 5, 3, 2, 1):
        x, y = values(rng, (batch, inputs)), values(rng, (batch, outputs))
        problems = matrices(x, weights.T), matrices(y, weights), matrices(y.T, x)
        for problem, found in zip(problems, texts, strict=True):
            found.add(structures(problem))
            if batch <= 5:
                check(problem, run(problem, MACHINES[1], drawn(rng)))
    assert [len(found) for found in texts] == [1, 1, 1]


def kernels_of(turned: bool) -> list[Kernel]:
    rng, memory = np.random.default_rng(0), Guarded(0xA5)
    problem = matrices(matrix(rng, 70, 300, turned), matrix(rng, 300, 80, not turned))
    place, _ = place_in(memory, (70, 80), np.float32)
    left, right = memory.place(problem.left), memory.place(problem.right)
    return kernels(Contraction((), (70,), (80,), (300,), left, right, place), MACHINES[0], memory.allocate)


def test_products_that_lie_otherwise_have_their_innermost_loops_in_common() -> None:
    one, other = kernels_of(False), kernels_of(True)
    assert {kernel.structure for kernel in one}.isdisjoint(kernel.structure for kernel in other)
    in_common = [
        {x.structure for kernel in found for x in kernel.routines if "micro" in x.structure} for found in (one, other)
    ]
    assert in_common[0] == in_common[1] and len(in_common[0]) == 1


def test_routines_are_called_by_addresses_from_memory() -> None:
    """They may be more than 2 GB away, where a call by its distance ends the process."""
    for kernel in kernels_of(False):
        lines = assembly(code_text(kernel), TARGETS["avx2"]).splitlines()
        named = [line for line in lines if any(name in line for x in kernel.routines for name in x.names)]
        assert named and all("GOTPCREL" in line for line in named)
