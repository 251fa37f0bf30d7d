"""Calls of native programs: layouts, numbers, errors, threads, reports, memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.backend.base import Misfit
from chainrule.backend.llvm import executable, memory
from chainrule.backend.llvm.executable import NativeBackend, NativeExecutable
from chainrule.backend.reference import ReferenceBackend
from chainrule.errors import OutOfRangeError, TooLargeError
from chainrule.ir.graph import Graph
from chainrule.ir.text import parse_graph

ADD = parse_graph("""graph(%0: f32[4,3], %1: f32[3]) {
    %2: f32[4,3] = add(%0, %1)
    return %2
}""")
NUMBERS = parse_graph("""graph(%0: ~f64, %1: f32, %2: f64[2]) {
    %3: ~f64 = add(%0, %0)
    %4: f32 = multiply(%1, %1)
    %5: f64[2] = multiply(%0, %2)
    return %3, %4, %5
}""")
X, Y = np.arange(12, dtype=np.float32).reshape(4, 3), np.float32([1, 2, 3])


def native(graph: Graph, *donations: tuple[int, int], threads: int | None = 1) -> NativeExecutable:
    return NativeBackend().compile(graph, donations, threads)


def unaligned(x: np.ndarray) -> np.ndarray:
    out = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


LAYOUTS: Any = {
    "Fortran-ordered": np.asfortranarray,
    "backwards": lambda x: x[::-1].copy()[::-1],
    "unaligned": unaligned,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "read-only": lambda x: np.broadcast_to(x, (2, *x.shape))[0],
}


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_arrays_that_are_only_read_may_lie_in_any_way(change: Any) -> None:
    (out,) = native(ADD)((change(X), Y))
    np.testing.assert_array_equal(out, X + Y)
    assert out.flags.c_contiguous and out.flags.writeable


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_given_up_is_overwritten_wherever_it_lies(change: Any) -> None:
    x = change(X.copy())
    if not x.flags.writeable:
        with pytest.raises(Misfit):
            native(ADD, (0, 0))((x, Y))
        return
    (out,) = native(ADD, (0, 0))((x, Y))
    assert out is x
    np.testing.assert_array_equal(x, X + Y)


def test_inputs_of_other_types_are_refused() -> None:
    call = native(ADD)
    for inputs in ((X.astype(float), Y), (X[:3], Y), (X, 2.0), (X, [1, 2, 3]), (X,)):
        with pytest.raises(Misfit):
            call(inputs)
    both = np.zeros(15, np.float32)
    with pytest.raises(Misfit):
        native(ADD, (0, 0))((both[:12].reshape(4, 3), both[9:12]))


def test_numbers_are_those_of_their_classes() -> None:
    call = native(NUMBERS)
    a, b, c = call((0.25, np.float32(3), np.ones(2)))
    assert (a, b) == (0.5, 9) and type(a) is float and type(b) is np.float32
    assert c.tolist() == [0.25, 0.25]
    assert call((0.25, np.array(3, np.float32), np.ones(2)))[1] == 9
    for wrong in (np.float64(0.25), 1, np.array(0.25)):
        with pytest.raises(Misfit):
            call((wrong, np.float32(3), np.ones(2)))


def test_results_stay_as_they_are_while_somebody_has_them() -> None:
    call = native(ADD)
    outs = [call((X + i, Y))[0] for i in range(8)]
    for i, out in enumerate(outs):
        np.testing.assert_array_equal(out, X + i + Y)


def test_threads_of_python_call_at_once() -> None:
    graph = cr.graph(lambda x: (np.tanh(x @ x).sum(axis=0), np.sort(x.ravel())))(np.zeros((150, 150)))
    call = native(graph, threads=2)
    xs = [np.random.default_rng(i).normal(size=(150, 150)) for i in range(4)]
    expected = [call((x,)) for x in xs]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            got = call((xs[number],))
            if not all(np.array_equal(a, b) for a, b in zip(got, expected[number], strict=True)):
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_bound_call_reads_what_is_there_and_writes_where_it_should() -> None:
    x, out = X.copy(), np.empty_like(X)
    call = native(ADD).bind([x, Y], [out])
    for i in range(3):
        x[...] = i
        call()
        np.testing.assert_array_equal(out, i + np.broadcast_to(Y, out.shape))


# --- errors -----------------------------------------------------------------------------------------------------------


def text_of(call: Any, *inputs: Any) -> str:
    with pytest.raises(OutOfRangeError) as caught:
        call(inputs)
    return str(caught.value)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [60, 60_000])
def test_an_index_out_of_range_is_told_as_the_reference_tells_it(length: int, threads: int) -> None:
    graph = cr.graph(lambda x, i: (x * 2)[i + 1])(np.zeros(50), np.zeros(length, np.int64))
    indices = np.random.default_rng(0).integers(0, 49, length)
    call = native(graph, threads=threads)
    x = np.arange(50.0)
    np.testing.assert_array_equal(call((x, indices))[0], (x * 2)[indices + 1])
    for place in (0, length // 2, length - 1):
        wrong = indices.copy()
        wrong[place:] += 49
        text = text_of(call, x, wrong)
        assert text == text_of(ReferenceBackend().compile(graph), x, wrong)
        assert "test_executable.py" in text
    np.testing.assert_array_equal(call((x, indices))[0], (x * 2)[indices + 1])


def test_an_error_within_a_loop_tells_of_the_iteration_it_is_in() -> None:
    def run(rows: Any, x: Any) -> Any:
        return cr.scan(lambda c, row: (c + x[row].sum(), x[row]), 0.0, rows)

    x, rows = np.arange(7.0), np.arange(6).reshape(3, 2)
    graph = cr.graph(run)(rows, x)
    rows[2, 1] = 9
    text = text_of(native(graph), rows, x)
    assert text == text_of(ReferenceBackend().compile(graph), rows, x)
    assert "got 9" in text


def test_too_little_memory_is_an_error_that_says_how_much_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    call = native(ADD)
    monkeypatch.setattr(memory, "machine_memory", lambda: 100)
    with pytest.raises(TooLargeError, match=r"needs [\d,]+ bytes: inputs 60, outputs 48, .*, got 100 bytes in this"):
        call((X, Y))
    monkeypatch.setattr(memory, "machine_memory", lambda: None)

    def none(nbytes: int) -> Any:
        raise MemoryError

    monkeypatch.setattr(executable, "block", none)
    with pytest.raises(TooLargeError, match=r"needs [\d,]+ bytes: inputs 60"):
        call((X, Y))


# --- what is said of a program ----------------------------------------------------------------------------------------


def training_step() -> tuple[Any, tuple[Any, ...]]:
    model = nn.MLP([8, 16, 3], activation="tanh", rng=0)
    optimizer = optim.adam(1e-3)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = cr.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        return *optimizer.update(model, state, grads), loss

    x, y = np.ones((32, 8), np.float32), np.arange(32) % 3
    return cr.jit(step), (model, optimizer.init(model), x, y)


def compiled(jitted: Any, *args: Any) -> NativeExecutable:
    return NativeBackend().compile(jitted.graph(*args))


def test_a_report_places_every_node_in_a_kernel_and_measures_it() -> None:
    step, args = training_step()
    report = compiled(step, *args).report()
    assert report.unplaced == () and len(report.nodes) > 40
    assert all(row.calls and row.seconds is not None and row.share is not None for row in report.rows)
    assert sum(row.operations for row in report.rows) > 3 * 2 * 32 * (8 * 16 + 16 * 3) * 0.9
    text = str(report)
    assert "in no kernel: none but those that move no element" in text and "of the floor" in text


def test_a_long_loop_is_broken_off_to_be_measured() -> None:
    def run(x: Any) -> Any:
        return cr.fori_loop(0, 10**9, lambda _, x: np.sin(x), x)

    report = NativeBackend().compile(cr.graph(run)(np.ones(3)), (), 1).report()
    assert report.seconds is None and report.rows[-1].calls > 100


def test_calls_are_counted_where_native_code_is_entered() -> None:
    call = native(ADD)
    assert call.native_calls == 0
    for n in range(1, 6):
        call((X, Y))
        assert call.native_calls == n
    assert call.report().native_calls == 5


def epoch(batches: int) -> tuple[Graph, tuple[Any, ...]]:
    """A loop over so many batches."""

    def run(w: Any, xs: Any, ys: Any) -> Any:
        def body(w: Any, batch: Any) -> Any:
            x, y = batch
            loss, grad = cr.value_and_grad(lambda w: nn.cross_entropy(np.tanh(x @ w), y))(w)
            return w - 0.1 * grad, loss

        return cr.scan(body, w, (xs, ys))

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5, 3)), rng.normal(size=(batches, 20, 5)), rng.integers(0, 3, (batches, 20))
    return cr.graph(run)(*inputs), inputs


def test_an_epoch_enters_native_code_once_for_each_slice() -> None:
    graph, inputs = epoch(7)
    call = native(graph)
    call(inputs)
    assert call.native_calls == 1
    course = call.begin(inputs)
    for done in range(1, 8):
        course.proceed(0.0)
        assert call.native_calls == 1 + done


def test_another_number_of_batches_compiles_nothing() -> None:
    for batches in (7, 5, 300):
        graph, inputs = epoch(batches)
        call = native(graph)
        assert batches == 7 or call.compiled == 0
        losses, expected = (backend(inputs)[1] for backend in (call, ReferenceBackend().compile(graph)))
        np.testing.assert_allclose(losses, expected, rtol=1e-9)


def test_memory_is_exact_before_the_first_call() -> None:
    graph = cr.graph(lambda x: np.sort(x @ x).sum(axis=0))(np.zeros((40, 40)))
    call = native(graph)
    memory = call.memory()
    assert (memory.inputs, memory.outputs, memory.constants) == (12_800, 320, 0)
    call((np.zeros((40, 40)),))
    (state,) = call._states
    assert state.arena is not None
    assert memory.arena == state.arena.nbytes + call._built.program.nbytes(1) >= 12_800
