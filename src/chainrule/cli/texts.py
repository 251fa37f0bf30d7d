"""Errors as someone at a terminal reads them."""

from __future__ import annotations

from chainrule.where import user_location


def without_place(text: str) -> str:
    """The text of an error or a warning without its place, which here is the script that called the command."""
    return text.replace(f" at {user_location()}", "")
