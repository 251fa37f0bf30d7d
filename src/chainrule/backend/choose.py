"""`backend`: the one that runs staged functions."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import Final

from chainrule.backend.base import Backend
from chainrule.errors import OptionError, message

_BACKENDS: Final = {
    "reference": ("chainrule.backend.reference", "ReferenceBackend"),
    "llvm": ("chainrule.backend.llvm.executable", "NativeBackend"),
}
_DEFAULT: Final = "reference"


def backend() -> Backend:
    """The backend named by CHAINRULE_BACKEND: `reference` or `llvm`; it is loaded when it is first asked for."""
    return _load(os.environ.get("CHAINRULE_BACKEND", "") or _DEFAULT)


@cache
def _load(name: str) -> Backend:
    if name not in _BACKENDS:
        expected = f"one of {', '.join(_BACKENDS)} as CHAINRULE_BACKEND"
        raise OptionError(message(expected, repr(name), hint="leaving it unset"))
    module, kind = _BACKENDS[name]
    found: Backend = getattr(import_module(module), kind)()
    return found
