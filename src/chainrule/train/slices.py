"""`in_slices`: a staged call in pieces of about 50 ms, so that a bar moves and Ctrl-C is heard."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from chainrule.api.jit import Jitted

SECONDS = 0.05


def in_slices(function: Jitted[..., Any], *args: Any) -> Generator[tuple[Any, float]]:
    """What a call has come to after each slice (see `Running.result`), and the seconds that this one took."""
    begin = time.perf_counter()
    running = function.begin(*args)
    done = False
    while not done:
        done = running.proceed(SECONDS)
        yield running.result(), time.perf_counter() - begin
        begin = time.perf_counter()
