from __future__ import annotations

import numpy as np
import pytest
from nest_calls import check
from nest_generator import DTYPES, generated
from nest_parts import Arrays, apply, stepped

from chainrule.backend.llvm.nest import memory, tile
from chainrule.backend.llvm.nest.collapse import collapse, is_free
from chainrule.backend.llvm.nest.tile import TILE, is_tiled, tiled
from chainrule.schedule.plan import Nest, Position, Read, Stage, Store


def turned(arrays: Arrays, rows: int, columns: int, dtype: np.dtype, in_place: bool = False) -> Nest:
    x, out = arrays.new(rows, columns, dtype=dtype), arrays.new(columns, rows, dtype=dtype)
    given = stepped(x, 1, columns)
    values = ((0, Read(given)), (1, Read(out)), (2, apply("maximum", 0, 1, dtype=dtype)))
    stage = Stage(True, values, (), (Store(2, given if in_place else out),))
    return Nest((), (columns, rows), (stage,), "columns")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("rows", "columns"), [(64, 65), (33, 129), (2000, 35)])
def test_arrays_are_turned_round(dtype: np.dtype, rows: int, columns: int) -> None:
    arrays = Arrays()
    nest = turned(arrays, rows, columns, dtype)
    small = tiled(collapse(nest))
    assert is_tiled(small)
    assert (small.columns, small.clip) == ((TILE,), columns)
    check(nest, arrays.memory, (1, 2, 3))


def test_in_place() -> None:
    arrays = Arrays()
    check(turned(arrays, 64, 65, np.dtype("f4"), in_place=True), arrays.memory, (1,))


def test_only_what_asks_for_it() -> None:
    arrays = Arrays()
    few = turned(arrays, 32, 32, np.dtype("f4"))
    assert tiled(collapse(few)) is not few and not is_tiled(tiled(collapse(few)))
    x = arrays.new(100, 100)
    dense = Nest((), (100, 100), (Stage(True, ((0, Read(x)),), (), (Store(0, arrays.new(100, 100)),)),), "columns")
    assert not is_tiled(tiled(collapse(dense)))
    counted = Stage(True, ((0, Read(stepped(x, 1, 100))), (1, Position(0))), (), (Store(0, arrays.new(100, 100)),))
    assert not is_tiled(tiled(collapse(Nest((), (100, 100), (counted,), "columns"))))


def test_generated_nests_in_small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((tile, "_LEAST", 1), (tile, "TILE", 4), (memory, "TILE", 4)):
        monkeypatch.setattr(module, name, value)
    count = 0
    for seed in range(20_000, 20_200):
        nest, elements = generated(seed)
        if is_free(nest):
            count += is_tiled(tiled(collapse(nest)))
            check(nest, elements, (1, 2, 5))
    assert count > 10
