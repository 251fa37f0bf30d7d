"""Backpropagation, from its definition: the gradient of a network by all its parts, checked and counted.

The network is y = f_z(f_{z-1}(... f_1(x))) with f_i(x) = tanh(A_i x + b_i), the loss L(y). The program finds the
derivative of L by every A_i, by every b_i and by the input of every layer, compares each with finite differences, and
counts what it costs: value and gradient together take at most three times the multiply-adds of the value alone, however
deep the network is.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

import chainrule as cr


def layer(A, b, x):
    return np.tanh(A @ x + b)


def network(layers, x):
    for i, (A, b) in enumerate(layers, start=1):
        x = cr.tap(x, f"x_{i}")  # a name for the input of layer i: its gradient is wanted
        x = layer(A, b, x)
    return x


def loss(layers, x, target):
    return np.sum((network(layers, x) - target) ** 2)


def random_layers(sizes, rng):
    return [
        (rng.standard_normal((outputs, inputs)) / np.sqrt(inputs), 0.1 * rng.standard_normal(outputs))
        for inputs, outputs in pairwise(sizes)
    ]


def differences(f, arguments, place, step=1e-5):
    """The gradient of f by one of its arguments, by central differences, one element after the other."""
    gradient = np.empty_like(arguments[place])
    for index in np.ndindex(gradient.shape):
        moved = [x.copy() for x in arguments]
        moved[place][index] = arguments[place][index] + step
        above = f(*moved)
        moved[place][index] = arguments[place][index] - step
        gradient[index] = (above - f(*moved)) / (2 * step)
    return gradient


def loss_from(layers_behind, target, A, b, x):
    """The loss as a function of one layer: what comes before it enters by x alone."""
    return loss([(A, b), *layers_behind], x, target)


def check(sizes, rng):
    """Prints, for every layer, how far its three derivatives are from finite differences."""
    layers, x, target = random_layers(sizes, rng), rng.standard_normal(sizes[0]), rng.standard_normal(sizes[-1])
    value, grads, by_input = cr.value_and_grad(loss, taps=True)(layers, x, target)
    print(f"loss {value:.6f} of the network {' -> '.join(map(str, sizes))}\n")
    print("layer     dL/dA_i     dL/db_i     dL/dx_i   relative distance from finite differences")
    for i, (A, b) in enumerate(layers):
        f = partial(loss_from, layers[i + 1 :], target)
        found = (*grads[i], by_input[f"x_{i + 1}"])
        expected = [differences(f, (A, b, x), place) for place in range(3)]
        errors = [np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in zip(found, expected, strict=True)]
        print(f"{i + 1:5}", *(f"{error:11.1e}" for error in errors))
        if not max(errors) < 1e-7:
            raise SystemExit(f"layer {i + 1}: the gradient is not that of finite differences")
        x = layer(A, b, x)


def count(width, depths):
    """Prints the multiply-adds of the value, and of value and gradient together."""
    print(f"\nlayers of {width} units\ndepth        value   value and gradient   times")
    rng = np.random.default_rng(1)
    for depth in depths:
        layers, x = random_layers([width] * (depth + 1), rng), rng.standard_normal(width)
        value = cr.graph(loss)(layers, x, x).cost().multiply_adds
        both = cr.graph(cr.value_and_grad(loss, argnums=(0, 1), taps=True))(layers, x, x).cost().multiply_adds
        print(f"{depth:5} {value:12,} {both:20,}   {both / value:.2f}")
        if both > 3 * value:
            raise SystemExit(f"depth {depth}: {both:,} multiply-adds are more than 3 times {value:,}")
    print(f"at most 3 times at all {len(depths)} depths")


if __name__ == "__main__":
    check([5, 8, 7, 6, 3], np.random.default_rng(0))
    count(width=16, depths=[*range(1, 10), *range(10, 101, 10)])
