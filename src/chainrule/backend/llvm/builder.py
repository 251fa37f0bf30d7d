"""`Module` and `Function`: LLVM's text, written by operators, loops and branches that are Python's.

    module = Module()
    with module.function("scale", I64, x=PTR, n=I64) as f:
        x, n = f.arguments
        with f.loop(0, n, 16) as i:
            f.store(f.load(F32.of(16), f.element(x, i, F32)) * 2.0, f.element(x, i, F32))
        f.ret(0)

A function is written in the order in which it runs; a loop and a branch are context managers, and what a loop carries
from one round to the next is given at its beginning and set at its end. No flag lets LLVM reorder floating-point
arithmetic, and it fuses no product and sum that is not written as `fma`: every machine computes what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias, TypeVar

from chainrule.backend.llvm.values import I1, I32, I64, PTR, Operand, Ty, Val, literal

T = TypeVar("T")
Writing: TypeAlias = Generator[T, None, None]
"""What is written while a `with` statement is inside of it."""

INTRINSICS: Final = frozenset(
    {"fma", "sqrt", "fabs", "copysign", "floor", "ceil", "trunc", "rint", "masked.load", "masked.store", "prefetch"}
    | {"readcyclecounter", "x86.sse.stmxcsr", "x86.sse.ldmxcsr", "memcpy", "memset", "vector.reduce.or"}
    | {"x86.sse2.pause", "aarch64.hint", "aarch64.get.fpcr", "aarch64.set.fpcr", "readsteadycounter"}
)
"""What may be called on x86-64 and AArch64: each becomes instructions, or a library function that is exact."""

ATTRIBUTES: Final = 'nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" "no-trapping-math"="true"'
"""Vectors of 512 bits stay whole where a machine has them, also where LLVM would rather take halves."""


class Module:
    """Functions that are compiled together."""

    def __init__(self) -> None:
        self._functions: list[Function] = []
        self._declarations: dict[str, str] = {}
        self._globals: dict[str, str] = {}

    @contextmanager
    def function(self, name: str, result: Ty | None, *, internal: bool = False, **parameters: Ty) -> Writing[Function]:
        """Writes a function; `internal` ones are seen in this module alone."""
        function = Function(self, name, result, parameters, internal)
        yield function
        self._functions.append(function)

    def has(self, name: str) -> bool:
        """Whether a function of that name is written."""
        return any(function.name == name for function in self._functions)

    def table(self, name: str, ty: Ty, numbers: Sequence[float | int]) -> str:
        """The name of a constant array; the same one for the same name."""
        items = ", ".join(f"{ty} {literal(number, ty)}" for number in numbers)
        self._globals[name] = f"@{name} = internal constant [{len(numbers)} x {ty}] [{items}], align 64"
        return f"@{name}"

    def declare(self, name: str, result: str, *parameters: str, attributes: str = "nounwind") -> str:
        """The name of a function from elsewhere."""
        self._declarations[name] = f"declare {result} @{name}({', '.join(parameters)}) {attributes}"
        return f"@{name}"

    def __str__(self) -> str:
        parts = [*self._globals.values(), *self._declarations.values(), *map(str, self._functions)]
        return "\n".join([*parts, f"attributes #0 = {{ {ATTRIBUTES} }}", ""])


class Loop:
    """A loop that is being written: its index, what it carries, and, once it is written, what it carried at the end."""

    def __init__(self, index: Val, carried: list[Val]) -> None:
        self.index = index
        self.carried = carried
        self.next: list[Val] = []
        self.results: list[Val] = []
        self.end = ""


class Repeat:
    """A loop without an index that is being written: `until`, an i1, must be set to what ends it after a round."""

    def __init__(self, carried: list[Val]) -> None:
        self.carried = carried
        self.next: list[Val] = []
        self.until: Val | None = None


Branches: TypeAlias = Callable[[], list[Val]]


class Function:
    """One function while it is written. Every method that computes returns a `Val`."""

    def __init__(self, module: Module, name: str, result: Ty | None, parameters: dict[str, Ty], internal: bool) -> None:
        self.module, self.name, self.result = module, name, result
        self.arguments = [Val(self, f"%{key}", ty) for key, ty in parameters.items()]
        self._internal = internal
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._count = 0
        self._block = "entry"

    def __str__(self) -> str:
        kind = "internal " if self._internal else ""
        parameters = ", ".join(f"{v.ty} {v.text}" for v in self.arguments)
        head = f"define {kind}{self.result or 'void'} @{self.name}({parameters}) #0 {{\nentry:"
        return "\n".join([head, *self._entry, *self._lines, "}"])

    # --- values -------------------------------------------------------------------------------------------------------

    def constant(self, number: Operand, ty: Ty) -> Val:
        """The number in every lane; a scalar value is spread over the lanes; a value of the type stays itself."""
        if isinstance(number, Val):
            return number if number.ty == ty else self.splat(number, ty.lanes)
        text = literal(number, ty.element)
        return Val(self, f"splat ({ty.element} {text})" if ty.lanes else text, ty)

    def splat(self, x: Val, lanes: int) -> Val:
        """A scalar in every lane."""
        if not lanes or x.ty.lanes:
            return x
        ty = x.ty.of(lanes)
        first = self.emit(f"insertelement {ty} poison, {x.ty} {x.text}, i32 0", ty)
        return self.emit(f"shufflevector {ty} {first.text}, {ty} poison, <{lanes} x i32> zeroinitializer", ty)

    def iota(self, ty: Ty) -> Val:
        """0, 1, 2, ... in the lanes."""
        items = ", ".join(f"{ty.element} {literal(n, ty.element)}" for n in range(ty.lanes))
        return Val(self, f"<{items}>", ty)

    def emit(self, text: str, ty: Ty) -> Val:
        """The result of an instruction."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {text}")
        return Val(self, name, ty)

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {text}")

    def binary(self, operation: str, x: Val, y: Operand) -> Val:
        """Arithmetic on two values of one type; a number, or a scalar beside a vector, takes the other's."""
        if isinstance(y, Val) and y.ty.lanes and not x.ty.lanes:
            x = self.splat(x, y.ty.lanes)
        return self.emit(f"{operation} {x.ty} {x.text}, {self.constant(y, x.ty).text}", x.ty)

    def unary(self, operation: str, x: Val) -> Val:
        return self.emit(f"{operation} {x.ty} {x.text}", x.ty)

    def compare(self, condition: str, x: Val, y: Operand) -> Val:
        """An i1 in every lane."""
        if isinstance(y, Val) and y.ty.lanes and not x.ty.lanes:
            x = self.splat(x, y.ty.lanes)
        kind = "fcmp" if x.ty.is_float else "icmp"
        return self.emit(f"{kind} {condition} {x.ty} {x.text}, {self.constant(y, x.ty).text}", I1.of(x.ty.lanes))

    def cast(self, operation: str, x: Val, ty: Ty) -> Val:
        return x if x.ty == ty else self.emit(f"{operation} {x.ty} {x.text} to {ty}", ty)

    def select(self, condition: Val, x: Val, y: Operand) -> Val:
        """x where the condition holds, else y."""
        other = self.constant(y, x.ty)
        return self.emit(f"select {condition.ty} {condition.text}, {x.ty} {x.text}, {other.ty} {other.text}", x.ty)

    def call(self, name: str, result: Ty, *arguments: Val) -> Val:
        """The result of a function of this module, or of one that was declared."""
        given = ", ".join(f"{x.ty} {x.text}" for x in arguments)
        return self.emit(f"call {result} @{name}({given})", result)

    def run(self, name: str, *arguments: Val) -> None:
        """Calls a function of this module that has no result."""
        given = ", ".join(f"{x.ty} {x.text}" for x in arguments)
        self.do(f"call void @{name}({given})")

    def call_at(self, address: Val, result: Ty, *arguments: Val) -> Val:
        """The result of the function at an address."""
        given = ", ".join(f"{x.ty} {x.text}" for x in arguments)
        return self.emit(f"call {result} {address.text}({given})", result)

    def intrinsic(self, name: str, result: Ty | None, *arguments: Val, over: Sequence[Ty] | None = None) -> Val | None:
        """A call of one of INTRINSICS, named after the types in `over` (the result's where None)."""
        if name not in INTRINSICS:
            raise ValueError(f"{name} is not among the intrinsics that every target has")
        suffix = "".join(f".{ty.mangled}" for ty in ([result] if over is None and result else over or ()))
        full = f"llvm.{name}{suffix}"
        self.module.declare(full, str(result or "void"), *[str(x.ty) for x in arguments])
        given = ", ".join(f"{x.ty} {x.text}" for x in arguments)
        if result is None:
            self.do(f"call void @{full}({given})")
            return None
        return self.emit(f"call {result} @{full}({given})", result)

    def fetch(self, pointer: Val) -> None:
        """Asks for the line of the cache at an address, which need not be one."""
        self.intrinsic("prefetch", None, pointer, *[self.constant(x, I32) for x in (0, 3, 1)], over=[PTR])

    def math(self, name: str, x: Val, *others: Operand) -> Val:
        """An intrinsic of operands of one type: fma, sqrt, fabs, copysign, floor, ceil, trunc, rint."""
        found = self.intrinsic(name, x.ty, x, *[self.constant(y, x.ty) for y in others])
        assert found is not None
        return found

    def fma(self, x: Val, y: Operand, z: Operand) -> Val:
        """x y + z, rounded once."""
        return self.math("fma", x, y, z)

    def extract(self, x: Val, lane: int | Val) -> Val:
        """One lane."""
        index = lane.text if isinstance(lane, Val) else str(lane)
        ty = lane.ty if isinstance(lane, Val) else I32
        return self.emit(f"extractelement {x.ty} {x.text}, {ty} {index}", x.ty.element)

    def insert(self, x: Val, y: Val, lane: int) -> Val:
        """x with y in one lane."""
        return self.emit(f"insertelement {x.ty} {x.text}, {y.ty} {y.text}, i32 {lane}", x.ty)

    def shuffle(self, x: Val, y: Val | None, lanes: Sequence[int]) -> Val:
        """The lanes of x, and of y behind them, in another order; -1 for any."""
        mask = ", ".join(f"i32 {n}" if n >= 0 else "i32 poison" for n in lanes)
        other = y.text if y is not None else "poison"
        ty = x.ty.of(len(lanes))
        return self.emit(f"shufflevector {x.ty} {x.text}, {x.ty} {other}, <{len(lanes)} x i32> <{mask}>", ty)

    # --- memory -------------------------------------------------------------------------------------------------------

    def element(self, pointer: Val, index: Operand, ty: Ty) -> Val:
        """The address of element `index` of an array of `ty`."""
        place = self.constant(index, I64) if not isinstance(index, Val) else index
        stride = Ty("i8") if ty.name == "i1" else ty
        return self.emit(f"getelementptr {stride}, ptr {pointer.text}, {place.ty} {place.text}", PTR)

    def load(self, ty: Ty, pointer: Val, align: int | None = None) -> Val:
        return self.emit(f"load {ty}, ptr {pointer.text}, align {align or ty.nbytes}", ty)

    def store(self, x: Val, pointer: Val, align: int | None = None) -> None:
        self.do(f"store {x.ty} {x.text}, ptr {pointer.text}, align {align or x.ty.nbytes}")

    def masked_load(self, ty: Ty, pointer: Val, mask: Val, other: Operand = 0) -> Val:
        """The lanes in the mask, `other` in the rest, whose memory is not touched."""
        self.module.declare(f"llvm.masked.load.{ty.mangled}.p0", str(ty), "ptr", str(mask.ty), str(ty))
        rest = self.constant(other, ty)
        return self.emit(
            f"call {ty} @llvm.masked.load.{ty.mangled}.p0(ptr align {ty.nbytes} {pointer.text}, "
            f"{mask.ty} {mask.text}, {ty} {rest.text})",
            ty,
        )

    def masked_store(self, x: Val, pointer: Val, mask: Val) -> None:
        """Writes the lanes in the mask."""
        self.module.declare(f"llvm.masked.store.{x.ty.mangled}.p0", "void", str(x.ty), "ptr", str(mask.ty))
        self.do(
            f"call void @llvm.masked.store.{x.ty.mangled}.p0({x.ty} {x.text}, "
            f"ptr align {x.ty.nbytes} {pointer.text}, {mask.ty} {mask.text})"
        )

    def alloca(self, ty: Ty, count: int = 1, align: int = 64) -> Val:
        """Room for `count` elements on the stack, made once, when the function is entered."""
        self._count += 1
        name = f"%v{self._count}"
        self._entry.append(f"  {name} = alloca [{count} x {ty}], align {align}")
        return Val(self, name, PTR)

    def address(self, table: str) -> Val:
        """The address of a table or function of the module."""
        return Val(self, table, PTR)

    # --- control ------------------------------------------------------------------------------------------------------

    def _label(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def _fresh(self, what: str) -> str:
        self._count += 1
        return f"{what}{self._count}"

    def ret(self, x: Operand | None = None) -> None:
        """Leaves the function."""
        if self.result is None or x is None:
            self.do("ret void")
        else:
            self.do(f"ret {self.result} {self.constant(x, self.result).text}")

    @contextmanager
    def loop(self, start: Operand, stop: Operand, step: Operand = 1, carried: Sequence[Val] = ()) -> Writing[Loop]:
        """A loop from `start` to below `stop`, which may have no round at all.

        Inside, `loop.carried` are the values as they come from the round before; `loop.next` must be set to what the
        next round gets. Behind it, `loop.results` are those of the last round, or `carried` where there was none.
        """
        first, last, by = self.constant(start, I64), self.constant(stop, I64), self.constant(step, I64)
        head, body, end = self._fresh("head"), self._fresh("body"), self._fresh("end")
        before = self._block
        self.do(f"br label %{head}")
        self._label(head)
        index = self.emit("", I64)
        place = len(self._lines) - 1
        phis = [self.emit("", x.ty) for x in carried]
        go = self.emit(f"icmp slt i64 {index.text}, {last.text}", I1)
        self.do(f"br i1 {go.text}, label %{body}, label %{end}")
        self._label(body)
        loop = Loop(index, phis)
        loop.end = end
        yield loop
        following = self.emit(f"add nsw i64 {index.text}, {by.text}", I64)
        if len(loop.next) != len(phis):
            raise ValueError(f"a loop that carries {len(phis)} values was given {len(loop.next)}")
        self.do(f"br label %{head}")
        pairs = zip([index, *phis], [first, *carried], [following, *loop.next], strict=True)
        for offset, (phi, old, new) in enumerate(pairs):
            text = f"phi {phi.ty} [{old.text}, %{before}], [{new.text}, %{self._block}]"
            self._lines[place + offset] = f"  {phi.text} = {text}"
        self._label(end)
        loop.results = phis

    @contextmanager
    def repeat(self, carried: Sequence[Val] = ()) -> Writing[Repeat]:
        """A loop of at least one round, and another one as long as `until` does not hold at its end.

        Inside, `carried` are the values as they come from the round before; `next`, set inside, are those that the
        next round gets, and may be used behind the loop as those of the last round.
        """
        head, end = self._fresh("head"), self._fresh("end")
        before = self._block
        self.do(f"br label %{head}")
        self._label(head)
        place = len(self._lines)
        phis = [self.emit("", x.ty) for x in carried]
        loop = Repeat(phis)
        yield loop
        if loop.until is None or len(loop.next) != len(phis):
            raise ValueError(f"a loop that carries {len(phis)} values was given {len(loop.next)}, and {loop.until}")
        self.do(f"br i1 {loop.until.text}, label %{end}, label %{head}")
        for offset, (phi, old, new) in enumerate(zip(phis, carried, loop.next, strict=True)):
            text = f"phi {phi.ty} [{old.text}, %{before}], [{new.text}, %{self._block}]"
            self._lines[place + offset] = f"  {phi.text} = {text}"
        self._label(end)

    @contextmanager
    def endless(self, carried: Sequence[Val]) -> Writing[Loop]:
        """A loop that goes on until `leave` ends it; `loop.results` are what it carried in the round that was left."""
        head, end = self._fresh("head"), self._fresh("end")
        before = self._block
        self.do(f"br label %{head}")
        self._label(head)
        place = len(self._lines)
        phis = [self.emit("", x.ty) for x in carried]
        loop = Loop(phis[0], phis)
        loop.end, loop.results = end, phis
        yield loop
        self.do(f"br label %{head}")
        for offset, (phi, old, new) in enumerate(zip(phis, carried, loop.next, strict=True)):
            text = f"phi {phi.ty} [{old.text}, %{before}], [{new.text}, %{self._block}]"
            self._lines[place + offset] = f"  {phi.text} = {text}"
        self._label(end)

    def leave(self, loop: Loop, condition: Val) -> None:
        """Goes behind the loop where the condition holds."""
        stay = self._fresh("stay")
        self.do(f"br i1 {condition.text}, label %{loop.end}, label %{stay}")
        self._label(stay)

    @contextmanager
    def when(self, condition: Val) -> Writing[None]:
        """What is done where the condition holds."""
        inside, end = self._fresh("then"), self._fresh("end")
        self.do(f"br i1 {condition.text}, label %{inside}, label %{end}")
        self._label(inside)
        yield
        if not self._lines[-1].startswith("  ret "):
            self.do(f"br label %{end}")
        self._label(end)

    def either(self, condition: Val, then: Branches, other: Branches) -> list[Val]:
        """The values of one of two ways, of which only that one is computed."""
        yes, no, end = self._fresh("then"), self._fresh("else"), self._fresh("end")
        self.do(f"br i1 {condition.text}, label %{yes}, label %{no}")
        ends: list[tuple[list[Val], str]] = []
        for label, way in ((yes, then), (no, other)):
            self._label(label)
            ends.append((way(), self._block))
            self.do(f"br label %{end}")
        self._label(end)
        (first, one), (second, two) = ends
        return [
            self.emit(f"phi {x.ty} [{x.text}, %{one}], [{y.text}, %{two}]", x.ty)
            for x, y in zip(first, second, strict=True)
        ]
