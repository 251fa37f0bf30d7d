"""Random numbers: the words of ops/random.py, bit by bit, at any place, and in any split."""

from __future__ import annotations

import numpy as np
import pytest
from special_kernels import Guarded, call, layouts, same, special_step

from chainrule.backend.llvm.special import kernels
from chainrule.ir.op import OPS, Op
from chainrule.ops.random import philox
from chainrule.testing.draws import draws

BITS, UNIFORM, FOLD = (OPS[name] for name in ("random_bits", "random_uniform", "random_fold"))


@pytest.mark.parametrize("op", [BITS, UNIFORM, FOLD], ids=str)
def test_the_cases_of_the_record(op: Op) -> None:
    for draw in draws(op):
        same(op, draw.operands, draw.attrs)


def keys(rng: np.random.Generator) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
    drawn = rng.integers(-(2**31), 2**31, 2).astype(np.int32)
    return [np.array(pair, np.int32) for pair in ((0, 0), (-1, -1), (2**31 - 1, -(2**31)))] + [drawn]


def test_any_number_of_numbers() -> None:
    rng = np.random.default_rng(0)
    for shape in ((), (0,), (1,), (15,), (16,), (17,), (33,), (20000,), (3, 5, 7)):
        for key in keys(rng):
            for own in layouts(key)[:4]:
                for dtype in ("float32", "float64"):
                    same(UNIFORM, [own], {"shape": shape, "dtype": dtype}, rng)
                for dtype, stream in (("int32", 0), ("int64", 1)):
                    same(BITS, [own], {"shape": shape, "dtype": dtype, "stream": stream}, rng)


def test_fold_of_every_integer_dtype() -> None:
    rng = np.random.default_rng(1)
    for key in keys(rng):
        for number in (0, 1, 255, 2**31 - 1, 2**32, 2**63 - 1, -1, -(2**31), -(2**63)):
            for dtype in (np.uint8, np.int32, np.int64):
                if np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
                    same(FOLD, [key, dtype(number)], {}, rng)
            same(FOLD, [key, number], {}, rng)


def test_numbers_far_out_have_the_high_half_of_their_counter() -> None:
    """Block 2**32 and on: a part that begins there writes to where its pointer would be."""
    key = np.array([5, 7], np.int32)
    memory = Guarded(0xA5)
    step = special_step(BITS, [key], {"shape": (32,), "dtype": "int32", "stream": 0}, memory)
    (kernel,) = kernels(step, memory.allocate)
    first = 2**34  # a multiple of what a part has
    (key_at, out_at), (step_word, stream, part, _) = kernel.pointers, kernel.words
    far = type(kernel)(
        kernel.structure,
        kernel.write,
        (key_at, (out_at[0], out_at[1] - 4 * first)),
        (step_word, stream, part, first + 32),
        1,
    )
    assert call(far, memory, lambda _: [(first // part, first // part + 1)]) == 0
    memory.check()
    blocks = [philox((number & 0xFFFFFFFF, number >> 32, 0, 0), (5, 7)) for number in range(2**32, 2**32 + 8)]
    found = memory.inside(step.results[0].buffer).view(np.uint32)
    assert found.tolist() == [word for block in blocks for word in block]
