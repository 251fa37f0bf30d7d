"""The rows: which problem, in which way, on how many threads, by whom, and what is aimed at."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.problems import Elementwise, Leaves, Logistic, Problem, Product, Training

CHAINRULE = "chainrule"
CONTENDERS = {
    CHAINRULE: "benchmarks.with_chainrule",
    "numpy": "benchmarks.peers.numpy_by_hand",
    "jax": "benchmarks.peers.jax_optax",
    "torch": "benchmarks.peers.torch_eager",
    "torch.compile": "benchmarks.peers.torch_compiled",
}
"""The module of each contender, in the order in which they take turns."""

EVERYONE = tuple(CONTENDERS)


@dataclass(frozen=True)
class Row:
    """One line of what is measured; the rows of one group are measured in the same processes, one after another."""

    name: str
    title: str
    problem: Problem
    way: str
    threads: int
    contenders: tuple[str, ...]
    group: str
    aim: str
    tolerance: float = 1e-4


SMALL = Training((8, 16, 16, 1), "tanh", "mse", "adam", 1e-3, 32, 20)
NIELSEN = Training((784, 30, 10), "sigmoid", "cross_entropy", "sgd", 0.5, 10, 20)
WIDE = Training((784, 512, 512, 10), "relu", "cross_entropy", "adam", 1e-3, 128, 20)
FIRST = Training((784, 512, 512, 10), "relu", "cross_entropy", "adam", 1e-3, 128, 1, checked=1)
WHOLE = Training((4, 32, 16, 4), "tanh", "mse", "adam", 1e-3, 10_000, 1)
SMALL_EPOCH = Training((8, 16, 16, 1), "tanh", "mse", "adam", 1e-3, 32, 1000)
NIELSEN_EPOCH = Training((784, 30, 10), "sigmoid", "cross_entropy", "sgd", 0.5, 10, 1000)

SQUARES = (16, 32, 64, 128, 256, 512, 1024, 2048)
SKINNY = (
    (10, 784, 30),
    (128, 784, 512),
    (128, 512, 10),
    (784, 128, 512),
    (1024, 16, 1024),
    (16, 1024, 16),
    (1, 512, 512),
)
FLIPS = ("nn", "nt", "tn", "tt")


def rows() -> list[Row]:
    """Every row, in the order in which they are measured."""
    return [*_training(), *_gradients(), *_products(), *_elementwise(), *_calls()]


def chosen(patterns: Sequence[str], threads: Sequence[int]) -> list[Row]:
    """The rows whose names fit one of the patterns, on these numbers of threads; no pattern means all."""
    found = [row for row in rows() if row.threads in threads]
    return [row for row in found if not patterns or any(fnmatch.fnmatch(row.name, f"{p}*") for p in patterns)]


def _training() -> Iterator[Row]:
    for name, title, step, epoch, aims in (
        ("small", "8-16-16-1 tanh, batch 32, Adam", SMALL, SMALL_EPOCH, ("1/12 of jax, 1/35 of torch", "1/6 of jax")),
        ("nielsen", "784-30-10 sigmoid, batch 10, SGD", NIELSEN, NIELSEN_EPOCH, ("1/4 of jax", "1/4 of jax")),
    ):
        row = f"step-{name}"
        yield Row(row, f"step {title}, called from Python", step, "step", 1, EVERYONE, row, f"at most {aims[0]}")
        row = f"epoch-{name}"
        text = f"step {title}, in an epoch of {epoch.batches}"
        yield Row(row, text, epoch, "epoch", 1, EVERYONE, row, f"at most {aims[1]}")
    for threads in (1, 2):
        row = f"step-wide-{threads}"
        text = "step 784-512-512-10 relu, batch 128, Adam"
        yield Row(row, text, WIDE, "step", threads, EVERYONE, row, "1.2 times the best, 75 % of the floor")
        row = f"step-whole-{threads}"
        text = "step 4-32-16-4 tanh, full batch of 10,000, Adam"
        yield Row(row, text, WHOLE, "step", threads, EVERYONE, row, "twice the best")


def _gradients() -> Iterator[Row]:
    problem = Logistic(1_000_000, 28)
    text = "logistic regression 1,000,000 x 28, full gradient"
    for threads in (1, 2):
        row = f"logistic-{threads}"
        yield Row(row, text, problem, "call", threads, EVERYONE, row, "1.5 times the best")


def _products() -> Iterator[Row]:
    shapes = [*((n, n, n) for n in SQUARES), *SKINNY]
    for threads in (1, 2):
        for way in ("loop", "bind"):
            for m, k, n in shapes:
                for flips in FLIPS:
                    turns = 4 * max(0, min(2000, int(1e8 / (2 * m * k * n))) // 4) + 1
                    if m != n or n != k:  # a stack of operands lies in memory
                        turns = max(1, min(turns, 2**20 // (m * k + m * n)))
                    size = f"{m}" if m == k == n else f"{m}x{k}x{n}"
                    yield Row(
                        f"matmul-{way}-{threads}-{size}-{flips}",
                        f"matmul {m} x {k} x {n} {flips}, {'in a loop' if way == 'loop' else 'a call'}",
                        Product(m, k, n, flips, turns),
                        way,
                        threads,
                        (CHAINRULE, "numpy", "torch"),
                        f"matmul-{way}-{threads}",
                        "as fast as the better up to 256, 0.95 above" if m == k == n else "as fast as the better",
                        1e-3,  # of a chain of up to 2000 products
                    )


def _elementwise() -> Iterator[Row]:
    for threads in (1, 2):
        for name in ("exp", "tanh", "erf", "sigmoid"):
            who = (CHAINRULE, "numpy", "jax", "torch")
            group = f"elementwise-{threads}"
            problem = Elementwise(name, 1_000_000)
            text = f"{name} of 1,000,000 float32"
            yield Row(f"{group}-{name}", text, problem, "call", threads, who, group, "1.5 times the best")


def _calls() -> Iterator[Row]:
    who = (CHAINRULE, "jax", "torch", "torch.compile")
    for cache, aim in (("cold", "0.5 s"), ("warm", "0.1 s")):
        text = f"first call in a fresh process, 784-512-512-10, {cache} disk cache"
        yield Row(f"first-{cache}", text, FIRST, "first", 1, who, f"first-{cache}", f"at most {aim}")
    for way, aim in (("jit", "8 us"), ("bind", "2 us")):
        text = f"call of a step with 20 array leaves through {way}, beyond its work"
        yield Row(f"call-{way}", text, Leaves(20), way, 1, (CHAINRULE, "jax"), f"call-{way}", f"at most {aim}")
