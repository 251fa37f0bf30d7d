"""How often a function was staged, and the warning where that is becoming a habit."""

from __future__ import annotations

import warnings
from typing import Final

from chainrule.api.call import Call, Form
from chainrule.errors import RecompileWarning, message
from chainrule.types import Type
from chainrule.where import user_location

_SHAPES: Final = 5  # combinations of types of one function: the first, and four times anew
_FORMS: Final = 8  # stagings for other static values, or since something outside had changed


class Stagings:
    """A count of graphs, and what they were staged for."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name
        self._types: dict[Form, dict[tuple[Type, ...], None]] = {}
        self._again = 0  # how often since something outside had changed
        self._warned = False

    def add(self, call: Call, changed: bool) -> None:
        """Counts one; `changed`: something outside had. Where that becomes a habit a RecompileWarning says so once."""
        self.count += 1
        types = self._types.setdefault(call.form, {})
        self._again += changed
        types[call.types] = None
        if self._warned:
            return
        if len(types) >= _SHAPES:
            got = f"{len(types)}: {_differences(call.form, list(types))}"
            hint = "arrays of one shape, such as batches of one size, or rows chosen from one array inside the function"
            self._warn(f"arguments of few different shapes and dtypes for the staged {self._name}", got, hint)
        elif len(self._types) >= _FORMS:
            hint = "a float or an array for a number that changes, which is no part of the program"
            got = f"{len(self._types)}, each staged anew"
            self._warn(f"few different static values or structures for the staged {self._name}", got, hint)
        elif self._again >= _FORMS - 1:
            hint = "passing as an argument what changes from call to call"
            got = f"changes at which it was staged anew {self._again} times"
            self._warn(f"nothing that changes outside of the staged {self._name}", got, hint)

    def _warn(self, expected: str, got: str, hint: str) -> None:
        self._warned = True
        where = user_location()
        file, line = (where.file, where.line) if where else (__file__, 0)
        warnings.warn_explicit(message(expected, got, where, hint), RecompileWarning, file, line)


def _differences(form: Form, calls: list[tuple[Type, ...]]) -> str:
    """The first argument whose types were not always the same, with these, and how many more there are."""
    columns = [list(dict.fromkeys(types)) for types in zip(*calls, strict=True)]
    varying = [number for number, types in enumerate(columns) if len(types) > 1]
    more = f", and {len(varying) - 1} more" if len(varying) > 1 else ""
    return f"`{form.name(varying[0])}` as {', '.join(map(str, columns[varying[0]]))}{more}"
