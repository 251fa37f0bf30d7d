"""The call of a layer: while it runs, its path (`layers.0`) is what errors, graph nodes and taps name."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, cast

from chainrule.api.values import tap
from chainrule.observers import layer_observer, tapped_tape
from chainrule.types import dtype_of
from chainrule.where import in_layer


class Call:
    """A call of a layer that is under way, and the call that it was made from."""

    __slots__ = ("_path", "layer", "outer")

    def __init__(self, layer: object, outer: Call | None) -> None:
        self.layer = layer
        self.outer = outer
        self._path: str | None = None

    def path(self) -> str:
        """The layer's path from the model that was called first; it is looked for when it is first asked for.

        A layer that no field leads to (one made on the fly) has the path of its caller.
        """
        if self._path is None:
            self._path = self._find()
        return self._path

    def _find(self) -> str:
        outer = self.outer
        while outer is not None:
            found = path_to(self.layer, outer.layer)
            if found is not None:
                return f"{outer.path()}.{found}" if outer.path() else found
            outer = outer.outer
        return self.outer.path() if self.outer is not None else ""


_INNERMOST: ContextVar[Call | None] = ContextVar("chainrule_call", default=None)


def as_layer_call(call: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's `__call__`, which says where it is, marks its input for `taps=True` and tells observers of itself."""

    @functools.wraps(call)
    def run(self: object, *args: Any, **kwargs: Any) -> Any:
        outer = _INNERMOST.get()
        if outer is not None and outer.layer is self:  # super().__call__(x): the same layer, not another one
            return call(self, *args, **kwargs)
        this = Call(self, outer)
        token = _INNERMOST.set(this)
        try:
            with in_layer(this.path):
                if tapped_tape() is not None:
                    args = _tapped(args, this.path())
                result = call(self, *args, **kwargs)
                observer = layer_observer()
                if observer is not None:
                    observer(this.path(), self, args, result)
                return result
        finally:
            _INNERMOST.reset(token)

    return run


def path_to(target: object, root: object) -> str | None:
    """The path from `root` to `target` through fields, tuples, lists and dicts, None where there is none."""
    pending = [(root, "")]
    for node, path in pending:  # grows while it is walked: what is nearest to the root comes first
        for key, child in _children(node):
            here = f"{path}.{key}" if path else f"{key}"
            if child is target:
                return here
            pending.append((child, here))
    return None


def _children(node: object) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, (tuple, list)):
        yield from enumerate(cast("Iterable[Any]", node))
    elif isinstance(node, dict):
        yield from cast("dict[Any, Any]", node).items()
    elif dataclasses.is_dataclass(node):
        yield from vars(node).items()


def _tapped(args: tuple[Any, ...], path: str) -> tuple[Any, ...]:
    """The arguments with the first floating-point array marked as the layer's input."""
    for i, x in enumerate(args):
        if hasattr(x, "dtype") and dtype_of(x).kind == "f":
            name = f"{path}.input" if path else "input"
            return (*args[:i], tap(x, name), *args[i + 1 :])
    return args
