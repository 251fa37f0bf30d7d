"""What is printed: the machine, a table for each row, and one line a shape for the matrix products."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.problems import Product
from benchmarks.table import CHAINRULE, Row

Summary = dict[str, Any]


def summarise(row: Row, answers: dict[str, list[dict[str, Any]]], limits: dict[str, float]) -> Summary:
    """The row's floor, and for each contender the times, their ratio to chainrule's and the share of the floor."""
    problem = row.problem
    arithmetic = problem.operations / limits["operations"]
    bandwidth = limits["near bytes" if problem.bytes < 2**24 else "bytes"]
    memory = problem.bytes / bandwidth
    floor = max(arithmetic, memory)
    contenders = {name: _combine(found) for name, found in answers.items()}
    own = [a.get("median") for a in answers.get(CHAINRULE, [])]
    for name, combined in contenders.items():
        if "absent" in combined:
            continue
        combined["share"] = floor / combined["median"]
        pairs = zip((a.get("median") for a in answers[name]), own, strict=False)
        ratios = [theirs / ours for theirs, ours in pairs if theirs and ours and ours > 0]
        combined["ratio"] = statistics.median(ratios) if ratios else None
    return {
        "name": row.name,
        "title": row.title,
        "threads": row.threads,
        "aim": row.aim,
        "operations": problem.operations,
        "bytes": problem.bytes,
        "floor": floor,
        "bound by": "arithmetic" if arithmetic >= memory else "memory",
        "contenders": contenders,
    }


def _combine(answers: list[dict[str, Any]]) -> Summary:
    """The median of the processes' medians, the least and the most of them; or why there is no time."""
    absent = [a["absent"] for a in answers if "absent" in a]
    if absent or not answers:
        return {"absent": absent[0] if absent else "not asked"}
    medians = [a["median"] for a in answers]
    cores = [a["cores"] for a in answers if a.get("cores") is not None]
    beside = answers[0].get("beside") or {}
    return {
        "median": statistics.median(medians),
        "low": min(medians),
        "high": max(medians),
        "medians": medians,
        "within": [[a["low"], a["high"]] for a in answers],
        "cores": statistics.median(cores) if cores else None,
        "whole": [a["whole"] for a in answers],
        "error": max((a.get("error") or 0.0) for a in answers),
        "beside": {name: statistics.median(a["beside"][name] for a in answers) for name in beside},
        "work": statistics.median(a["work"] for a in answers) if "work" in answers[0] else None,
        "report": answers[-1].get("report"),
    }


def print_head(found: Summary) -> None:
    """The machine and the versions."""
    machine = found["machine"]
    load = "" if machine["load"] is None else f", load {machine['load']:.1f}"
    print(f"{machine['time']}  {machine['processor']}, {machine['cores']} cores{load}; Python {machine['python']}")
    print(", ".join(f"{name} {version or 'not installed'}" for name, version in machine["versions"].items()))
    kind = ", few repetitions: not to be quoted" if found["quick"] else ""
    print(f"{found['processes']} processes of each contender, each timed several times in turn{kind}", flush=True)


def print_group(rows: list[Row], summaries: list[Summary]) -> None:
    """The group's tables; the products as one table."""
    if isinstance(rows[0].problem, Product):
        _print_products(rows, summaries)
    else:
        for summary in summaries:
            _print_row(summary)
    print(end="", flush=True)


def _print_row(row: Summary) -> None:
    threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
    print(f"\n{row['title']}; {threads}")
    floor = f"floor {duration(row['floor'])} ({row['bound by']}); " if row["floor"] else ""
    print(f"  {floor}aim {row['aim']}")
    print(f"  {'':14} {'median':>10}   {'range':23} {'cores':>5}  {'over chainrule':>14}  {'share of floor':>14}")
    for name, figures in row["contenders"].items():
        if "absent" in figures:
            print(f"  {name:14} {figures['absent']}")
            continue
        spread = f"{duration(figures['low'])} to {duration(figures['high'])}"
        cores = "" if figures["cores"] is None else f"{figures['cores']:.1f}"
        ratio = "" if figures["ratio"] is None else f"{figures['ratio']:.2f}"
        share = f"{100 * figures['share']:.0f} %" if row["floor"] else ""
        more = "".join(f"  ({what} {duration(t)})" for what, t in figures["beside"].items())
        if figures["work"] is not None:
            more += f"  (work {duration(figures['work'])})"
        median = duration(figures["median"])
        print(f"  {name:14} {median:>10}   {spread:23} {cores:>5}  {ratio:>14}  {share:>14}{more}")
    _print_backend(row)


def _print_backend(row: Summary) -> None:
    """The first line of chainrule's report: by what the row was run."""
    report = row["contenders"].get(CHAINRULE, {}).get("report")
    if report:
        print(f"  {CHAINRULE}: {report.splitlines()[0][:100]}")


def _print_products(rows: list[Row], summaries: list[Summary]) -> None:
    """A line a shape: GFLOP/s of every contender, and chainrule's over the better of the others."""
    way = "in a loop" if rows[0].way == "loop" else "a bound call"
    names = list(summaries[0]["contenders"])
    print(f"\nmatmul float32, {way}; {rows[0].threads} thread{'s' * (rows[0].threads > 1)}; GFLOP/s")
    print(
        f"  {'rows x inner x columns':24} " + "  ".join(f"{name:>22}" for name in names) + "   over the better  share"
    )
    reasons: dict[str, str] = {}
    for row, summary in zip(rows, summaries, strict=True):
        problem, cells, rates = row.problem, [], {}
        assert isinstance(problem, Product)
        shape = f"{problem.rows} x {problem.inner} x {problem.columns} {problem.flips}"
        for name in names:
            figures = summary["contenders"][name]
            if "absent" in figures:
                cells.append(f"{'-':>22}")
                reasons.setdefault(f"{name}: {figures['absent']}", shape)
                continue
            rates[name] = problem.operations / figures["median"] / 1e9
            low, high = (problem.operations / figures[key] / 1e9 for key in ("high", "low"))
            cells.append(f"{rates[name]:.1f} ({low:.1f} to {high:.1f})".rjust(22))
        others = [rate for name, rate in rates.items() if name != CHAINRULE]
        own = rates.get(CHAINRULE)
        ratio = f"{own / max(others):.2f}" if own and others else ""
        share = f"{100 * summary['contenders'][CHAINRULE]['share']:.0f} %" if own else ""
        print(f"  {shape:24} " + "  ".join(cells) + f"   {ratio:>15}  {share:>5}")
    _print_backend(summaries[0])
    for reason, shape in reasons.items():
        print(f"  - {reason} (first at {shape})")


def duration(seconds: float) -> str:
    """The time in the unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}" if abs(seconds) < 1000 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e9:.3g} ns"
