"""What a staged function finds outside itself is never read in a form that is gone: every change is seen."""

from __future__ import annotations

import collections
import dataclasses
import functools
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import CaptureWarning

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

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class Derived(Base):
    def inner(self, x: Any) -> Any:
        return super().inner(x) * self.rate


class Slotted:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 1.0


@dataclasses.dataclass
class Record:
    scale: Any


def scaled(thing: Any, x: Any) -> Any:
    return x * thing.scale


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


def method_bound_anew() -> Pair:
    kind = type("Kind", (Base,), {"__module__": __name__})
    thing = kind()
    return lambda x: thing.outer(x), lambda: setattr(kind, "inner", lambda self, x: -x)


def special_method() -> Pair:
    thing = Base()
    return lambda x: x * thing["scale"], lambda: setattr(thing, "scale", 3.0)


def object_given_to_a_helper() -> Pair:
    thing = Base()
    return lambda x: scaled(thing, x), lambda: setattr(thing, "scale", 3.0)


def object_got_from_a_function() -> Pair:
    thing = Base()

    def get() -> Any:
        return thing

    return lambda x: x * get().scale, lambda: setattr(thing, "scale", 3.0)


def objects_in_lists_in_objects() -> Pair:
    outer = SimpleNamespace(parts=[Record(2.0), Record(3.0)])
    return lambda x: x * outer.parts[1].scale, lambda: setattr(outer.parts[1], "scale", 4.0)


def argument_of_a_partial() -> Pair:
    thing = Record(2.0)
    return functools.partial(scaled, thing), lambda: setattr(thing, "scale", 3.0)


def wrapped_function() -> Pair:
    thing = Record(2.0)

    @functools.cache
    def rate() -> float:
        return 2.0

    def inner(x: Any) -> Any:
        return x * thing.scale * rate()

    return functools.wraps(inner)(lambda x: inner(x)), lambda: setattr(thing, "scale", 3.0)


def attribute_of_a_function() -> Pair:
    def function(x: Any) -> Any:
        return x * function.scale  # type: ignore[attr-defined]

    function.scale = 2.0  # type: ignore[attr-defined]
    return function, lambda: setattr(function, "scale", 3.0)


def other_defaults() -> Pair:
    def function(x: Any, scale: float = 2.0) -> Any:
        return x * scale

    return function, lambda: setattr(function, "__defaults__", (3.0,))


def other_code() -> Pair:
    def function(x: Any) -> Any:
        return x * 2.0

    return function, lambda: setattr(function, "__code__", (lambda x: x * 3.0).__code__)


def sign_of_a_zero() -> Pair:
    thing = Record(0.0)
    return lambda x: x * np.copysign(1.0, thing.scale), lambda: setattr(thing, "scale", -0.0)


def number_of_another_type() -> Pair:
    thing = Record(2)
    return lambda x: x * (4.0 if isinstance(thing.scale, float) else 1.0), lambda: setattr(thing, "scale", 2.0)


def key_of_another_name() -> Pair:
    held = {"a": 1.0}
    return lambda x: x * (2.0 if "a" in held else 3.0), lambda: held.update(b=held.pop("a"))


def dict_in_disguise() -> Pair:
    held = collections.UserDict(a=2.0)
    return lambda x: x * held["a"], lambda: held.update(a=3.0)


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


def mask() -> Pair:
    w = np.array([0.0, 1.0, 2.0])
    return lambda x: np.where(w > 0.5, x, 0.0), lambda: w.fill(3.0)


def quotient_by_a_sum() -> Pair:
    w = np.array([0.0, 1.0, 2.0])
    return lambda x: x * w / w.sum(), lambda: w.fill(3.0)


def one_element_of_a_large_array() -> Pair:
    w = np.ones((1024, 1024))
    return lambda x: x * np.sum(w), lambda: w.__setitem__((517, 3), 7.0)


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
    np.testing.assert_array_equal(before, staged(X))
    assert staged.stagings == 1
    change()
    assert not np.array_equal(function(X), before)
    np.testing.assert_array_equal(staged(X), function(X))


def test_an_array_bound_anew_at_every_call_is_followed_without_tracing() -> None:
    held = {"w": np.ones(3)}
    staged = cr.jit(lambda x: x @ held["w"])
    for i in range(4):
        held["w"] = held["w"] + float(i)
        assert staged(X) == X @ held["w"]
    assert staged.stagings == 1


def test_an_array_written_to_at_every_call_is_followed_without_tracing() -> None:
    w = np.ones(3)
    staged = cr.jit(functools.partial(lambda w, x: np.tanh(x) @ w, w))
    for _ in range(3):
        w *= 2.0
        assert staged(X) == np.tanh(X) @ w
    assert staged.stagings == 1


def test_methods_and_caches_do_not_make_it_be_traced_anew() -> None:
    class Thing(Base):
        @functools.cached_property
        def cached(self) -> float:
            return 3.0 * self.scale

    thing = Thing()
    staged = cr.jit(lambda x: thing.rated(x) + thing.outer(x) + thing.cached)
    assert staged(1.0) == staged(1.0) == 6.0 and staged.stagings == 1


def test_nan_is_no_change() -> None:
    w = np.array([np.nan, 1.0])
    staged = cr.jit(lambda x: x * np.sum(w[1:]))
    assert staged(2.0) == staged(2.0) == 2.0 and staged.stagings == 1


# --- what does not make it be traced anew -----------------------------------------------------------------------------


def test_what_is_not_read_may_change() -> None:
    thing, log = Record(1.0), SimpleNamespace(calls=0, lines=[], scale=1.0, weights=None)
    staged = cr.jit(lambda x: x["weights"] * thing.scale * log.scale)
    for i in range(3):
        assert staged({"weights": 2.0}) == 2.0
        log.calls = i
        log.lines.append(i)
        log.weights = np.ones(i)
    assert staged.stagings == 1


def test_a_global_that_has_the_name_of_an_attribute_or_a_key_may_change() -> None:
    source = "def function(x):\n    return x['rate'] * thing.scale"
    scope: dict[str, Any] = {"thing": Record(2.0), "rate": 1.0, "scale": 1.0}
    exec(source, scope)
    staged = cr.jit(scope["function"])
    for i in range(3):
        assert staged({"rate": 3.0}) == 6.0
        scope.update(rate=float(i), scale=np.ones(i))
    assert staged.stagings == 1


def test_numbers_that_are_equal_but_other_objects() -> None:
    thing = SimpleNamespace(a=1e300, b=float("nan"), c=np.float64(0.1), d=frozenset({1}))

    def function(x: Any) -> Any:
        return x * thing.a * len(thing.d) + np.nan_to_num(thing.b) + thing.c

    staged = cr.jit(function)
    staged(X)
    thing.a, thing.b, thing.c, thing.d = float("1e300"), float("nan"), np.float64(0.1), frozenset([1])
    staged(X)
    assert staged.stagings == 1


def test_a_function_that_reaches_too_much() -> None:
    rows = [[float(i)] for i in range(20_000)]
    staged = cr.jit(lambda x: x * len(rows))
    with pytest.warns(CaptureWarning, match=r"at most 10,000 objects outside .* got more than 10,000"):
        assert staged(2.0) == 40_000.0
