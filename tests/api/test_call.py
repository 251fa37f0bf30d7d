"""Calls of a staged function that are like one before: taken apart and put together by functions written for them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.api import jit as staging
from chainrule.backend.base import Donations, Misfit
from chainrule.backend.reference import Interpreted, ReferenceBackend
from chainrule.errors import BackendError, OptionError, OwnershipError
from chainrule.ir.graph import Graph

X = np.array([0.5, -1.0, 2.0])


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass(frozen=True)
class Record:
    a: Any
    b: Any


class Layer(nn.Module):
    weight: np.ndarray = nn.param()
    power: int = nn.static(default=1)
    name: Any = nn.static(default=0.0)


class Strict(Interpreted):
    """An executable that refuses all that it need not take, and counts what it was asked and what it ran."""

    def __init__(self, graph: Graph, donations: Donations) -> None:
        super().__init__(graph, donations)
        self.asked = self.ran = 0

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        self.asked += 1
        for x in inputs:
            array = type(x) is np.ndarray and x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative
            if not array and type(x) is not float:
                raise Misfit
        outs = super().__call__(inputs)
        self.ran += 1
        return outs


class Counting(ReferenceBackend):
    made: list[Strict]

    def __init__(self) -> None:
        self.made = []
        self.threads: list[int | None] = []

    def compile(self, graph: Graph, donations: Donations = (), threads: int | None = None) -> Strict:
        self.threads.append(threads)
        self.made.append(Strict(graph, donations))
        return self.made[-1]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Counting:
    found = Counting()
    monkeypatch.setattr(staging, "backend", lambda: found)
    return found


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is taken apart by a walk."""
    seen: list[Any] = []
    walk = staging.take_apart

    def noted(*args: Any) -> Any:
        seen.append(args)
        return walk(*args)

    monkeypatch.setattr(staging, "take_apart", noted)
    return seen


TREES: list[Any] = [
    X,
    (X, [X, 2.0 * X]),
    {"b": X, "a": [X], "c": ()},
    {2: X, "a": X},
    Point(X, (X, None)),
    Record(X, Record(X, {})),
    Layer(X, 2),
    [Layer(X, 3, (1, 2.0)), None, 1.5],
    ({"n": 3, "name": "a", "flag": True}, X),
]


@pytest.mark.parametrize("tree", TREES, ids=map(str, range(len(TREES))))
def test_a_call_like_one_before_is_not_walked(tree: Any, backend: Counting, walks: list[Any]) -> None:
    f = cr.jit(lambda t, *, other: (t, {"sum": other + 1.0}))
    leaves, structure = cr.tree.flatten(tree)
    for i in range(3):
        given = [leaf + float(i) if isinstance(leaf, (np.ndarray, float)) else leaf for leaf in leaves]
        out, rest = f(cr.tree.unflatten(structure, given), other=float(i))
        found, same = cr.tree.flatten(out)
        assert same == structure and same.exact == structure.exact and same.order == structure.order
        for a, b in zip(found, given, strict=True):
            assert type(a) is type(b)
            np.testing.assert_array_equal(a, b)
        assert rest == {"sum": i + 1.0}
    assert len(walks) == 1 and f.stagings == 1 and backend.made[0].ran == 3


OTHERS: list[tuple[Any, Any]] = [
    ((X, X), [X, X]),
    ((X, X), (X, X, X)),
    ([X], []),
    ({"a": X, "b": X}, {"b": X, "a": X}),
    ({"a": X}, {"a": X, "b": X}),
    ({"a": X}, {"b": X}),
    (Point(X, X), (X, X)),
    (Layer(X, 1), Layer(X, 2)),
    (Layer(X, 1), Layer(X, True)),  # type: ignore[arg-type]
    (Layer(X, 1, 0.0), Layer(X, 1, -0.0)),
    (Layer(X, 1, (1,)), Layer(X, 1, (1.0,))),
    (Record(X, X), Point(X, X)),
    (Record(X, 1), Record(X, 1.0)),
    (Record(X, 1), Record(X, True)),
    (Record(X, "a"), Record(X, b"a")),
    (Record(X, None), Record(X, X)),
    (X, 1.0),
    (np.float64(1.0), 1.0),
    (X, X.astype(np.float32)),
    (X, X[:2]),
]


@pytest.mark.parametrize(("one", "other"), OTHERS, ids=map(str, range(len(OTHERS))))
def test_a_call_that_is_another_is_told_apart(one: Any, other: Any) -> None:
    def function(t: Any) -> Any:
        numbers = [leaf for leaf in cr.tree.flatten(t)[0] if not isinstance(leaf, (str, bytes))]
        return str(cr.tree.flatten(t)[1]), numbers

    f = cr.jit(function)
    for _ in range(3):
        for tree in (one, other):
            text, numbers = f(tree)
            assert text == function(tree)[0]
            for a, b in zip(numbers, function(tree)[1], strict=True):
                assert np.array_equal(a, b) and getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b))
    assert f.stagings == 2


def test_keywords_are_told_apart() -> None:
    f = cr.jit(lambda x, a=1.0, b=10.0: x + a - b)
    assert [f(1.0), f(1.0, a=2.0), f(1.0, b=2.0), f(1.0, 3.0), f(1.0, b=2.0, a=1.0)] == [-8.0, -7.0, 0.0, -6.0, 0.0]
    assert [f(1.0), f(1.0, a=2.0), f(1.0, b=2.0), f(1.0, 3.0), f(1.0, b=2.0, a=1.0)] == [-8.0, -7.0, 0.0, -6.0, 0.0]
    with pytest.raises(TypeError):
        f(1.0, c=2.0)


def test_static_argnames_are_compared_as_they_were(walks: list[Any]) -> None:
    f = cr.jit(lambda x, option: x * option[0], static_argnames="option")
    assert [f(X, (2.0,))[0], f(X, (2.0,))[0], f(X, option=(2.0,))[0], f(X, (2,))[0]] == [1.0] * 4
    assert f.stagings == 3 and len(walks) == 3


def test_traced_and_plain_calls_alternate() -> None:
    f = cr.jit(lambda x: np.sum(x * x))
    for _ in range(3):
        assert f(X) == 5.25
        np.testing.assert_array_equal(cr.grad(f)(X), 2.0 * X)
        np.testing.assert_array_equal(cr.jit(cr.grad(f))(X), 2.0 * X)
    assert f.stagings == 1


def test_many_shapes_in_turn_are_taken_without_a_walk(walks: list[Any]) -> None:
    f = cr.jit(np.sum)
    for _ in range(4):
        for n in range(1, 5):
            assert f(np.ones(n)) == n
    assert f.stagings == 4 and len(walks) == 4


def test_other_layouts_are_copied_for_an_executable_that_refuses_them(backend: Counting) -> None:
    f = cr.jit(lambda a, b: (a + 1.0, b * 2.0), donate=0)
    buffer = np.zeros(3 * 8 + 1, np.uint8)
    unaligned = buffer[1:].view(np.float64)
    for a in (X.copy(), np.zeros(6)[::2], np.zeros(6)[::-2], unaligned, np.zeros(3, ">f8")):
        before = a + 1.0
        out, twice = f(a, X[::-1])
        assert out is a
        np.testing.assert_array_equal(a, before)
        np.testing.assert_array_equal(twice, 2.0 * X[::-1])
    assert f.stagings == 1 and len(backend.made) == 1
    number, _ = f(np.float64(3.0), np.float32(1.0)), f(3.0, 1.0)
    assert number[0] == 4.0 and number[1] == 2.0


def test_a_number_in_place_of_a_donated_array_is_an_array_of_its_own() -> None:
    f = cr.jit(lambda a: a + 1.0, donate=0)
    a = np.array(1.0)
    assert f(a) is a and a == 2.0
    assert f(np.float64(5.0)) == 6.0 and f(a) is a and a == 3.0


def test_a_backend_that_refuses_what_fits_is_named(backend: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Strict, "__call__", lambda self, inputs: (_ for _ in ()).throw(Misfit))
    with pytest.raises(BackendError, match="a Strict that refuses them"):
        cr.jit(np.sum)(X)


@pytest.mark.parametrize("threads", [0, -1, 1.0, True, "2"])
def test_threads_that_are_none(threads: Any) -> None:
    with pytest.raises(OptionError, match="threads as an int from 1 up, or None, got"):
        cr.jit(np.sum, threads=threads)


def test_threads_reach_the_backend(backend: Counting) -> None:
    assert cr.jit(np.sum, threads=2)(X) == cr.jit(np.sum)(X)
    assert cr.jit(threads=3)(np.sum).threads == 3 and backend.threads == [2, None]


# --- donation ---------------------------------------------------------------------------------------------------------


def test_a_tree_that_is_overwritten_as_a_whole_is_returned_itself() -> None:
    @cr.jit(donate=(0, 1))
    def step(model: Any, state: Any, x: Any) -> Any:
        return {"state": {**state, "n": state["n"]}, "model": model.replace(weight=model.weight - x), "loss": x.sum()}

    step_of = Layer(np.zeros(3)), {"m": [np.ones(3), np.zeros(3)], "n": 3}
    for i in range(1, 4):
        out = step(*step_of, X)
        assert out["model"] is step_of[0] and out["state"] is step_of[1]
        np.testing.assert_array_equal(step_of[0].weight, -i * X)
    assert step.stagings == 1


def test_a_tree_that_is_overwritten_in_part_is_another_one() -> None:
    f = cr.jit(lambda t: {"a": t["a"] + 1.0, "b": t["a"], "n": t["n"] + 1}, donate=0)
    t = {"a": np.zeros(2), "b": np.ones(2), "n": 1}
    out = f(t)
    assert out is not t and out["a"] is t["a"] and out["b"] is t["b"] and out["n"] == 2 and t["n"] == 1
    assert t["a"].tolist() == [1.0, 1.0] and t["b"].tolist() == [0.0, 0.0]
    g = cr.jit(lambda pair: (pair[0].astype(np.float32), pair[1]), donate=0)
    pair = (np.zeros(2), np.ones(2))
    assert g(pair) is not pair and g(pair)[1] is pair[0]


def test_results_go_over_the_argument_that_they_are_like_not_over_the_first_of_their_type() -> None:
    f = cr.jit(lambda params, moments: ([m * 2.0 for m in moments], {k: -p for k, p in params.items()}), donate=(0, 1))
    params, moments = {"a": np.ones(2)}, [np.full(2, 3.0)]
    for _ in range(2):
        out = f(params, moments)
        assert out[0] is moments and out[1] is params
    assert moments[0].tolist() == [12.0, 12.0] and params["a"].tolist() == [1.0, 1.0]


def test_arrays_that_overlap_are_found_at_a_later_call_too() -> None:
    step = cr.jit(lambda a, b: a + b, donate=0)
    a = np.ones(4)
    assert step(a, np.ones(4)) is a
    for b in (a, a[::-1], a[:].reshape(4)):
        with pytest.raises(OwnershipError, match="passed twice"):
            step(a, b)
    a.flags.writeable = False
    with pytest.raises(OwnershipError, match="read-only"):
        step(a, np.ones(4))
    assert step(np.ones(4), a).tolist() == [3.0] * 4 and a.tolist() == [2.0] * 4


def test_a_captured_array_that_is_donated() -> None:
    w = np.ones(2)
    step = cr.jit(lambda a: a + w, donate=0)
    assert step(np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(OwnershipError, match="passed twice"):
        step(w)


def test_a_staged_function_that_donates_inside_of_a_derivative_overwrites_nothing() -> None:
    f = cr.jit(lambda t: {"a": t["a"] * 2.0}, donate=0)
    t = {"a": X.copy()}
    grads = cr.grad(lambda t: f(t)["a"].sum())(t)
    assert t["a"].tolist() == X.tolist() and grads["a"].tolist() == [2.0] * 3
    assert f(t) is t and t["a"].tolist() == (2.0 * X).tolist()


def test_an_array_bound_anew_by_other_threads_is_read_as_one_of_them() -> None:
    held = {"w": np.zeros(3)}
    f = cr.jit(lambda x: x + held["w"])
    f(X)
    stop = threading.Event()

    def bind() -> None:
        while not stop.is_set():
            held["w"] = held["w"] + 1.0

    thread = threading.Thread(target=bind)
    thread.start()
    try:
        for _ in range(200):
            low = held["w"][0]
            found = f(X) - X
            assert low <= found[0] <= held["w"][0] and len(set(found)) == 1
    finally:
        stop.set()
        thread.join()
