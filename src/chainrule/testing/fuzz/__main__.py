"""The command: `python -m chainrule.testing.fuzz N --seed S --backend NAME`; `scripts/fuzz` runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from chainrule.errors import OptionError
from chainrule.testing.fuzz.campaign import Campaign, child, table
from chainrule.testing.fuzz.trial import BACKENDS, find_backend


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if nothing failed, 1 if something did, 2 for options that make no sense."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Runs generated graphs and measures what they give.")
    parser.add_argument("count", type=int, help="how many graphs: those with the seeds S to S + N - 1")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first graph (default 0)")
    parser.add_argument("--backend", default="reference", help=f"{' or '.join(BACKENDS)} (default reference)")
    parser.add_argument("--guard", action="store_true", help="native programs run in guarded memory, too")
    parser.add_argument("--threads", type=int, default=None, help="for a backend that has threads")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that one graph may take (default 120)")
    parser.add_argument("--most", type=int, default=20, help="stop after so many failures (default 20)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--crash", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.guard and options.backend == "llvm":
        options.backend = "guarded"
    if options.child:
        return child(options.backend, options.threads, options.seed, options.count, options.crash)
    try:
        find_backend(options.backend)
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    campaign = Campaign(options.backend, options.threads, options.patience, options.most)
    campaign.run(options.seed, options.count)
    print("\n".join(table(campaign.covered)))
    print(f"{campaign.done} graphs, {len(campaign.failures)} failed", *map(str, campaign.failures))
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
