"""The options of the command line: what there is, what it means, and what it is by default."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from chainrule import nn
from chainrule._version import __version__
from chainrule.train.kinds import is_sequence


@dataclass(frozen=True, slots=True)
class Defaults:
    """How a data set is trained unless options say otherwise."""

    epochs: int
    batch: int
    hidden: tuple[int, ...]
    activation: str


DATA_SETS: Final = {
    "digits": Defaults(epochs=30, batch=32, hidden=(256,), activation="relu"),
    "mnist": Defaults(epochs=1, batch=64, hidden=(100,), activation="relu"),
}
LEARNING_RATES: Final = {"sgd": 0.5, "momentum": 0.1, "nesterov": 0.1, "adam": 3e-3, "adamw": 3e-3}
"""The optimizers, and the learning rate of each unless an option says otherwise."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with exit status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    @property
    def options(self) -> list[str]:
        """The names of its options."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; try {self.prog} --help\n")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options as attributes, with the defaults of the data set filled in; exits with status 2 for wrong ones."""
    parser, train = _parsers()
    here = train if "train" in argv[:1] else parser
    for option in (text.partition("=")[0] for text in argv if text.startswith("--")):
        if option not in here.options:  # before argparse takes its value for something else
            close = difflib.get_close_matches(option, here.options, n=1)
            here.error(f"expected a known option, got {option}{f' (is {close[0]} meant?)' if close else ''}")
    arguments = parser.parse_args(argv)
    if arguments.command == "train":
        _complete(arguments, train)
    return arguments


def _complete(arguments: argparse.Namespace, parser: Parser) -> None:
    """Fills in what depends on other options."""
    if arguments.data_set == "mnist" and arguments.data is None:
        parser.error("expected --data DIR with the four files of MNIST, got none")
    if arguments.data_set == "digits" and arguments.data is not None:
        parser.error("expected --data with mnist only, got it with digits, which are part of the package")
    defaults = DATA_SETS[arguments.data_set]
    for name in ("epochs", "batch", "hidden", "activation"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, getattr(defaults, name))
    if arguments.lr is None:
        arguments.lr = LEARNING_RATES[arguments.optimizer]


def _parsers() -> tuple[Parser, Parser]:
    """The parser of the command, and that of its `train`."""
    parser = Parser(prog="chainrule", description="Trains neural networks by the chain rule.")
    parser.add_argument("--version", action="version", version=f"chainrule {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train a network on handwritten digits",
        description="Trains a multi-layer perceptron on handwritten digits and prints its accuracy on digits that it\n"
        "has not seen: a fifth of each class of `digits`, or the test images of `mnist`. Ctrl-C ends it early.",
        epilog="examples:\n"
        "  chainrule train digits\n"
        "  chainrule train digits --hidden 64,32 --activation tanh --seed 3\n"
        "  chainrule train mnist --data mnist/ --epochs 5 --out runs/mine",
    )
    _add_data(train)
    _add_network(train)
    _add_optimization(train)
    commands.add_parser(
        "info",
        help="versions, machine, optional packages",
        description="Prints the versions of chainrule and of what it uses, the machine, and which optional packages\n"
        "are there.",
    )
    cache = commands.add_parser(
        "cache",
        help="compiled code that is kept on disk",
        description="Prints where compiled code is kept, and how much of it; `clear` removes it. CHAINRULE_CACHE is\n"
        "another folder, or `off`; CHAINRULE_CACHE_BYTES is how much is kept.",
    )
    cache.add_argument("action", nargs="?", choices=("clear",), help="clear: remove all of it")
    return parser, train


def _add_data(parser: Parser) -> None:
    parser.add_argument(
        "data_set",
        nargs="?",
        choices=tuple(DATA_SETS),
        default="digits",
        help="digits: 1,797 images of 8x8, part of the package (the default); mnist: 70,000 of 28x28, from --data",
    )
    parser.add_argument("--data", metavar="DIR", help="the folder with the four IDX files of MNIST, plain or .gz")
    parser.add_argument(
        "--out", metavar="DIR", help="a new folder for the model (default: runs/DATA_SET, then runs/DATA_SET-2, ...)"
    )


def _add_network(parser: Parser) -> None:
    parser.add_argument(
        "--hidden",
        type=_sizes,
        metavar="LIST",
        help=f"sizes of the hidden layers, such as 128 or 128,64, or none ({_by_data_set('hidden')})",
    )
    parser.add_argument(
        "--activation",
        type=_one_of(nn.ACTIVATIONS),
        metavar="NAME",
        help=f"{', '.join(nn.ACTIVATIONS)} ({_by_data_set('activation')})",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of parameters and data (default: float32)"
    )


def _add_optimization(parser: Parser) -> None:
    parser.add_argument(
        "--epochs", type=_whole(1), metavar="N", help=f"passes over the training rows ({_by_data_set('epochs')})"
    )
    parser.add_argument("--batch", type=_whole(1), metavar="N", help=f"rows in a batch ({_by_data_set('batch')})")
    parser.add_argument(
        "--optimizer",
        type=_one_of(LEARNING_RATES),
        default="adam",
        metavar="NAME",
        help=f"{', '.join(LEARNING_RATES)} (default: adam)",
    )
    rates = ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items())
    parser.add_argument(
        "--lr",
        type=_positive,
        metavar="RATE",
        help=f"learning rate of the first step, from which it falls to 0 as a cosine (default: {rates})",
    )
    parser.add_argument(
        "--seed",
        type=_whole(0),
        default=0,
        metavar="N",
        help="of the held-out rows, the first weights and the order of the rows (default: 0)",
    )
    parser.add_argument(
        "--threads",
        type=_whole(1),
        default=1,
        metavar="N",
        help="threads for NumPy's matrix products, where its BLAS is OpenBLAS (default: 1); compiled code takes\n"
        "CHAINRULE_NUM_THREADS, or as many as there are processors",
    )


def _by_data_set(name: str) -> str:
    """The defaults of an option, for the help."""
    found = {data_set: getattr(defaults, name) for data_set, defaults in DATA_SETS.items()}
    texts = {key: ",".join(map(str, value)) if is_sequence(value) else str(value) for key, value in found.items()}
    if len(set(texts.values())) == 1:
        return f"default: {texts.popitem()[1]}"
    return "default: " + ", ".join(f"{text} for {key}" for key, text in texts.items())


def _whole(least: int) -> Callable[[str], int]:
    """The function that reads a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return value

    return read


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    """The function that reads one of some names, and says which is close to another one."""
    names = tuple(known)

    def read(text: str) -> str:
        if text not in names:
            close = difflib.get_close_matches(text.lower(), names, n=1)
            meant = f" (is {close[0]} meant?)" if close else ""
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, got {text!r}{meant}")
        return text

    return read


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _sizes(text: str) -> tuple[int, ...]:
    """Sizes separated by commas; `none` are none."""
    if text == "none":
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected sizes of at least 1 such as 128 or 128,64, or none, got {text!r}")
    return sizes
