"""The runner of the pages finds what a page claims wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from executable_pages import PageError, blocks, execute

GOOD = """
# Page

```sh
false
```

```python
x = 2
x + 1 == 3
print("a", x)
```

```text
a ...
```

```python
>>> x * 3
6
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(GOOD)
    return path


def test_a_true_page_runs(page: Path) -> None:
    assert [(block.language, block.line) for block in blocks(page)] == [
        ("sh", 5),
        ("python", 9),
        ("text", 15),
        ("python", 19),
    ]
    assert execute(page) == 2


@pytest.mark.parametrize(
    ("true", "false", "message"),
    [
        ("x + 1 == 3", "x + 1 == 4", "page.md:10: x + 1 == 4 is False"),
        ("a ...", "b ...", "page.md:15: expected"),
        ("\n6\n", "\n7\n", "Expected:\n    7\nGot:\n    6"),
        ("6\n```", "6\n", "page.md:19: expected the end"),
    ],
)
def test_a_false_page_fails(page: Path, true: str, false: str, message: str) -> None:
    page.write_text(GOOD.replace(true, false))
    with pytest.raises(PageError, match=re.escape(message)):
        execute(page)


def test_an_error_names_the_line_of_the_page(page: Path) -> None:
    page.write_text(GOOD.replace("x = 2", "x = 1 / 0"))
    with pytest.raises(ZeroDivisionError) as error:
        execute(page)
    assert (Path(error.traceback[-1].path).name, error.traceback[-1].lineno + 1) == ("page.md", 9)
