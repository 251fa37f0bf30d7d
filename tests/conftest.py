"""What holds for the whole suite: the same examples in every run, Ctrl-C can be tried, a table of checks at the end."""

from __future__ import annotations

import signal
from typing import Any

from hypothesis import HealthCheck, settings
from op_table import OP_CHECKS, op_table

# The same examples in every run, however slow the machine is.
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


def pytest_configure() -> None:
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
