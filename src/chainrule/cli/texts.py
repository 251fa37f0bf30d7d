"""Errors as someone at a terminal reads them."""

from __future__ import annotations

from typing import Final

from chainrule.where import user_location

_OPTIONS: Final = {
    "batch_size=": "--batch ",
    "batch_size": "--batch",
    "another name, or overwrite=True to replace it": "another --out",
}
"""What a program writes, and what stands for it on the command line."""


def as_command(text: str) -> str:
    """The text of an error or a warning with the command's options, without the place: the script that called it."""
    text = text.replace(f" at {user_location()}", "")
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text
