"""Which backend runs staged functions."""

from __future__ import annotations

import pytest

from chainrule.backend.choose import backend
from chainrule.errors import OptionError


def test_the_environment_names_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_BACKEND", "reference")
    assert backend().name == "reference" and backend() is backend()
    monkeypatch.setenv("CHAINRULE_BACKEND", "cuda")
    with pytest.raises(
        OptionError, match="one of reference, llvm as CHAINRULE_BACKEND, got 'cuda'; try leaving it unset"
    ):
        backend()
