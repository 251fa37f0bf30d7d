"""What a staged function finds outside itself is never read in a form that is gone: every change is seen."""

from __future__ import annotations

import collections
import functools
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([0.5, -1.0, 2.0])


class Base:
    rate = 2.0
    table = np.ones(3)

    def __init__(self) -> None:
        self.scale = 1.0
        self.weights = np.ones(3)

    @property
    def doubled(self) -> float:
        return 2.0 * self.scale

    @classmethod
    def rated(cls, x: Any) -> Any:
        return x * cls.rate

    def outer(self, x: Any) -> Any:
        return self.inner(x)

    def inner(self, x: Any) -> Any:
        return x * self.scale


class Derived(Base):
    def inner(self, x: Any) -> Any:
        return super().inner(x) * self.rate


class Slotted:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 1.0


Pair = tuple[Callable[[Any], Any], Callable[[], Any]]  # a function, and what changes something that it reads


def attribute_of_the_class() -> Pair:
    kind = type("Kind", (Base,), {"__module__": __name__})
    thing = kind()
    return lambda x: x * thing.rate, lambda: setattr(kind, "rate", 3.0)


def attribute_that_hides_that_of_the_class() -> Pair:
    thing = Base()
    return lambda x: x * thing.rate, lambda: setattr(thing, "rate", 3.0)


def class_itself() -> Pair:
    kind = type("Kind", (Base,), {"__module__": __name__})
    return lambda x: kind.rated(x), lambda: setattr(kind, "rate", 3.0)


def property_of_an_object() -> Pair:
    thing = Base()
    return lambda x: x * thing.doubled, lambda: setattr(thing, "scale", 3.0)


def method_that_calls_a_method() -> Pair:
    thing = Base()
    return lambda x: thing.outer(x), lambda: setattr(thing, "scale", 3.0)


def bound_method() -> Pair:
    thing = Derived()
    return thing.outer, lambda: setattr(thing, "scale", 3.0)


def method_of_the_base() -> Pair:
    thing = Derived()
    return lambda x: thing.outer(x), lambda: setattr(thing, "scale", 3.0)


def slot() -> Pair:
    thing = Slotted()
    return lambda x: x * thing.scale, lambda: setattr(thing, "scale", 3.0)


def attribute_by_a_string() -> Pair:
    thing = SimpleNamespace(scale=1.0)
    return lambda x: x * getattr(thing, "scale", 0.0), lambda: setattr(thing, "scale", 3.0)


def nested_containers() -> Pair:
    held = {"a": [{"b": 1.0}]}
    return lambda x: x * held["a"][0]["b"], lambda: held["a"][0].update(b=3.0)


def key_that_is_new() -> Pair:
    held = {"a": 1.0}
    return lambda x: x * held.get("b", 1.0), lambda: held.update(b=3.0)


def queue() -> Pair:
    held = collections.deque([1.0, 2.0])
    return lambda x: x * held[0], lambda: held.rotate(1)


def elements_of_a_set() -> Pair:
    held = {1.0}
    return lambda x: x * sum(held), lambda: held.add(2.0)


def module_imported_inside() -> Pair:
    module: Any = ModuleType("captured_settings")
    module.rate = 1.0
    sys.modules["captured_settings"] = module

    def function(x: Any) -> Any:
        import captured_settings  # type: ignore[import-not-found]

        return x * captured_settings.rate

    return function, lambda: setattr(module, "rate", 3.0)


def default_of_a_parameter() -> Pair:
    def function(x: Any, rate: Any = [1.0]) -> Any:  # noqa: B006 (it is what is tested)
        return x * rate[0]

    return function, lambda: function.__defaults__[0].append(function.__defaults__[0].pop() + 1.0)  # type: ignore[index]


def element_of_an_array() -> Pair:
    w = np.ones(3)
    return lambda x: x * w[0], lambda: w.fill(3.0)


def sum_by_numpy() -> Pair:
    w = np.ones(3)
    return lambda x: x * w + np.sum(w**2), lambda: w.fill(3.0)


def array_made_a_number() -> Pair:
    w = np.ones(3)
    return lambda x: x * float(w[0]), lambda: w.fill(3.0)


def decision_by_an_array() -> Pair:
    w = np.ones(3)
    return lambda x: x if w[0] > 2 else -x, lambda: w.fill(3.0)


def large_array() -> Pair:
    w = np.ones(2**18)
    return lambda x: x * np.sum(w), lambda: w.fill(3.0)


def view_of_an_array_bound_anew() -> Pair:
    held = {"w": np.ones((3, 3))}
    return lambda x: x @ held["w"].T, lambda: held.update(w=np.eye(3))


def two_names_of_one_array() -> Pair:
    w = np.ones(3)
    held = {"a": w, "b": w}
    return lambda x: x * held["a"] + 2.0 * x * held["b"], lambda: held.update(b=3.0 * w)


def labels_written_to() -> Pair:
    labels = np.array([0, 1])
    return lambda x: cr.nn.cross_entropy(np.stack([x, 2.0 * x]), labels), lambda: labels.fill(2)


PAIRS = [value for value in dict(globals()).values() if getattr(value, "__annotations__", {}) == {"return": "Pair"}]


@pytest.mark.parametrize("make", PAIRS, ids=[make.__name__ for make in PAIRS])
def test_a_change_outside_is_seen(make: Callable[[], Pair]) -> None:
    function, change = make()
    staged = cr.jit(function)
    before = staged(X)
    np.testing.assert_array_equal(before, function(X))
    change()
    assert not np.array_equal(function(X), before)
    np.testing.assert_array_equal(staged(X), function(X))


def test_an_array_bound_anew_at_every_call_is_followed_without_tracing() -> None:
    held = {"w": np.ones(3)}
    staged = cr.jit(lambda x: x @ held["w"])
    for i in range(4):
        held["w"] = held["w"] + float(i)
        assert staged(X) == X @ held["w"]
    assert staged.compiles == 1


def test_an_array_written_to_at_every_call_is_followed_without_tracing() -> None:
    w = np.ones(3)
    staged = cr.jit(functools.partial(lambda w, x: np.tanh(x) @ w, w))
    for _ in range(3):
        w *= 2.0
        assert staged(X) == np.tanh(X) @ w
    assert staged.compiles == 1


def test_methods_and_caches_do_not_make_it_be_traced_anew() -> None:
    class Thing(Base):
        @functools.cached_property
        def cached(self) -> float:
            return 3.0 * self.scale

    thing = Thing()
    staged = cr.jit(lambda x: thing.rated(x) + thing.outer(x) + thing.cached)
    assert staged(1.0) == staged(1.0) == 6.0 and staged.compiles == 1


def test_nan_is_no_change() -> None:
    w = np.array([np.nan, 1.0])
    staged = cr.jit(lambda x: x * np.sum(w[1:]))
    assert staged(2.0) == staged(2.0) == 2.0 and staged.compiles == 1
