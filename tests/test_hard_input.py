"""Input that looks bad and is not: what NumPy gives and the right derivative, however long, deep or shared."""

from __future__ import annotations

import copy
import gc
import statistics
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp
from chainrule.errors import ShapeError, StagingError, TraceError
from chainrule.ir.text import parse_graph
from chainrule.transform.simplify import simplify

X = np.array([1.0, 2.0, 3.0])
TABLE = np.array([2.0, -1.0, 0.5])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "stack of a list": lambda x: (np.stack([x, TABLE, x * x]) * TABLE).sum(),
    "concatenation with a list of numbers": lambda x: (np.concatenate([x, [1.0, 2.0], x[:1]]) ** 2).sum(),
    "hstack of numbers and arrays": lambda x: np.prod(np.hstack([x, 2.0, x[0]])),
    "linspace between traced ends": lambda x: (np.linspace(x[0], x[2], 5) ** 2).sum(),
    "function of indices": lambda x: np.fromfunction(lambda i: (i * x[0]) ** 2, (3,)).sum(),
    "sum of Python": lambda x: sum(x) * x[1],
    "zeros like a traced array": lambda x: (np.zeros_like(x) + x * x).sum(),
    "deep copy": lambda x: (copy.deepcopy(x) * copy.copy(x)).sum(),
    "quotient and remainder": lambda x: sum(divmod(x[2], 2.0)),
    "round to digits": lambda x: round(x[0] * x[1], 3) + x[2],
    "list as an operand": lambda x: (x * [1.0, 2.0, 3.0]).sum(),
    "plain array from the left": lambda x: (TABLE * x @ np.eye(3)).sum(),
    "iteration": lambda x: next(a * b for a, b in zip(x, x[::-1], strict=True)),
    "formatted text": lambda x: x[0] if f"{x} {x[0]}" and str(x) else x[1],
    "length": lambda x: x.sum() * len(x) * x.size * x.ndim,
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_programs_run_as_in_numpy(f: Any) -> None:
    eager, staged = cr.grad(f)(X), cr.jit(cr.grad(f))(X)
    np.testing.assert_allclose(eager, staged, rtol=1e-14)
    if f is not FUNCTIONS["round to digits"]:
        steps = 1e-6 * np.eye(3)
        central = [(f(X + step) - f(X - step)) / 2e-6 for step in steps]
        np.testing.assert_allclose(eager, central, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(cr.jit(f)(X), f(X), rtol=1e-14)


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_the_other_order_of_bytes(dtype: str) -> None:
    x = X.astype(dtype)
    for derive in (cr.grad, lambda f: cr.jit(cr.grad(f))):
        gradient = derive(lambda x: (x * x * TABLE).sum())(x)
        np.testing.assert_allclose(gradient, 2.0 * X * TABLE, rtol=1e-6)
        assert gradient.dtype == np.dtype(dtype).newbyteorder("=") and x.dtype == dtype


def test_arrays_without_elements() -> None:
    none = np.ones((0, 3))
    for derive in (cr.grad, lambda f: cr.jit(cr.grad(f))):
        assert derive(lambda x: (x**2).sum())(none).shape == (0, 3)
        assert derive(lambda x: np.concatenate([x, none @ x.T @ x]).sum())(none).shape == (0, 3)
        assert derive(lambda p: (p["x"] ** 2).sum() * p["y"])({"x": none, "y": 2.0})["y"] == 0.0


def test_trees_of_every_kind() -> None:
    tree = ({"b": [2.0, None], "a": X}, (), 3.0)
    gradient = cr.grad(lambda t: t[0]["b"][0] * t[0]["a"].sum() * t[2])(tree)
    assert gradient[0]["b"] == [18.0, None] and gradient[1] == () and gradient[2] == 12.0
    nested: Any = 2.0
    for _ in range(150):
        nested = [nested]

    def core(tree: Any) -> Any:
        while isinstance(tree, list):
            tree = tree[0]
        return tree * tree

    assert core(cr.grad(core)(nested)) == core(cr.jit(cr.grad(core))(nested)) == 16.0
    wide = {f"{i}": float(i) for i in range(10_000)}
    assert cr.grad(lambda p: sum(p.values()))(wide) == dict.fromkeys(wide, 1.0)


# --- depth ------------------------------------------------------------------------------------------------------------

DEPTH = 10_000


def deep(x: Any) -> Any:
    for _ in range(DEPTH // 2):
        x = x * 1.0001 + 0.5
    return x.sum()


def test_ten_thousand_operations_in_a_row() -> None:
    assert sys.getrecursionlimit() < DEPTH
    slope = np.full(3, 1.0001 ** (DEPTH // 2))
    np.testing.assert_allclose(cr.grad(deep)(X), slope, rtol=1e-9)
    np.testing.assert_allclose(cr.jvp(deep, (X,), (np.ones(3),))[1], slope.sum(), rtol=1e-9)
    graph = cr.graph(deep)(X)
    assert len(graph.nodes) >= DEPTH and graph.cost().elementwise >= DEPTH
    again = simplify(parse_graph(str(graph)))
    assert str(again) == str(graph)
    staged = cr.jit(deep)
    np.testing.assert_allclose(cr.grad(staged)(X), slope, rtol=1e-9)
    assert staged(X) == deep(X)
    del graph, again, staged
    gc.collect()  # taking it all apart again is no recursion either


def test_views_of_views() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        view = y
        for _ in range(1200):
            view = view[:]
        view[0] = 5.0 * x[1]
        return (y * TABLE).sum()

    assert sys.getrecursionlimit() < 1200
    for derive in (cr.grad, lambda f: cr.jit(cr.grad(f))):
        np.testing.assert_allclose(derive(f)(X), [0.0, 5.0 * TABLE[0] + TABLE[1], TABLE[2]])


def test_derivatives_of_derivatives() -> None:
    f: Any = lambda x: np.sin(2.0 * x)  # noqa: E731
    for _ in range(6):
        f = cr.grad(f)
    assert f(0.3) == pytest.approx(-64.0 * np.sin(0.6), rel=1e-12)
    assert cr.jit(f)(0.3) == pytest.approx(-64.0 * np.sin(0.6), rel=1e-12)


# --- threads ----------------------------------------------------------------------------------------------------------


def at_once(work: Callable[[int], None], count: int = 4) -> None:
    """Runs work(0), ..., work(count - 1) in threads that start together."""
    failures: list[BaseException] = []
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            ready.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.parametrize("derive", [cr.grad, lambda f: cr.jit(cr.grad(f))], ids=["eager", "staged"])
def test_threads_do_not_meet(derive: Any) -> None:
    def work(number: int) -> None:
        for k in range(15):
            gradient = derive(lambda x, k=k: (x**2 * number).sum() + np.sin(x).sum() * k)(X)
            np.testing.assert_allclose(gradient, 2.0 * X * number + np.cos(X) * k, rtol=1e-12)

    at_once(work)


def test_threads_share_a_staged_function() -> None:
    shared = cr.jit(cr.grad(lambda x: (x**3).sum()))

    def work(number: int) -> None:
        for k in range(40):
            x = np.arange(float(k % 4 + 1)) + number
            np.testing.assert_allclose(shared(x), 3.0 * x**2, rtol=1e-12)

    at_once(work)


def test_an_error_in_one_thread_is_none_in_another() -> None:
    def work(number: int) -> None:
        for _ in range(20):
            if number % 2:
                with pytest.raises(ShapeError, match=r"at .*test_hard_input\.py"):
                    cr.grad(lambda x: (x + np.ones(4)).sum())(X)
            else:
                np.testing.assert_array_equal(cr.grad(lambda x: (x * TABLE).sum())(X), TABLE)

    at_once(work)


@pytest.mark.parametrize("derive", [cr.grad, lambda f: cr.jit(cr.grad(f))], ids=["eager", "staged"])
def test_a_traced_array_used_in_another_thread(derive: Any) -> None:
    def f(x: Any) -> Any:
        out: list[Any] = []
        thread = threading.Thread(target=lambda: out.append(x * x + cnp.zeros(3)))
        thread.start()
        thread.join()
        return out[0].sum()

    np.testing.assert_array_equal(derive(f)(X), 2.0 * X)


# --- after an error, and where it was ---------------------------------------------------------------------------------


def test_what_was_computed_before_an_error_stays() -> None:
    out, pullback = cr.vjp(lambda x: x * x, X)
    staged = cr.jit(lambda x: x * TABLE)
    kept = staged(X)
    with pytest.raises(ShapeError):
        staged(np.ones(4))
    with pytest.raises(ShapeError):
        pullback(np.ones(4))
    np.testing.assert_array_equal(out, X * X)
    np.testing.assert_array_equal(pullback(np.ones(3))[0], 2.0 * X)
    np.testing.assert_array_equal(kept, X * TABLE)
    np.testing.assert_array_equal(staged(X), X * TABLE)
    assert staged.stagings == 2  # of which the one that failed is not kept


def test_an_interrupt_leaves_a_staged_function_whole() -> None:
    presses = [KeyboardInterrupt]

    @cr.jit
    def f(x: Any) -> Any:
        if presses:
            raise presses.pop()
        return x * TABLE

    with pytest.raises(KeyboardInterrupt):
        f(X)
    np.testing.assert_array_equal(f(X), X * TABLE)


def test_the_line_of_the_caller_of_the_standard_library() -> None:
    line = sys._getframe().f_lineno + 2
    with pytest.raises(TraceError, match=rf"test_hard_input\.py:{line}; try"):
        cr.grad(lambda x: statistics.fmean([x[0], x[1]]))(X)


def test_the_line_of_the_caller_of_an_installed_package() -> None:
    package: dict[str, Any] = {"np": np}
    source = "def total(x):\n    return np.asarray(x).sum()\n\ndef put(y, x):\n    y[0] = x\n    return y.sum()\n"
    exec(compile(source, "/usr/lib/python3/site-packages/package.py", "exec"), package)
    line = sys._getframe().f_lineno + 2
    with pytest.raises(TraceError, match=rf"test_hard_input\.py:{line}; try"):
        cr.grad(lambda x: package["total"](x))(X)
    with pytest.raises(TraceError, match=rf"test_hard_input\.py:{line + 2}; try .*cr\.numpy\.zeros"):
        cr.jit(lambda x: package["put"](np.zeros(3), x[0]))(X)


def test_a_line_in_a_notebook_is_named_by_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"/tmp/ipykernel_7/1.py": ("Cell", "In[3]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=names.get))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    cell: dict[str, Any] = {"np": np}
    source = "\ndef f(x):\n    return np.sum(x + np.ones(4))\n\ndef g(x):\n    return x * np.random.rand()\n"
    exec(compile(source, "/tmp/ipykernel_7/1.py", "exec"), cell)
    for derive in (cr.grad, cr.jit):
        with pytest.raises(ShapeError, match=r"at Cell In\[3\]:3; try"):
            derive(cell["f"])(X)
    with pytest.raises(StagingError, match=r"at Cell In\[3\]:6; try"):
        cr.jit(cell["g"])(X)


def test_a_list_that_looks_like_an_array_says_so() -> None:
    with pytest.raises(TraceError, match=r"cr\.numpy\.array"):
        cr.grad(lambda x: np.sum(x))([[1.0, 2.0], [3.0, 4.0]])
