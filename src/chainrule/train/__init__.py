"""Training: `fit` a model to data, `evaluate` it, `save` and `load` it as a folder."""

from __future__ import annotations

from chainrule.train.history import Epoch, History, Run, Scores
from chainrule.train.loop import evaluate, fit
from chainrule.train.saved import Saved, load, save

__all__ = ["Epoch", "History", "Run", "Saved", "Scores", "evaluate", "fit", "load", "save"]
