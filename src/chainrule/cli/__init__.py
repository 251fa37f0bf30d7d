"""The command `chainrule`: `train` a network on digits, `info` about the installation, `cache` of compiled code.

Exit status: 0 done; 1 training diverged; 2 an option, data or a folder that cannot be used, told in one line on
standard error; 130 after Ctrl-C, with what was learnt until then saved.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from chainrule.cli.arguments import parse
from chainrule.cli.cache import clear_cache, describe_cache
from chainrule.cli.information import describe_installation
from chainrule.cli.texts import as_command
from chainrule.cli.training import train_network
from chainrule.errors import ChainruleError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command with the given arguments, those of the process by default."""
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        status = _run(arguments)
        sys.stdout.flush()
    except ChainruleError as error:
        print(f"chainrule: {as_command(str(error))}", file=sys.stderr)
        return 2
    except MemoryError as error:
        text = f"expected training that fits into memory, got: {error or 'no more'}; try a smaller --hidden or --batch"
        print(f"chainrule: {text}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough; nothing more can be said on standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("chainrule: interrupted", file=sys.stderr)
        return 130
    return status


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "train":
            return train_network(arguments)
        case "cache":
            return clear_cache() if arguments.action == "clear" else describe_cache()
        case _:
            return describe_installation()
