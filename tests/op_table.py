"""The table of checked operations: a row for each, a column for each kind of check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

OP_CHECKS: Final = "op checks"
"""The property by which a test says what it checked: operation, kind of check, number of calls."""

MODES: Final = (
    "value",
    "text",
    "scalars",
    "promotion",
    "no derivative",
    "reverse eager",
    "reverse staged",
    "forward eager",
    "forward staged",
    "agreement",
    "second eager",
    "second staged",
    "single",
    "ownership",
)
"""The columns: the kinds of checks, named here so that the summary imports nothing that may be broken."""


def op_table(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yields the lines of the table, `-` where a check has no meaning for an operation, and a last line of totals."""
    width = max(len(name) for name in (*counts, "operation", "total"))
    columns = [max(len(word) for word in mode.split()) + 2 for mode in MODES]
    for row in range(2):
        heads = [(*([""] * (2 - len(mode.split()))), *mode.split())[row] for mode in MODES]
        yield _row(["operation", ""][1 - row].ljust(width), heads, columns)
    for name in sorted(counts):
        yield _row(name.ljust(width), [str(counts[name].get(mode, "-")) for mode in MODES], columns)
    totals = [sum(row.get(mode, 0) for row in counts.values()) for mode in MODES]
    yield _row("total".ljust(width), [str(total) for total in totals], columns)


def _row(name: str, cells: list[str], columns: list[int]) -> str:
    return name + "".join(cell.rjust(width) for cell, width in zip(cells, columns, strict=True))
