"""The one way in which this package says that data is not what it should be."""

from __future__ import annotations

from chainrule.errors import DataError, message
from chainrule.where import user_location


def data_error(expected: object, got: object, hint: str) -> DataError:
    """The DataError `expected ..., got ... at file:line; try ...`, with the line of the user's program."""
    return DataError(message(expected, got, user_location(), hint))
