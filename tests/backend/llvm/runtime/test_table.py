"""Where workers meet, and which loops worker 0 runs alone, as the words of a table tell it."""

from __future__ import annotations

import pytest

from chainrule.backend.llvm.runtime.layout import WORD, CallWord, Entry, LoopWord
from chainrule.backend.llvm.runtime.table import Call, Item, LoopBegin, LoopEnd, lay_out

SERIAL, PARALLEL = Call(1, ((3, -8), (0, 5))), Call(2, (), (7, -1), 4)


def shown(items: list[Item]) -> str:
    """S, P for calls, [ ] for loops (< > where others jump over them), | where workers meet, ~ where a loop yields."""
    table, place, text = lay_out(items), 0, ""
    words = table.words
    while words[place] != Entry.HALT:
        kind, meets = words[place], words[place + LoopWord.BARRIER]
        if kind == Entry.CALL:
            text += "|" * words[place + CallWord.BARRIER] + ("P" if words[place + CallWord.PARTS] > 1 else "S")
        elif kind == Entry.BEGIN:
            text += "|" * meets + ("<" if words[place + LoopWord.JUMP] else "[")
        else:
            text += "~" * meets + "]"
        place += words[place + LoopWord.NBYTES] // WORD
    assert place == len(words) - 2
    return text


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], ""),
        ([SERIAL, SERIAL], "SS"),
        ([SERIAL, PARALLEL, SERIAL, SERIAL, PARALLEL, PARALLEL], "S|P|SS|P|P"),
        ([LoopBegin(2), PARALLEL, LoopEnd(), SERIAL], "[P~]|S"),
        ([LoopBegin(2), SERIAL, LoopEnd(), SERIAL], "[S~]S"),
        ([PARALLEL, LoopBegin(2), SERIAL, PARALLEL, LoopEnd()], "P|[S|P~]"),
        ([SERIAL, LoopBegin(2), PARALLEL, LoopEnd(), PARALLEL], "S|[P~]|P"),
        ([LoopBegin(2), LoopBegin(2), PARALLEL, LoopEnd(), LoopEnd()], "[[|P]~]"),
        ([LoopBegin(2), LoopBegin(2), PARALLEL, SERIAL, LoopEnd(), LoopEnd()], "[[|P|S]~]"),
        ([LoopBegin(2), PARALLEL, LoopBegin(2), SERIAL, LoopEnd(), SERIAL, LoopEnd()], "[P|<S]S~]"),
        ([LoopBegin(2, yields=False), SERIAL, LoopBegin(3), SERIAL, LoopEnd(), LoopEnd()], "<S<S]]"),
        ([LoopBegin(2), LoopBegin(2, yields=True), SERIAL, LoopEnd(), LoopEnd()], "[[S~]~]"),
        ([LoopBegin(2, yields=False), Call(1, (), barrier=True), LoopEnd()], "[|S]"),
        ([PARALLEL, Call(1, (), (), 2, barrier=False), SERIAL], "PP|S"),
        ([LoopBegin(0), PARALLEL, LoopBegin(1), LoopEnd(), LoopEnd(), SERIAL], "S"),
        ([LoopBegin(1), LoopEnd()], "[~]"),
        ([PARALLEL, LoopBegin(2, barrier=False), PARALLEL, LoopEnd()], "P[|P~]"),
    ],
)
def test_workers_meet_where_calls_could_clash(items: list[Item], expected: str) -> None:
    assert shown(items) == expected


def test_a_table_knows_what_its_calls_need() -> None:
    big = Call(1, ((0, 0),) * 5, (), 1, 100)
    table = lay_out([SERIAL, LoopBegin(2), LoopBegin(3), big, LoopEnd(), LoopEnd(), SERIAL])
    assert (table.depth, table.pointers, table.scratch, table.parallel, table.yields) == (2, 5, 100, False, True)
    assert table.calls == (SERIAL, big, SERIAL)
    assert lay_out([PARALLEL]).parallel and not lay_out([PARALLEL]).yields
