"""jax with optax: arrays on the device, one jitted step with donated parameters and state, epochs by `lax.scan`.

`block_until_ready` waits for the results before the clock stops; between steps nothing waits, so that jax may
dispatch ahead, on a thread of its own, as it does for its users.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.problems import Elementwise, Leaves, Logistic, Training
from benchmarks.program import Program

ACTIVATIONS = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}
FUNCTIONS = {"exp": jnp.exp, "tanh": jnp.tanh, "erf": jax.lax.erf, "sigmoid": jax.nn.sigmoid}


def training(problem: Training, way: str, threads: int) -> Program:
    """Steps called from Python, or a whole epoch as one scan."""
    optimizer = optax.adam(problem.rate) if problem.optimizer == "adam" else optax.sgd(problem.rate)
    params = jax.device_put([(w.T.copy(), b) for w, b in problem.parameters])
    state = optimizer.init(params)
    activation = ACTIVATIONS[problem.activation]

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        for w, b in params[:-1]:
            x = activation(x @ w + b)
        w, b = params[-1]
        z = x @ w + b
        if problem.loss == "mse":
            return jnp.mean((z - y) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

    def one(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    def scanned(params: Any, state: Any, xs: Any, ys: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            params, state, loss = one(*carry, *batch)
            return (params, state), loss

        (params, state), losses = jax.lax.scan(body, (params, state), (xs, ys))
        return params, state, losses

    if way == "epoch":
        call, inputs = jax.jit(scanned, donate_argnums=(0, 1)), [jax.device_put(problem.data)]
    else:
        call, inputs = jax.jit(one, donate_argnums=(0, 1)), jax.device_put(list(zip(*problem.data, strict=True)))
    held = [params, state]

    def run(n: int) -> None:
        params, state = held
        for i in range(n):
            params, state, _ = call(params, state, *inputs[i % len(inputs)])
        held[:] = jax.block_until_ready([params, state])

    def check() -> list[float]:
        losses: list[float] = []
        while len(losses) < problem.checked:
            held[0], held[1], loss = call(*held, *inputs[len(losses) % len(inputs)])
            losses += jnp.atleast_1d(loss).tolist()
        return losses[: problem.checked]

    return Program(run, check, units=problem.batches if way == "epoch" else 1)


def logistic(problem: Logistic, way: str, threads: int) -> Program:
    """Loss and gradient, jitted."""
    x, y, w = map(jax.device_put, problem.data)
    b = jnp.float32(0.25)

    @jax.jit
    def call(w: Any, b: Any, x: Any, y: Any) -> Any:
        def loss_of(w: Any, b: Any) -> Any:
            return optax.sigmoid_binary_cross_entropy(x @ w + b, y).mean()

        return jax.value_and_grad(loss_of, argnums=(0, 1))(w, b)

    def check() -> list[float]:
        loss, (dw, db) = call(w, b, x, y)
        return [float(loss), *dw.tolist(), float(db)]

    return Program(lambda n: jax.block_until_ready([call(w, b, x, y) for _ in range(n)][-1]), check)


def elementwise(problem: Elementwise, way: str, threads: int) -> Program:
    """The function, jitted."""
    x, call = jax.device_put(problem.data), jax.jit(FUNCTIONS[problem.function])

    def run(n: int) -> None:
        for _ in range(n):
            call(x).block_until_ready()

    return Program(run, lambda: problem.sample(call(x)))


def leaves(problem: Leaves, way: str, threads: int) -> Program:
    """A jitted step on a list of arrays, all donated; the time is that of the whole call, whose work is small."""

    @functools.partial(jax.jit, donate_argnums=0)
    def call(arrays: list[Any]) -> list[Any]:
        return [x * 0.5 + 1 for x in arrays]

    held = [jax.device_put(problem.data)]

    def run(n: int) -> None:
        arrays = held[0]
        for _ in range(n):
            arrays = call(arrays)
        held[0] = jax.block_until_ready(arrays)

    def check() -> list[float]:
        run(1)
        return [float(x[0]) for x in held[0]]

    return Program(run, check)
