"""`backend`: the one that runs staged functions."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib import import_module
from typing import Any, Final

from chainrule.backend.base import Backend
from chainrule.errors import BackendWarning, OptionError, message

_BACKENDS: Final = {
    "reference": ("chainrule.backend.reference", "ReferenceBackend"),
    "llvm": ("chainrule.backend.llvm.executable", "NativeBackend"),
}


def backend() -> Backend:
    """The backend named by CHAINRULE_BACKEND: `reference` or `llvm`; it is loaded when it is first asked for.

    Where nothing is named it is native code, on machines on which that was tested or is found to be right, else the
    reference backend, after a line that says why.
    """
    name = os.environ.get("CHAINRULE_BACKEND", "")
    return _load(name) if name else _default()


@cache
def _default() -> Backend:
    trouble, hint = _trouble()
    if not trouble:
        return _load("llvm")
    hint = f"{hint}, or CHAINRULE_BACKEND=reference for the same without this line"
    warnings.warn(
        f"{message('a machine that runs native code', trouble, hint=hint)}; NumPy runs staged functions",
        BackendWarning,
        stacklevel=2,
    )
    return _load("reference")


def _trouble() -> tuple[str, str]:
    """What keeps native code from being used, and what to do; nothing where nothing does."""
    try:
        check: Any = import_module("chainrule.backend.llvm.self_check")
    except (ImportError, OSError) as error:  # OSError: LLVM's library cannot be loaded
        return f"one without llvmlite ({error})", "pip install llvmlite"
    return check.distrust(), "another version of llvmlite"


@cache
def _load(name: str) -> Backend:
    if name not in _BACKENDS:
        expected = f"one of {', '.join(_BACKENDS)} as CHAINRULE_BACKEND"
        raise OptionError(message(expected, repr(name), hint="leaving it unset"))
    module, kind = _BACKENDS[name]
    found: Backend = getattr(import_module(module), kind)()
    return found
