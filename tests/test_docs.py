"""The pages of the documentation: every block of Python in them runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from executable_pages import blocks, execute

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGES: Final = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts and any(block.language == "python" for block in blocks(path))
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(path) > 0


def test_the_tutorial_is_among_them() -> None:
    assert "tutorial" in {path.stem for path in PAGES}
