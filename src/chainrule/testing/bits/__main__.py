"""The command: `python -m chainrule.testing.bits [--quick]`; `scripts/hashes` runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from chainrule.testing.bits.campaign import child, compared, ways
from chainrule.testing.bits.inspection import inspected
from chainrule.testing.bits.run import MACHINES


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if all hashes of a workload are one and all objects are as they must be, else 1."""
    parser = argparse.ArgumentParser(
        prog="hashes",
        description="Prints SHA-256 of what workloads give, by threads, processors, caches and machine records.",
    )
    parser.add_argument("--quick", action="store_true", help="few elements and functions")
    parser.add_argument("--only", nargs="*", default=(), metavar="TEXT", help="workloads with such a name")
    parser.add_argument("--no-objects", action="store_true", help="leave out the objects for other processors")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--machine", default="", choices=("", *MACHINES), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    only = tuple(options.only)
    if options.child:
        return child(options.threads, options.machine, options.quick, only)
    same = compared(ways(), options.quick, only)
    right = options.no_objects or inspected(options.quick, only)
    return 0 if same and right else 1


if __name__ == "__main__":
    sys.exit(main())
