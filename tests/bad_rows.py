"""How a row of bad input is written down, and what every row starts from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn

MARK = "# wrong"  # stands on the line that the error has to name

TARGET = (
    "expected a traced array to write a traced value to, got a plain ndarray as the target of {} {{here}}; try y = y + "
    "x, a new array, or a target made by cr.numpy.zeros"
)

PLAIN = np.zeros(3)
SQUARE = np.ones((3, 3))
ONES_4 = np.ones(4)
CONSTANTS = (PLAIN, SQUARE, ONES_4)
"""Arrays outside of the functions; a row that changes one of them fails."""


class Given:
    """What a row may use, made anew for each: nothing of it may be another one afterwards."""

    def __init__(self, folder: Path) -> None:
        draws = np.random.default_rng(0)
        self.folder = folder
        self.x = np.arange(1.0, 4.0)
        self.images = draws.random((12, 4)).astype(np.float32)
        self.labels = draws.integers(0, 3, 12)
        self.model = nn.MLP([4, 5, 3], rng=0)
        self.files: dict[str, bytes] | None = None

    def freeze(self) -> None:
        """From here on the folder stays as it is."""
        self.files = self.found_files()

    def found_files(self) -> dict[str, bytes]:
        """What is in the folder, folders and links as nothing."""
        found = sorted(self.folder.rglob("*"))
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}

    def arrays(self) -> list[Any]:
        """The arrays of it all."""
        leaves = cr.tree.flatten((self.x, self.images, self.labels, self.model))[0]
        return [*leaves, *CONSTANTS]


@dataclass(frozen=True)
class Row:
    """Bad input: `run(given)` raises exactly `error`; its whole text is `text`, and afterwards `after(given)` holds.

    In the text, `...` stands for anything and `{here}` for file and line of the line that is marked.
    """

    name: str
    run: Callable[[Given], Any]
    source: Callable[..., Any]
    error: type[BaseException]
    text: str
    after: Callable[[Given], Any] = field(default=lambda given: None)

    def pattern(self) -> str:
        """The text as a regular expression."""
        lines, first = inspect.getsourcelines(self.source)
        marked = [first + i for i, line in enumerate(lines) if line.rstrip().endswith(MARK)]
        file = Path(inspect.getfile(self.source)).name
        here = rf"at \S*{re.escape(file)}:{marked[0]}" if marked else ""
        return re.escape(self.text).replace(r"\.\.\.", ".*").replace(r"\{here\}", here)


def ones(x: Any) -> Any:
    """A tangent for x."""
    return np.ones(np.shape(x))


EAGER: dict[str, Callable[[Any, Any], Any]] = {
    "eager": lambda f, x: cr.grad(f)(x),
    "forward": lambda f, x: cr.jvp(f, (x,), (ones(x),)),
    "pullback": lambda f, x: cr.vjp(f, x),
}
STAGED: dict[str, Callable[[Any, Any], Any]] = {
    "staged": lambda f, x: cr.jit(f)(x),
    "staged gradient": lambda f, x: cr.jit(cr.grad(f))(x),
    "gradient of staged": lambda f, x: cr.grad(cr.jit(f))(x),
    "graph": lambda f, x: cr.graph(f)(x),
    "loop": lambda f, x: cr.scan(lambda carry, _: (carry, f(x * carry)), 1.0, length=2),
}
BOTH = EAGER | STAGED


class Table:
    """The rows of one kind, in the order in which they are written down."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def traced(
        self, error: type[BaseException], text: str, ways: dict[str, Callable[[Any, Any], Any]] = BOTH
    ) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        """A function of x = [1, 2, 3] that fails in each of the ways of tracing it."""

        def add(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
            for way, call in ways.items():
                name = f"{f.__name__.replace('_', ' ').strip()}, {way}"
                self.rows.append(Row(name, lambda given, call=call: call(f, given.x), f, error, text))
            return f

        return add

    def called(
        self,
        error: type[BaseException],
        text: str,
        after: Callable[[Given], Any] = lambda given: None,
        source: Callable[..., Any] | None = None,
    ) -> Callable[[Callable[[Given], Any]], Callable[[Given], Any]]:
        """A function of what is given that fails, on a line of its own or of `source`, which it calls."""

        def add(f: Callable[[Given], Any]) -> Callable[[Given], Any]:
            self.rows.append(Row(f.__name__.replace("_", " ").strip(), f, source or f, error, text, after))
            return f

        return add
