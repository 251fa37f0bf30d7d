"""Prints the outcome of each stage of scripts/test and a last line that counts tests; fails if a stage failed.

Usage: summary.py FOLDER SECONDS < LINES. A line reads `passed  5. tests, 300 s`; FOLDER/5.xml, where there is one, is
pytest's report of that stage.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def count(report: Path) -> tuple[int, int, int]:
    """Returns how many tests of a pytest report passed, failed (errors included) and were skipped."""
    suites = ElementTree.parse(report).getroot().findall("testsuite")
    total, failures, errors, skipped = (
        sum(int(suite.attrib[name]) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    return total - failures - errors - skipped, failures + errors, skipped


def main(folder: str, seconds: str) -> int:
    passed = failed = skipped = 0
    for line in sys.stdin.read().splitlines():
        print(line)
        outcome, stage = line.split(maxsplit=1)
        report = Path(folder, stage.split(".")[0] + ".xml")
        counts = count(report) if report.exists() else (int(outcome == "passed"), 0, 0)
        # A stage can fail without a failed test: pytest found none, or could not start.
        broken = int(outcome != "passed" and counts[1] == 0)
        passed, failed, skipped = passed + counts[0], failed + counts[1] + broken, skipped + counts[2]
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped in {seconds} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
