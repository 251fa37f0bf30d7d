"""How training shows itself: a bar on a terminal or in a notebook, else one plain line an epoch."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from typing import Any, Literal, TypeAlias

from chainrule.errors import MissingExtraError, OptionError, message
from chainrule.train.history import Epoch, Scores
from chainrule.where import user_location

_UNSAID = {"ncols": 80, "nrows": 24}  # the size of a terminal that says it has none: tqdm would draw nothing
_FORMAT = "{desc} {percentage:3.0f}% |{bar}| {elapsed} < {remaining}{postfix}"

Choice: TypeAlias = bool | Literal["auto"]


class Progress(ABC):
    """What is told of training while it runs."""

    @abstractmethod
    def advance(self, epoch: int, steps: int, scores: Scores) -> None:
        """Some steps of an epoch are done; `scores` are its means so far."""

    @abstractmethod
    def end_epoch(self, epoch: Epoch) -> None:
        """An epoch is over."""

    @abstractmethod
    def close(self) -> None:
        """Training is over, in whatever way."""


class Silent(Progress):
    """Says nothing."""

    def advance(self, epoch: int, steps: int, scores: Scores) -> None: ...

    def end_epoch(self, epoch: Epoch) -> None: ...

    def close(self) -> None: ...


class Lines(Silent):
    """One line an epoch on standard error: what a log file wants, and what is there without tqdm."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def end_epoch(self, epoch: Epoch) -> None:
        print(str(epoch).replace(":", f"/{self.epochs}:", 1), file=sys.stderr, flush=True)


class Bar(Progress):
    """A bar over all steps, with the epoch before it and the scores behind it.

    In brackets: the accuracy on the held-out rows after the last epoch.
    """

    def __init__(self, tqdm: Any, epochs: int, steps: int) -> None:
        self.epochs = epochs
        self.validation = ""
        # Without the thread that tqdm has for bars which seldom move: a fork would lose it.
        quiet = type("Bar", (tqdm,), {"monitor_interval": 0})
        size = {"dynamic_ncols": True} if _columns() != 0 else _UNSAID
        self.bar = quiet(total=epochs * steps, bar_format=_FORMAT, leave=True, **size)

    def advance(self, epoch: int, steps: int, scores: Scores) -> None:
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(_short(scores) + self.validation, refresh=False)
        self.bar.update(steps)

    def end_epoch(self, epoch: Epoch) -> None:
        held = epoch.validation
        if held is not None:
            self.validation = f", validation {held.loss:.4g}" if held.accuracy is None else f" ({held.accuracy:.1%})"
        self.bar.set_postfix_str(_short(epoch.train) + self.validation, refresh=epoch.number == self.epochs)

    def close(self) -> None:
        self.bar.close()


def _short(scores: Scores) -> str:
    return f"loss {scores.loss:.4g}" + ("" if scores.accuracy is None else f", accuracy {scores.accuracy:.1%}")


def show_progress(wanted: Choice, epochs: int, steps: int) -> Progress:
    """The display asked for: "auto" a bar where one can be drawn, else lines; True a bar always; False nothing."""
    if wanted is False:
        return Silent()
    if wanted is not True and wanted != "auto":
        raise OptionError(message('progress=True, False or "auto"', repr(wanted), user_location(), 'progress="auto"'))
    notebook = _in_notebook()
    tqdm = find_tqdm(notebook) if wanted is True or notebook or sys.stderr.isatty() else None
    if wanted is True and tqdm is None:
        hint = "pip install 'chainrule[train]', or progress=\"auto\" for a line an epoch"
        raise MissingExtraError(message("the package tqdm for progress=True", "none installed", user_location(), hint))
    return Lines(epochs) if tqdm is None else Bar(tqdm, epochs, steps)


def find_tqdm(notebook: bool) -> Any:
    """The class `tqdm`, a notebook's own where its widgets are installed; None without the package."""
    try:
        import tqdm.notebook
    except ImportError:
        return None
    widgets = notebook and getattr(tqdm.notebook, "IProgress", None) is not None
    return tqdm.notebook.tqdm if widgets else tqdm.tqdm


def _columns() -> int | None:
    """The width that the terminal gives as its own; None where there is no terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return None


def _in_notebook() -> bool:
    """Whether a notebook's kernel is running this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
