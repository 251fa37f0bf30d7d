"""The README: its code runs, its first lines of code are the ones promised, its commands exist."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest
from executable_pages import blocks, execute

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"

FRONT_DOOR: Final = """\
import chainrule as cr
from chainrule import nn, optim, train
x, y = cr.data.digits()
model = nn.MLP([64, 128, 10], activation="relu", rng=0)
run = train.fit(model, nn.cross_entropy, (x, y), optim.adam(1e-3), epochs=20, batch_size=32, validation=0.2, rng=0)
run.model(x[:5]).argmax(-1)
loss, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(run.model)
grads.layers[0].weight.shape == (128, 64)
cr.explain(run.model, nn.cross_entropy, x, y)
"""


def test_front_door_is_verbatim() -> None:
    assert next(block.text for block in blocks(README) if block.language == "python") == FRONT_DOOR


def test_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(README) == sum(block.language == "python" for block in blocks(README))


def test_commands_stand_at_the_top_and_exist() -> None:
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^\./(\S+)", text, flags=re.MULTILINE)
    assert commands[:2] == ["scripts/demo", "scripts/test"]
    assert text.index("./scripts/demo") < text.index("```python")
    for command in commands:
        assert (ROOT / command).is_file()
        assert os.name == "nt" or os.access(ROOT / command, os.X_OK)
