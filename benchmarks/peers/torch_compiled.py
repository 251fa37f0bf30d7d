"""PyTorch with torch.compile: forward and backward compiled, the optimizer fused.

The optimizer is not compiled: that was tried, and is slower on a processor than the fused one. The wrapper in C++ is
what the documentation advises against the overhead of Python; the row of the first call goes without it, since it
doubles the time of the compilation.
"""

from __future__ import annotations

import shutil
from typing import Any

import torch

from benchmarks.peers import torch_eager
from benchmarks.problems import Logistic, Training
from benchmarks.program import NotThere, Program


def training(problem: Training, way: str, threads: int) -> Program:
    """Steps; an epoch is a loop of them in Python."""
    check_compiler()
    return torch_eager.training(problem, way, threads, torch.compile if way == "first" else compiled)


def logistic(problem: Logistic, way: str, threads: int) -> Program:
    """Loss and gradient."""
    check_compiler()
    return torch_eager.logistic(problem, way, threads, compiled)


def compiled(function: Any) -> Any:
    """The function, compiled for least overhead."""
    return torch.compile(function, options={"cpp_wrapper": True})


def check_compiler() -> None:
    """Raises NotThere where there is no C++ compiler, without which torch.compile generates nothing for processors."""
    if not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
        raise NotThere("torch.compile needs a C++ compiler, and there is none")
