"""Bad input is told by an error that names the line and says what to do; nothing is lost, nothing left behind."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_input import ROWS
from bad_rows import Given, Row

import chainrule as cr
from chainrule import observers, where
from chainrule.cli import main
from chainrule.errors import ChainruleError
from chainrule.ir.op import tracing


def state() -> list[Any]:
    """What an error must not leave changed in this process."""
    legacy = np.random.get_state()
    return [
        (tracing(), where.current_layer(), observers.looked_into(), sys.gettrace()),
        (legacy[0], legacy[1].tobytes(), legacy[2:], random.getstate(), np.geterr(), sys.getrecursionlimit()),
    ]


def works() -> bool:
    """Whether derivatives, eager and staged, are right."""
    x = np.array([1.0, -2.0])
    f = cr.jit(cr.grad(lambda x: np.sum(x**3)))
    return all(np.array_equal(g(x), [3.0, 12.0]) for g in (cr.grad(lambda x: np.sum(x**3)), f, f))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_bad_input(row: Row, tmp_path: Path) -> None:
    given = Given(tmp_path)
    arrays = given.arrays()
    copies = [x.copy() for x in arrays]
    before = state()
    with pytest.raises(row.error) as caught:
        row.run(given)
    text = str(caught.value)
    assert type(caught.value) is row.error
    assert re.fullmatch(row.pattern(), text), f"{text}\n{row.pattern()}"
    if isinstance(caught.value, ChainruleError):
        assert re.search(r"; (try|write) .", text), f"nothing is said of what to do: {text}"
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.writeable and array.dtype == copy.dtype
    assert given.files is None or given.found_files() == given.files
    assert state() == before
    assert row.after(given) is not False
    assert works()


def test_training_that_does_not_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def exhausted(*_: Any) -> None:
        raise MemoryError("Unable to allocate 477. GiB")

    monkeypatch.setattr("chainrule.nn.layers.initializer", lambda _: exhausted)
    assert main(["train", "digits", "--out", str(tmp_path / "model")]) == 2
    told = (
        "chainrule: expected training that fits into memory, got: Unable to allocate 477. GiB; try a smaller --hidden"
    )
    assert capsys.readouterr().err.startswith(told) and not list(tmp_path.iterdir())


def test_every_row_says_something_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(row.text or row.error is KeyboardInterrupt for row in ROWS)
