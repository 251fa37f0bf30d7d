"""The table of docs/errors.md names every error, and what each is a kind of."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

from chainrule import errors

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"


def test_the_table_is_that_of_the_module() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    public = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert {name for name, _ in rows} == public - {"ChainruleError"}
    for name, kind in rows:
        assert issubclass(getattr(errors, name), getattr(errors, kind, None) or getattr(builtins, kind))
