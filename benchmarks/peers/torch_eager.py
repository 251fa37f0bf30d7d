"""PyTorch, eager: fused optimizers, gradients set to None, tensors that share the data's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.problems import Elementwise, Logistic, Product, Training
from benchmarks.program import Program

ACTIVATIONS = {"tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}
FUNCTIONS = {"exp": torch.exp, "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid}
Compile = Callable[[Any], Any]


def as_it_is(function: Any) -> Any:
    """The function, not compiled."""
    return function


def training(problem: Training, way: str, threads: int, compiled: Compile = as_it_is) -> Program:
    """Steps; an epoch is a loop of them in Python."""
    torch.set_num_threads(threads)
    model = network(problem)
    make = torch.optim.Adam if problem.optimizer == "adam" else torch.optim.SGD
    optimizer = make(model.parameters(), lr=problem.rate, fused=True)
    loss_of = F.cross_entropy if problem.loss == "cross_entropy" else F.mse_loss
    forward = compiled(lambda x, y: loss_of(model(x), y))
    xs, ys = map(torch.from_numpy, problem.data)
    batches = list(zip(xs, ys, strict=True))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss

    def steps(n: int) -> None:
        for i in range(n):
            step(*batches[i % len(batches)])

    def check() -> list[float]:
        return [step(*batches[i % len(batches)]).item() for i in range(problem.checked)]

    if way == "epoch":
        return Program(lambda n: steps(n * len(batches)), check, units=len(batches))
    return Program(steps, check)


def network(problem: Training) -> torch.nn.Sequential:
    """The perceptron with the problem's parameters."""
    layers: list[torch.nn.Module] = []
    for w, b in problem.parameters:
        linear = torch.nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, ACTIVATIONS[problem.activation]()]
    return torch.nn.Sequential(*layers[:-1])


def logistic(problem: Logistic, way: str, threads: int, compiled: Compile = as_it_is) -> Program:
    """Loss and gradient by autograd."""
    torch.set_num_threads(threads)
    x, y, w = map(torch.from_numpy, problem.data)
    w = w.clone().requires_grad_()
    b = torch.tensor(0.25, requires_grad=True)
    forward = compiled(lambda: F.binary_cross_entropy_with_logits(x @ w + b, y))

    def call() -> tuple[Any, Any, Any]:
        w.grad = b.grad = None
        loss = forward()
        loss.backward()
        return loss, w.grad, b.grad

    def check() -> list[float]:
        loss, dw, db = call()
        return [loss.item(), *dw.tolist(), db.item()]

    return Program(lambda n: [call() for _ in range(n)][-1], check)


def product(problem: Product, way: str, threads: int) -> Program:
    """MKL: a call into a given tensor; or a batched product of a stack whose operands are all the same.

    On several threads a batch's products would run side by side, not one after the other: there each is a call.
    """
    torch.set_num_threads(threads)
    a, b = problem.turned(*map(torch.from_numpy, problem.data))
    shape = (problem.rows, problem.columns)
    # Every product has a place of its own here, so that a long stack of large ones would leave the cache.
    most = min(problem.turns, 64, 2**18 // (problem.rows * problem.columns))
    turns = max(1, most) if way == "loop" and threads == 1 else 1
    if turns > 1:
        a, b, out = a.expand(turns, *a.shape), b.expand(turns, *b.shape), torch.empty(turns, *shape)
        call = torch.bmm
    else:
        out, call = torch.empty(shape), torch.mm

    def run(n: int) -> None:
        for _ in range(n):
            call(a, b, out=out)

    def check() -> Any:
        run(1)
        return problem.sample(out.reshape(turns, *shape)[-1].numpy())

    return Program(run, check, units=turns)


def elementwise(problem: Elementwise, way: str, threads: int) -> Program:
    """The function into a given tensor."""
    torch.set_num_threads(threads)
    x = torch.from_numpy(problem.data)
    out, call = torch.empty_like(x), FUNCTIONS[problem.function]

    def run(n: int) -> None:
        for _ in range(n):
            call(x, out=out)

    def check() -> Any:
        run(1)
        return problem.sample(out.numpy())

    return Program(run, check)
