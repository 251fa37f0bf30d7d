"""What the whole suite shows at its end: how often each operation was checked, by kind of check."""

from __future__ import annotations

from typing import Any

from op_table import OP_CHECKS, op_table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: dict[str, dict[str, int]] = {}
    for report in terminalreporter.getreports("passed"):
        for key, value in report.user_properties:
            if key == OP_CHECKS:
                name, mode, count = value
                counts.setdefault(name, {})[mode] = count
    if counts:
        terminalreporter.section("calls of each operation that were checked")
        for line in op_table(counts):
            terminalreporter.write_line(line)
