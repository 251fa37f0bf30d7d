from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import TreeError
from chainrule.nn.calls import path_to
from chainrule.nn.module import holds_no_array
from chainrule.observers import observing_layers
from chainrule.tree import flatten, named_leaves, tree_map, unflatten
from chainrule.where import Where, current_layer, user_location


class Scale(nn.Module):
    weight: Any = nn.param()
    mean: Any = nn.state(default_factory=lambda: np.zeros(3))
    power: int = nn.static(default=2)

    def __call__(self, x: Any) -> Any:
        return (x - self.mean) ** self.power * self.weight


class Locate(nn.Module):
    """A layer that says where it is."""

    def __call__(self, found: list[Where | None]) -> list[Where | None]:
        return [*found, user_location()]


class Pair(nn.Module):
    first: Locate
    others: dict[str, Locate]

    def __call__(self, found: list[Where | None]) -> list[Where | None]:
        return self.others["b"](self.first(found))


def test_fields_have_kinds() -> None:
    layer = Scale(np.ones(3))
    leaves, structure = flatten(layer)
    assert structure.paths() == ["weight", "mean"]
    assert structure.kinds() == ["param", "state"]
    assert len(leaves) == 2
    assert structure.static == (2,)


def test_a_field_without_a_kind_is_static_if_it_can_hold_no_array() -> None:
    class Plain(nn.Module):
        weight: np.ndarray[Any, Any]
        inner: nn.Module
        name: str = "plain"
        size: int | None = None
        rate: float = 0.5

    layer = Plain(np.ones(2), Scale(np.ones(3)))
    assert list(named_leaves(layer)) == ["weight", "inner.weight", "inner.mean", "rate"]


@pytest.mark.parametrize(
    ("annotation", "static"),
    [
        ("int", True),
        (int, True),
        (bool | None, True),
        ("tuple[int, ...]", True),
        (tuple[int, ...], True),
        ("collections.abc.Callable[[Array], Array]", True),
        ("Callable[..., Any] | None", True),
        ("Literal['a', 'b']", True),
        ("tuple", False),
        ("tuple[Module, ...]", False),
        ("float", False),
        ("np.ndarray", False),
        (Any, False),
    ],
)
def test_annotations_that_hold_no_array(annotation: Any, static: bool) -> None:
    assert holds_no_array(annotation) is static


def test_a_module_is_its_own_identity() -> None:
    one, other = Scale(np.ones(3)), Scale(np.ones(3))
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_a_module_stays_as_it_is() -> None:
    layer = Scale(np.ones(3))
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"got an assignment to `weight` at .*test_module.py:\d+"):
        layer.weight = np.zeros(3)
    with pytest.raises(dataclasses.FrozenInstanceError, match="a deletion of `weight`"):
        del layer.weight
    assert layer.weight.tolist() == [1, 1, 1]


def test_a_field_is_declared() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.weight = np.ones(3)

    with pytest.raises(AttributeError, match=r"expected a declared field of Forgetful, got `weight` at .*nn.param\(\)"):
        Forgetful()


def test_a_static_field_is_hashable() -> None:
    class Sizes(nn.Module):
        sizes: Any = nn.static()

    with pytest.raises(TreeError, match="expected a hashable value for the static field `sizes` of Sizes, got list"):
        Sizes([1, 2])
    assert Sizes((1, 2)).sizes == (1, 2)


def test_a_plain_float_becomes_float32() -> None:
    layer = Scale(0.5)
    assert layer.weight.dtype == np.float32
    assert layer(np.ones(3, np.float32)).dtype == np.float64  # its mean is float64
    assert layer.replace(mean=0.0)(np.ones(3, np.float32)).dtype == np.float32


def test_replace_gives_another_module() -> None:
    layer = Scale(np.ones(3))
    other = layer.replace(weight=np.zeros(3), power=3)
    assert isinstance(other, Scale)
    assert (other.power, layer.power) == (3, 2)
    assert other.mean is layer.mean
    assert layer.weight.tolist() == [1, 1, 1]
    with pytest.raises(TreeError, match=r"expected fields of Scale \(weight, mean, power\), got wait"):
        layer.replace(wait=1)


def test_an_inherited_constructor_goes_on() -> None:
    class Net(nn.Sequential):
        def __call__(self, x: Any) -> Any:
            return 2 * super().__call__(x)

    net = Net(nn.Lambda(np.negative), nn.Lambda(np.negative))
    assert net(3.0) == 6.0
    assert len(net) == 2


def test_trees_of_modules() -> None:
    model = nn.MLP([4, 3, 2], rng=0)
    doubled = tree_map(lambda w: 2 * w, model)
    assert type(doubled) is nn.MLP
    assert doubled.layers[0].activation is nn.relu
    np.testing.assert_array_equal(doubled.layers[1].weight, 2 * model.layers[1].weight)
    leaves, structure = flatten(model)
    assert structure == flatten(unflatten(structure, leaves))[1]
    assert hash(structure) == hash(flatten(doubled)[1])
    assert structure != flatten(nn.MLP([4, 3, 2], "tanh", rng=0))[1]
    assert list(named_leaves(model)) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(copied: Any) -> None:
    model = nn.MLP([4, 3, 2], rng=0)
    other = copied(model)
    assert other is not model
    np.testing.assert_array_equal(other.layers[0].weight, model.layers[0].weight)


def test_a_model_prints_its_architecture() -> None:
    assert repr(nn.Linear(3, 2, rng=0)) == "Linear(weight=f32[2,3], bias=f32[2])"
    assert repr(nn.Linear(3, 2, bias=False, dtype=np.float64, rng=0)) == "Linear(weight=f64[2,3], bias=None)"
    assert repr(nn.MLP([64, 128, 10], rng=0)) == "\n".join(
        [
            "MLP(",
            "  layers=(",
            "    Dense(weight=f32[128,64], bias=f32[128], activation=relu),",
            "    Linear(weight=f32[10,128], bias=f32[10]),",
            "  ),",
            ")",
        ]
    )


def test_containers_print_what_they_hold() -> None:
    class Held(nn.Module):
        parts: Any
        rest: Any = nn.state(default=None)

    assert (
        repr(Held({"a": np.ones(2), "b": [np.ones(3, np.int64)]}))
        == "Held(parts={'a': f64[2], 'b': [i64[3]]}, rest=None)"
    )
    assert repr(Held((np.ones(2, complex), 1.5))) == "Held(parts=(complex128[2], 1.5), rest=None)"


def test_where_a_layer_is() -> None:
    inner = Pair(Locate(), {"a": Locate(), "b": Locate()})
    found = nn.Sequential(nn.Lambda(lambda x: x), inner, Locate())([])
    assert [where.layer for where in found if where] == ["layers.1.first", "layers.1.others.b", "layers.2"]
    assert all(where.file == __file__ for where in found if where)
    assert current_layer() == ""


def test_a_layer_made_on_the_fly_has_its_caller_s_path() -> None:
    class Makes(nn.Module):
        def __call__(self, found: Any) -> Any:
            return Locate()(found)

    (where,) = nn.Sequential(Makes())([])
    assert where.layer == "layers.0"


def test_an_observer_hears_of_every_call() -> None:
    class Twice(nn.Sequential):
        def __call__(self, x: Any) -> Any:
            return 2 * super().__call__(x)  # the same layer: told once

    heard: list[tuple[str, str, Any, Any]] = []
    model = Twice(nn.Lambda(np.negative), nn.Sequential(nn.Lambda(np.square)))
    with observing_layers(lambda path, layer, args, out: heard.append((path, type(layer).__name__, args, out))):
        model(3.0)
    assert heard == [
        ("layers.0", "Lambda", (3.0,), -3.0),
        ("layers.1.layers.0", "Lambda", (-3.0,), 9.0),
        ("layers.1", "Sequential", (-3.0,), 9.0),
        ("", "Twice", (3.0,), 18.0),
    ]


def test_path_to_what_is_not_there() -> None:
    assert path_to(object(), nn.MLP([2, 2], rng=0)) is None
