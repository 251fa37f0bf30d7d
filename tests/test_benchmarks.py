"""The harness of the benchmarks works: on small problems, with whichever contenders are installed. Nothing is timed."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from benchmarks import bench, process, program, report, table  # noqa: E402
from benchmarks.machine import whole_cores  # noqa: E402
from benchmarks.problems import Elementwise, Leaves, Logistic, Problem, Product, Training  # noqa: E402
from benchmarks.process import Process  # noqa: E402
from benchmarks.program import NotThere, Pace, Program  # noqa: E402

PROBLEMS: Final[dict[str, tuple[Problem, str]]] = {
    "adam, mse": (Training((3, 4, 2), "tanh", "mse", "adam", 1e-3, 5, 2), "step"),
    "sgd, cross entropy": (Training((4, 3, 2), "sigmoid", "cross_entropy", "sgd", 0.1, 5, 3), "step"),
    "relu, in epochs": (Training((4, 6, 3), "relu", "cross_entropy", "adam", 1e-3, 5, 4), "epoch"),
    "logistic": (Logistic(50, 3), "call"),
    "square chain": (Product(8, 8, 8, "nt", 5), "loop"),
    "stack": (Product(3, 8, 5, "tt", 5), "loop"),
    "product": (Product(3, 8, 5, "tn"), "bind"),
    "erf": (Elementwise("erf", 100), "call"),
    "sigmoid": (Elementwise("sigmoid", 100), "call"),
    "leaves": (Leaves(3, turns=2), "jit"),
}


@pytest.mark.parametrize("contender", [table.CHAINRULE, "numpy"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_contenders_give_what_is_expected(contender: str, name: str) -> None:
    module = importlib.import_module(table.CONTENDERS[contender])
    problem, way = PROBLEMS[name]
    prepare = getattr(module, problem.kind, None)
    if prepare is None:
        pytest.skip(f"{contender} does not take part")
    try:
        made = prepare(problem, way, 1)
    except NotThere as reason:
        pytest.skip(str(reason))
    program.compare(made.check(), problem.expected())
    made.run(2)


@pytest.mark.parametrize("contender", [name for name in table.CONTENDERS if name != "torch.compile"])  # takes a minute
def test_a_worker_compares_and_answers(contender: str, tmp_path: Path) -> None:
    (row,) = table.chosen(["step-small"], [1])
    request = {"contender": contender, "row": row.name, "expected": row.problem.expected().tolist(), "quick": True}
    with Process(1, str(tmp_path / "cache")) as worker:
        answer = worker.ask(request)
        if answer.get("absent", "").startswith("not installed"):
            pytest.skip(answer["absent"])
        assert answer["low"] <= answer["median"] <= answer["high"] and answer["error"] < 1e-4
        assert worker.ask(request)["error"] == answer["error"]
    request["expected"][7] += 0.01
    with Process(1, str(tmp_path / "cache")) as worker:
        assert worker.ask(request)["absent"].startswith("failed: AssertionError")


def test_a_worker_that_ends_or_is_late_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Process(1, str(tmp_path / "cache")) as worker:
        for _ in range(2):
            assert worker.ask({"contender": "none"})["absent"] == "failed: exit status 1: KeyError: 'none'"
    monkeypatch.setattr(process, "LONGEST", 0.05)
    with Process(1, str(tmp_path / "cache")) as worker:
        assert worker.ask({"contender": "none"})["absent"] == "failed: no answer in 0.05 s"


def test_a_wrong_result_is_noticed() -> None:
    expected = np.array([1.0, 2.0])
    for wrong in ([1.0, 2.1], [1.0, np.nan], [1.0]):
        with pytest.raises(AssertionError, match="expected"):
            program.compare(wrong, expected)
    assert program.compare([1.0, 2.00001], expected) < 1e-4


def test_a_time_is_the_median_of_the_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(program.time, "perf_counter", lambda: float(next(clock)))
    found = program.measure(Program(lambda n: None, lambda: 0, units=2), Pace(5, 0.5, 1e9))
    assert (found["median"], found["low"], found["high"]) == (0.5, 0.5, 0.5)  # a tick a call, of two units


def test_a_repetition_counts_while_the_cores_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(program.time, "perf_counter", lambda: now[0])
    taken, whole = iter([1.0, 5.0, 6.0, 2.0, 7.0, 8.0, 3.0]), iter([True, False, True, True, False, True, True])

    def run(_: int) -> None:
        now[0] += next(taken)

    found = program.measure(Program(run, lambda: 0), Pace(2, 0.0, 1e9), lambda: next(whole))
    assert (found["low"], found["high"], found["whole"]) == (2.0, 3.0, True)
    taken = itertools.repeat(1.0)
    found = program.measure(Program(run, lambda: 0), Pace(2, 0.0, 9.5), lambda: False)
    assert (found["median"], found["whole"]) == (1.0, False)


def test_whole_cores_are_looked_for() -> None:
    assert whole_cores(1)() in (True, False)


def test_what_is_printed_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, int]] = []

    class Answering(Process):
        def ask(self, request: dict[str, Any]) -> dict[str, Any]:
            if "machine" in request:
                return {"operations": 1e11, "bytes": 1e10, "near bytes": 1e11}
            asked.append((request["contender"], request["row"]))
            if request["contender"] == "torch":
                return {"absent": "not installed: torch"}
            seconds = 1e-5 if request["contender"] == table.CHAINRULE else 4e-5
            return {"median": seconds, "low": seconds, "high": seconds, "cores": 1.0, "whole": True, "error": 0.0}

    rows = table.chosen(["step-small", "matmul-bind-1-16-nn"], [1])
    who, out = [table.CHAINRULE, "numpy", "torch"], tmp_path / "figures.json"
    bench.run(
        rows, who, 2, True, lambda _, n, cache: Answering(n, cache), lambda found: out.write_text(json.dumps(found))
    )
    assert asked[:9] == [(name, rows[0].name) for name in who * bench.ROUNDS] and len(asked) == 36
    printed = capsys.readouterr().out
    assert "4.00" in printed and "not installed: torch" in printed and "10 us" in printed
    saved = json.loads(out.read_text())
    small = saved["rows"][0]["contenders"]
    assert small["numpy"]["ratio"] == pytest.approx(4)
    assert small["torch"] == {"absent": "not installed: torch"}
    assert small[table.CHAINRULE]["share"] == pytest.approx(saved["rows"][0]["floor"] / 1e-5)


def test_rows_have_their_names_once_and_are_found_by_their_beginnings() -> None:
    names = [row.name for row in table.rows()]
    assert len(set(names)) == len(names)
    assert [row.name for row in table.chosen(["logistic"], [1, 2])] == ["logistic-1", "logistic-2"]
    assert {row.threads for row in table.chosen([], [1])} == {1}
    assert bench.options().parse_args(["--threads", "1", "step"]).threads == [1]


def test_durations_are_written_in_fitting_units() -> None:
    texts = [report.duration(t) for t in (2.0, 0.0123, 1.5e-5, 2e-9, -3e-4)]
    assert texts == ["2 s", "12.3 ms", "15 us", "2 ns", "-300 us"]
