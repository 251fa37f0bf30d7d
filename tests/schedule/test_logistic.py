from __future__ import annotations

import numpy as np
from planned import apply, new

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Value
from chainrule.schedule.expand import expand
from chainrule.schedule.logistic import shared_arguments


def names(graph: Graph) -> list[str]:
    return [str(node.op) for node in expand(graph).nodes]


def of(x: Value, *functions: str) -> Graph:
    return Graph((x,), tuple(apply(name, x) for name in functions))


def test_functions_of_one_argument_share_an_exponential() -> None:
    assert names(of(new(5), "sigmoid", "softplus")).count("exp") == 1


def test_negatives_are_the_same_argument() -> None:
    x = new(5)
    graph = Graph((x,), (apply("sigmoid", x), apply("sigmoid", apply("negative", x))))
    assert shared_arguments(graph) == {x}
    assert names(graph).count("exp") == 1


def test_one_function_alone_stays() -> None:
    assert names(of(new(5), "sigmoid")) == ["sigmoid"]


def test_functions_of_whole_numbers_stay() -> None:
    for dtype in ("uint8", "int64", "bool"):
        assert "exp" not in names(of(new(5, dtype=dtype), "sigmoid", "softplus"))


def test_python_scalars_stay() -> None:
    assert "exp" not in names(of(new(weak=True, dtype="float64"), "sigmoid", "softplus"))


def test_the_values_are_those_of_the_functions() -> None:
    x = np.array([-np.inf, -800, -20, -1e-3, -0.0, 0.0, 1e-3, 5, 50, 800, np.inf, np.nan])
    value = new(12, dtype="float64")
    both = (apply("sigmoid", value), apply("softplus", value), apply("sigmoid", apply("negative", value)))
    graph = Graph((value,), both)
    with np.errstate(all="ignore"):
        for got, wanted in zip(evaluate(expand(graph), [x]), evaluate(graph, [x]), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=4e-16)
