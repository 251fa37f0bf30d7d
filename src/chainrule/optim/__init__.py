"""Optimizers: gradient descent as pure functions over models, and schedules for its learning rate."""

from __future__ import annotations

from chainrule.optim.optimizer import Optimizer, State, clip_by_global_norm, matrices, weight_decay
from chainrule.optim.rules import adam, adamw, sgd
from chainrule.optim.schedules import constant, cosine, linear, warmup

__all__ = [
    "Optimizer",
    "State",
    "adam",
    "adamw",
    "clip_by_global_norm",
    "constant",
    "cosine",
    "linear",
    "matrices",
    "sgd",
    "warmup",
    "weight_decay",
]
