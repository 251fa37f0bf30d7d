"""`write`: the code of a nest: its loops, and in each of them what is computed there.

A value is a scalar where it is the same along the vector, else as many vectors as are in flight. What is the same in
all rounds of a loop is computed before it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.nest.form import Access, Apply, Fixed, Form, Index, Item, Load, Pass, Word
from chainrule.backend.llvm.nest.memory import Chunk, Site, load, load_guarded, load_tile, store
from chainrule.backend.llvm.scalar import (
    combine,
    convert,
    from_memory,
    identity,
    memory_type,
    register_type,
    scalar,
    to_memory,
)
from chainrule.backend.llvm.values import I1, I64, PTR, Val
from chainrule.schedule.plan import Fold

_TOGETHER = 4
"""Vectors that are read behind one branch: more would wait in registers."""


def write(module: Module, name: str, form: Form) -> None:
    """Writes the code of a nest as a function of the module."""
    with module.function(name, I64, pointers=PTR, words=PTR, begin=I64, end=I64, scratch=PTR) as f:
        _Writer(f, form).rows(0)
        f.ret(0)


def _is_vector_load(item: Item) -> bool:
    return isinstance(item.what, Load) and item.varies and item.what.guard < 0


class _Writer:
    """The code of a nest while it is written."""

    def __init__(self, f: Function, form: Form) -> None:
        self.f, self.form = f, form
        self.values: dict[int, list[Val]] = {}
        self.indices: dict[int, Val] = {}
        self.chunk: Chunk | None = None
        self.scope: list[Access] | None = None  # the accesses of the stage that is being written
        self._words: dict[int, Val] = {}
        self._tiles: dict[Access, Site] = {}
        accesses = [access for stage in form.passes for access in stage.accesses]
        pointers, words = f.arguments[:2]
        table: dict[int, Val] = {}
        self.pointers: dict[Access, Val] = {}
        for access in accesses:
            if access.pointer not in table:
                table[access.pointer] = f.load(PTR, f.element(pointers, access.pointer, PTR))
            self.pointers[access] = table[access.pointer]
        used = {step for access in accesses for step in access.steps if step >= 0}
        for word in sorted(used.union(range(1 + form.rows + form.columns + form.clipped))):
            self._words[word] = f.load(I64, f.element(words, word, I64))

    # --- loops --------------------------------------------------------------------------------------------------------

    def rows(self, axis: int) -> None:
        """Writes the loops over the rows from an axis on."""
        form = self.form
        if axis == form.rows:
            for stage in form.passes:
                self.stage(stage)
            return
        passes = [p for p in form.passes if not (p.columns and form.empty)]  # there may be nothing to read
        self.compute([x for p in passes for x in p.items if x.early and x.depth == axis])
        start, stop = self.bounds(axis)
        with self.f.loop(start, stop, self.step(axis)) as loop, self.inside(axis, loop.index, stop):
            self.rows(axis + 1)

    def bounds(self, axis: int) -> tuple[Val, Val]:
        """The first index along an axis, and the one behind the last."""
        f, extent, start = self.f, self._words[1 + axis], self.f.constant(0, I64)
        if axis == self.form.split:
            begin, end = f.arguments[2:4]
            start, stop = begin * self._words[0], end * self._words[0]
            return start, f.select(stop.lt(extent), stop, extent)
        if self.form.clipped and axis == self.form.rows:
            left = self._words[1 + self.form.rows + self.form.columns] - self.indices[0] * extent
            return start, f.select(left.lt(extent), left, extent)
        return start, extent

    def step(self, axis: int) -> int:
        return self.form.lanes * self.form.copies if axis == self.form.vector else 1

    @contextmanager
    def inside(self, axis: int, index: Val, stop: Val, whole: bool | None = None) -> Generator[None]:
        """What is written in a round of a loop: pointers have moved on. Vectors are known to be `whole`, or not."""
        f, before, chunk = self.f, dict(self.pointers), self.chunk
        self.indices[axis] = index
        for access, pointer in before.items():
            if axis >= len(access.steps) or (self.scope is not None and access not in self.scope):
                continue
            step = access.steps[axis]
            if step >= 0:
                self.pointers[access] = f.element(pointer, index * self._words[step], memory_type(access.dtype))
            elif axis == self.form.vector and access.lane:
                self.pointers[access] = f.element(pointer, index * access.lane, memory_type(access.dtype))
        if axis == self.form.vector:
            remaining = stop - index
            full = remaining.ge(self.step(axis)) if whole is None else f.constant(whole, I1)
            on = self.form.across and whole is not False
            ahead = [access for access in before if on and any(step >= 0 for step in access.steps[: self.form.rows])]
            self.chunk = Chunk(f, self.form.lanes, self.form.copies, index, remaining, full, ahead)
            for access in [access for access in before if access.tiled]:
                count = self.bounds(self.form.rows)[1]
                tile = load_tile(self.chunk, self.site(access), count)
                self.pointers[access], self._tiles[access] = tile.pointer, tile
        yield
        self.pointers, self.chunk = before, chunk
        if axis == self.form.vector:
            self._tiles.clear()

    # --- stages -------------------------------------------------------------------------------------------------------

    def stage(self, stage: Pass) -> None:
        """Writes a stage inside the loops over the rows."""
        rows = self.form.rows
        if stage.columns and self.form.empty:
            for fold in stage.folds:
                self.values[fold.result] = self.start(fold, self.form.vector is not None and not self.form.across)
            return
        here = [x for x in stage.items if (x.depth <= rows) and not (x.early and x.depth < rows)]
        self.compute(here)
        if not stage.columns:
            self.store(stage)
            return
        starts = [self.start(fold, self.form.vector is not None) for fold in stage.folds]
        self.scope = stage.accesses
        flat = self.columns(stage, rows, [vector for vectors in starts for vector in vectors])
        self.scope = None
        for fold in stage.folds:
            count = len(starts[0])
            results, flat = flat[:count], flat[count:]
            self.values[fold.result] = [self.halved(fold, results[0])] if self.form.across else results

    def columns(self, stage: Pass, axis: int, carried: list[Val]) -> list[Val]:
        """What the folds are behind the loops over the columns from an axis on."""
        if axis > self.form.rows:
            self.compute([x for x in stage.items if x.depth == axis])
        if axis == self.form.rows + self.form.columns:
            out = self.folded(stage, carried)
            self.store(stage)
            return out
        start, stop = self.bounds(axis)
        if axis != self.form.vector or self.form.copies == 1:
            return self.columns_between(stage, axis, (start, stop, stop), None, carried)
        # vectors that are there, without asking each time, and then those of which some are
        whole = stop - (stop - start).urem(self.step(axis))
        carried = self.columns_between(stage, axis, (start, whole, stop), True, carried)
        return self.columns_between(stage, axis, (whole, stop, stop), False, carried)

    def columns_between(
        self, stage: Pass, axis: int, bounds: tuple[Val, Val, Val], full: bool | None, carried: list[Val]
    ) -> list[Val]:
        """What the folds are behind a loop from one index to another of an axis, whose end is the third."""
        start, last, stop = bounds
        with self.f.loop(start, last, self.step(axis), carried) as loop, self.inside(axis, loop.index, stop, full):
            loop.next = self.columns(stage, axis + 1, loop.carried)
        return loop.results

    # --- values -------------------------------------------------------------------------------------------------------

    def compute(self, items: Sequence[Item]) -> None:
        """Writes values in their order; vectors that are next to be read are read behind one branch."""
        read: set[int] = set()
        for i, item in enumerate(items):
            if _is_vector_load(item):
                if item.number not in read:
                    following = [x for x in items[i:] if _is_vector_load(x) and x.number not in read][:_TOGETHER]
                    self.read(following)
                    read.update(x.number for x in following)
            else:
                self.values[item.number] = self.made(item)

    def read(self, items: Sequence[Item]) -> None:
        """Reads vectors."""
        assert self.chunk is not None
        accesses = [x.what.access for x in items if isinstance(x.what, Load)]
        found = load(self.chunk, [self.site(access) for access in accesses])
        for item, vectors in zip(items, found, strict=True):
            self.values[item.number] = [from_memory(self.f, x, item.dtype) for x in vectors]

    def made(self, item: Item) -> list[Val]:
        """A value: one scalar, or the vectors in flight."""
        f, ty = self.f, register_type(item.dtype)
        match item.what:
            case Fixed(value):
                return [f.constant(value, ty)]
            case Word(word):
                return [f.load(ty, f.element(f.arguments[1], word, I64))]
            case Index(axis) if not item.varies:
                return [self.indices[axis]]
            case Index():
                chunk = self.chunk
                assert chunk is not None
                first = f.iota(I64.of(chunk.lanes))
                return [first + chunk.start(copy) for copy in range(chunk.copies)]
            case Load() as what:
                return self.guarded(item, what) if what.guard >= 0 else [self.element(what.access)]
            case Apply(name, operands, attrs):
                dtypes = [self.form.dtypes[operand] for operand in operands]
                copies = self.form.copies if item.varies else 1
                given = [[self.get(operand, copy, item.varies) for operand in operands] for copy in range(copies)]
                return [scalar(f, name, attrs, xs, dtypes, item.dtype) for xs in given]

    def element(self, access: Access) -> Val:
        """One element that is the same along the vector."""
        return from_memory(self.f, self.f.load(memory_type(access.dtype), self.pointers[access]), access.dtype)

    def guarded(self, item: Item, what: Load) -> list[Val]:
        f = self.f
        if not item.varies:
            guard, other = self.get(what.guard, 0, False), self.get(what.other, 0, False)
            return f.either(guard, lambda: [self.element(what.access)], lambda: [other])
        chunk, out = self.chunk, list[Val]()
        assert chunk is not None
        for copy in range(self.form.copies):
            guard, other = self.get(what.guard, copy, True), self.get(what.other, copy, True)
            other = to_memory(f, other, item.dtype)
            found = load_guarded(chunk, self.site(what.access), copy, guard, other)
            out.append(from_memory(f, found, item.dtype))
        return out

    def site(self, access: Access) -> Site:
        """Where an access is at this place."""
        if access in self._tiles:
            return replace(self._tiles[access], pointer=self.pointers[access])
        word = access.steps[self.form.vector] if self.form.vector is not None else -1
        return Site(access, self.pointers[access], self._words[word] if word >= 0 else None)

    def get(self, number: int, copy: int, vector: bool) -> Val:
        """A value, in every lane where a vector is wanted."""
        found = self.values[number]
        x = found[copy] if number in self.form.varies else found[0]
        if vector and not x.ty.lanes:
            return self.f.constant(x, x.ty.of(self.form.lanes))
        return x

    # --- folds and stores ---------------------------------------------------------------------------------------------

    def start(self, fold: Fold, vector: bool) -> list[Val]:
        """What a fold starts from."""
        ty = register_type(fold.dtype)
        first = self.f.constant(identity(fold.combine, fold.dtype), ty.of(self.form.lanes if vector else 0))
        return [first] * (1 if self.form.across else self.form.copies)

    def folded(self, stage: Pass, carried: list[Val]) -> list[Val]:
        """What is carried, combined with more values: of rows with one for each; along the columns with one after the
        other, where lanes that do not exist change nothing."""
        f, form = self.f, self.form
        new: list[list[Val]] = []
        for fold in stage.folds:
            found = [self.get(fold.value, copy, form.vector is not None) for copy in range(form.copies)]
            new.append([convert(f, x, form.dtypes[fold.value], fold.dtype) for x in found])
        names = [fold.combine for fold in stage.folds]
        if not form.across:
            flat = [(name, x) for name, found in zip(names, new, strict=True) for x in found]
            return [combine(f, name, old, x) for old, (name, x) in zip(carried, flat, strict=True)]
        if new:
            new = self.there(stage, new)
        for copy in range(form.copies):
            carried = [combine(f, name, x, found[copy]) for name, x, found in zip(names, carried, new, strict=True)]
        return carried

    def there(self, stage: Pass, found: list[list[Val]]) -> list[list[Val]]:
        """Vectors along the columns, with what changes no fold in the lanes that do not exist."""
        f, copies, chunk = self.f, self.form.copies, self.chunk
        assert chunk is not None
        mask = chunk.mask
        flat = [x for vectors in found for x in vectors]
        neutral = [identity(fold.combine, fold.dtype) for fold in stage.folds for _ in range(copies)]
        numbered = list(zip(flat, neutral, list(range(copies)) * len(found), strict=True))
        flat = f.either(chunk.full, lambda: flat, lambda: [f.select(mask(copy), x, no) for x, no, copy in numbered])
        return [flat[i : i + copies] for i in range(0, len(flat), copies)]

    def halved(self, fold: Fold, x: Val) -> Val:
        """The lanes of a fold combined: the first half with the second, until one is left."""
        f, width = self.f, x.ty.lanes // 2
        while width > 1:
            x = combine(f, fold.combine, f.shuffle(x, None, range(width)), f.shuffle(x, None, range(width, 2 * width)))
            width //= 2
        # The last two stay a vector: where scalars are selected LLVM takes a branch, which would be foreseen badly.
        return f.extract(combine(f, fold.combine, x, f.shuffle(x, None, (1, 0))), 0)

    def store(self, stage: Pass) -> None:
        """Writes what the stage stores at this place."""
        f, chunk = self.f, self.chunk
        if chunk is None:
            for number, access in stage.stores:
                f.store(to_memory(f, self.get(number, 0, False), access.dtype), self.pointers[access])
        elif stage.stores:
            vectors = [
                (
                    self.site(access),
                    [to_memory(f, self.get(n, copy, True), access.dtype) for copy in range(chunk.copies)],
                )
                for n, access in stage.stores
            ]
            store(chunk, vectors)
