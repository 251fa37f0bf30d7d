"""`chainrule info`: what is installed, and on what machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Final

import numpy as np

from chainrule._version import __version__
from chainrule.backend.choose import backend
from chainrule.cli.threads import blas_threads

_EXTRAS: Final = {"train": ("tqdm", "safetensors"), "plot": ("matplotlib",)}


def describe_installation() -> int:
    """0, after printing versions, machine, backend and optional packages, a line each."""
    lines = {
        "chainrule": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "numpy": np.__version__,
        "llvmlite": _version("llvmlite") or "not installed: pip install llvmlite",
        "system": platform.platform(),
        "processor": f"{_processor()}, {_cores()}",
        "threads": _threads(),
        "backend": _backend(),
    }
    for extra, packages in _EXTRAS.items():
        for package in packages:
            lines[package] = _version(package) or f"not installed: pip install 'chainrule[{extra}]'"
    width = max(map(len, lines))
    for name, text in lines.items():
        print(f"{name:<{width}}  {text}")
    return 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _backend() -> str:
    """What runs staged functions."""
    return {"llvm": "llvm (native code)", "reference": "reference (NumPy)"}[backend().name]


def _processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _cores() -> str:
    """How many cores there are, and how many this process may use where the system says so."""
    total = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    return f"{total} cores" + ("" if allowed == total else f", {allowed} of them for this process")


def _threads() -> str:
    count = blas_threads()
    return "NumPy's BLAS does not say" if count is None else f"{count} in NumPy's BLAS (OpenBLAS)"
