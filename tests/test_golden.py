from __future__ import annotations

from collections.abc import Callable

import pytest
from golden_graphs import FOLDER, GRAPHS, path

from chainrule.ir.check import verify
from chainrule.ir.graph import Graph
from chainrule.ir.text import constant_arrays, parse_graph


@pytest.mark.parametrize("make", GRAPHS, ids=[make.__name__ for make in GRAPHS])
def test_a_graph_has_the_text_that_is_kept(make: Callable[[], Graph]) -> None:
    graph = make()
    verify(graph)
    kept = path(make).read_text(encoding="utf-8")
    assert f"{graph}\n" == kept, (
        "where the new text is right: python tests/golden_graphs.py, and look at the difference"
    )
    assert f"{parse_graph(kept, constant_arrays(graph))}\n" == kept


def test_every_text_that_is_kept_has_its_graph() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {path(make).name for make in GRAPHS}
