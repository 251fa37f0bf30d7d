"""Neural networks: models as callable trees of arrays, layers, activations, losses and initialisers."""

from __future__ import annotations

from chainrule.nn import init
from chainrule.nn.activations import (
    ACTIVATIONS,
    elu,
    gelu,
    identity,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from chainrule.nn.layers import MLP, Dense, Flatten, Lambda, Linear, Sequential
from chainrule.nn.losses import binary_cross_entropy_with_logits, cross_entropy, huber, mae, mse
from chainrule.nn.module import Module, param, state, static

swish = silu

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Dense",
    "Flatten",
    "Lambda",
    "Linear",
    "Module",
    "Sequential",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "elu",
    "gelu",
    "huber",
    "identity",
    "init",
    "leaky_relu",
    "log_softmax",
    "mae",
    "mse",
    "param",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "state",
    "static",
    "swish",
    "tanh",
]
