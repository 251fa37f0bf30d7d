"""Generated graphs on one backend, measured against the reference backend and against float64."""

from __future__ import annotations

from chainrule.testing.fuzz.generate import Sample, generate
from chainrule.testing.fuzz.measure import Truth, Wrong
from chainrule.testing.fuzz.trial import Trial, complaint, find_backend, try_seed
from chainrule.testing.fuzz.widen import widened

__all__ = ["Sample", "Trial", "Truth", "Wrong", "complaint", "find_backend", "generate", "try_seed", "widened"]
