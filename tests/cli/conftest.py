from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainrule.cli.threads import blas_threads, limit_threads


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """The command sets how many threads NumPy takes: here for its own time only."""
    before = blas_threads()
    yield
    if before is not None:
        limit_threads(before)
