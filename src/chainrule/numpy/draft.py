"""Drafts: arrays made while a function is traced, to which traced values may be assigned.

`y = np.zeros(3); y[0] = t` needs more than a plain array, which cannot hold a traced value. So while a function is
traced chainrule.numpy makes a draft: a handle on a plain array. Operations on drafts alone are NumPy's, and nothing is
recorded; a draft can be asked for its numbers, even while staging. Where a traced value comes in, the draft is a
constant beside it. The elements of a draft are plain NumPy scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from chainrule.ir.op import Op, Trace, Traced
from chainrule.numpy.convert import is_list

Handle = Callable[[Trace, Any], Any]  # the class of handles


class Drafts(Trace):
    """What the drafts of all calls belong to. It is never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.level = -1

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        handle = _handle(inputs)
        out = op(*map(settled, inputs), **attrs)
        return tuple(draft(handle, part) for part in out) if op.several else draft(handle, out)


DRAFTS: Final = Drafts()


def draft(handle: Handle | None, array: Any) -> Any:
    """A draft with these numbers; a NumPy scalar as it is, and everything where there is no class of handles."""
    if handle is None or not isinstance(array, np.ndarray):
        return array
    return handle(DRAFTS, _frozen(array))


def _frozen(array: Any) -> Any:
    """A view that nobody writes to: an assignment makes a new array, since the old one may be kept for a way back."""
    view = array.view()
    view.flags.writeable = False
    return view


def is_draft(x: Any) -> bool:
    """Whether x is a handle that no traced value has been assigned to."""
    if not isinstance(x, Traced):
        return False
    x.refresh()
    return x.owner is DRAFTS


def settled(x: Any) -> Any:
    """The plain array of a draft; anything else as it is."""
    return x.concrete("draft", "") if is_draft(x) else x


def only_drafts(*arguments: Any) -> bool:
    """Whether all handles among the arguments, and in lists among them, are drafts."""
    return all(is_draft(x) for x in _handles(arguments))


def on_numbers(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """NumPy's function of the numbers of the drafts among the arguments; a new array comes as a draft."""
    handle = _handle((*args, *kwargs.values()))
    out = function(*map(_numbers, args), **{name: _numbers(x) for name, x in kwargs.items()})
    return type(out)(draft(handle, x) for x in out) if type(out) in (list, tuple) else draft(handle, out)


def _numbers(x: Any) -> Any:
    return type(x)(map(_numbers, x)) if type(x) in (list, tuple) else settled(x)


def _handle(arguments: Iterable[Any]) -> Handle | None:
    """The class of the handles among the arguments, and in lists among them."""
    first: Any = next(_handles(arguments), None)
    return None if first is None else first.__class__


def _handles(arguments: Iterable[Any]) -> Iterator[Any]:
    for x in arguments:
        if isinstance(x, Traced):
            yield x
        elif is_list(x):
            yield from _handles(x)
