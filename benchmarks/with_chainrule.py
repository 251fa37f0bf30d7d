"""chainrule's side, written with its public names as a user would."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
import chainrule.numpy as cnp
from benchmarks.problems import Elementwise, Leaves, Logistic, Product, Training
from benchmarks.program import NotThere, Program
from chainrule import nn, optim

FUNCTIONS = {"exp": cnp.exp, "tanh": cnp.tanh, "erf": cnp.erf, "sigmoid": cnp.sigmoid}


def staged(function: Any, threads: int, donate: tuple[int, ...] = ()) -> Any:
    """The function under `cr.jit`, on so many threads where jit can be told."""
    options = {"threads": threads} if "threads" in inspect.signature(cr.jit).parameters else {}
    return cr.jit(function, donate=donate, **options)


def bound(function: Any, *args: Any) -> Callable[[], Any]:
    """The call of a staged function on these very arrays."""
    if not hasattr(function, "bind"):
        raise NotThere("not there yet: a jitted function has no bind")
    return function.bind(*args)


def report_of(function: Any, arguments: Callable[[], Any]) -> Callable[[], str] | None:
    """What the staged function says of its kernels, where it says anything."""
    return (lambda: str(function.report(*arguments()))) if hasattr(function, "report") else None


def training(problem: Training, way: str, threads: int) -> Program:
    """Steps called from Python, or a whole epoch as one scan."""
    beside: dict[str, float] = {}
    if way == "first":
        start = time.perf_counter()
        import llvmlite.binding  # noqa: F401

        beside["import llvmlite"] = time.perf_counter() - start
    step, *held = step_of(problem)

    def epoch(model: Any, state: Any, xs: Any, ys: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            model, state, loss = step(*carry, *batch)
            return (model, state), loss

        (model, state), losses = cr.scan(body, (model, state), (xs, ys))
        return model, state, losses

    if way == "epoch":
        call, inputs = staged(epoch, threads, donate=(0, 1)), [problem.data]
    else:
        call, inputs = staged(step, threads, donate=(0, 1)), list(zip(*problem.data, strict=True))

    def run(n: int) -> None:
        model, state = held
        for i in range(n):
            model, state, _ = call(model, state, *inputs[i % len(inputs)])
        held[:] = model, state

    def check() -> list[float]:
        losses: list[float] = []
        while len(losses) < problem.checked:
            held[0], held[1], loss = call(*held, *inputs[len(losses) % len(inputs)])
            losses += np.atleast_1d(loss).tolist()
        return losses[: problem.checked]

    units = problem.batches if way == "epoch" else 1
    return Program(run, check, units=units, beside=beside, report=report_of(call, lambda: (*held, *inputs[0])))


def step_of(problem: Training) -> tuple[Callable[..., Any], Any, Any]:
    """One step of the training, and what it begins with: the model, and the optimizer's state."""
    model = network(problem)
    opt = optim.adam(problem.rate) if problem.optimizer == "adam" else optim.sgd(problem.rate)
    loss_of = nn.cross_entropy if problem.loss == "cross_entropy" else nn.mse

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = cr.value_and_grad(lambda m: loss_of(m(x), y))(model)
        model, state = opt.update(model, state, grads)
        return model, state, loss

    return step, model, opt.init(model)


def network(problem: Training) -> Any:
    """The perceptron with the problem's parameters."""
    model = nn.MLP(list(problem.sizes), activation=problem.activation, rng=0)
    structure = cr.tree.flatten(model)[1]
    return cr.tree.unflatten(structure, [x.copy() for pair in problem.parameters for x in pair])


def logistic(problem: Logistic, way: str, threads: int) -> Program:
    """Loss and gradient, staged."""
    x, y, w = problem.data
    b = np.float32(0.25)

    def loss_and_gradient(w: Any, b: Any, x: Any, y: Any) -> Any:
        return cr.value_and_grad(lambda p: nn.binary_cross_entropy_with_logits(x @ p[0] + p[1], y))((w, b))

    call = staged(loss_and_gradient, threads)

    def run(n: int) -> None:
        for _ in range(n):
            call(w, b, x, y)

    def check() -> Any:
        loss, (dw, db) = call(w, b, x, y)
        return np.hstack([loss, dw, db])

    return Program(run, check, report=report_of(call, lambda: (w, b, x, y)))


def product(problem: Product, way: str, threads: int) -> Program:
    """A bound call; or a native loop: of a square matrix a chain, each product on the one before, else over a stack."""
    a, b = problem.data
    if way != "loop":
        function = staged(lambda a, b: cnp.matmul(*problem.turned(a, b)), threads)
        given, turns = (a, b), 1
        call = bound(function, *given)
    elif problem.square:
        turns = problem.turns

        def chain(a: Any, b: Any) -> Any:
            return cr.fori_loop(0, turns, lambda _, c: cnp.matmul(*problem.turned(a, c)), b)

        function, given = staged(chain, threads), (a, b)
        call = lambda: function(*given)  # noqa: E731
    else:
        turns = problem.turns

        def products(stack: Any, b: Any) -> Any:
            return cr.scan(lambda none, a: (none, cnp.matmul(*problem.turned(a, b))), None, stack)[1]

        function, given = staged(products, threads), (np.repeat(a[None], turns, axis=0), b)
        call = lambda: function(*given)  # noqa: E731

    def run(n: int) -> None:
        for _ in range(n):
            call()

    def check() -> Any:
        out = call()
        return problem.sample(out if out.ndim == 2 else out[-1])

    return Program(run, check, units=turns, report=report_of(function, lambda: given))


def elementwise(problem: Elementwise, way: str, threads: int) -> Program:
    """The function on fixed arrays where calls can be bound, else staged, with a new array for each result."""
    function = staged(FUNCTIONS[problem.function], threads)
    x = problem.data
    call = bound(function, x) if hasattr(function, "bind") else lambda: function(x)

    def run(n: int) -> None:
        for _ in range(n):
            call()

    return Program(run, lambda: problem.sample(call()), report=report_of(function, lambda: (x,)))


def leaves(problem: Leaves, way: str, threads: int) -> Program:
    """A step on a list of arrays, all donated, by a call or a bound call."""

    def body(_: Any, arrays: list[Any]) -> list[Any]:
        return [x * 0.5 + 1 for x in arrays]

    def program(turns: int) -> Program:
        function = staged(
            lambda arrays: cr.fori_loop(0, turns, body, arrays) if turns > 1 else body(0, arrays), threads, donate=(0,)
        )
        arrays = [x.copy() for x in problem.data]
        call = bound(function, arrays) if way == "bind" else lambda: function(arrays)  # the results are the same arrays

        def run(n: int) -> None:
            for _ in range(n):
                call()

        def check() -> list[float]:
            return [float(x[0]) for x in call()]

        return Program(run, check, report=report_of(function, lambda: (arrays,)))

    short = program(1)
    short.longer, short.turns = program(problem.turns + 1), problem.turns
    return short
