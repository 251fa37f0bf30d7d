"""`Val` and `Ty`: typed values of LLVM's text, with operators, so that a formula reads like one."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Ty:
    """A type of LLVM's: an element (`float`, `i32`, `ptr`, ...), or a vector of `lanes` of them."""

    name: str
    lanes: int = 0

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.name}>" if self.lanes else self.name

    @property
    def is_float(self) -> bool:
        return self.name in ("float", "double")

    @property
    def bits(self) -> int:
        """The width of an element."""
        return _BITS[self.name]

    @property
    def nbytes(self) -> int:
        """The bytes of an element in memory."""
        return max(1, _BITS[self.name] // 8)

    def of(self, lanes: int) -> Ty:
        """The same element in a vector of `lanes`, or alone where that is 0."""
        return Ty(self.name, lanes)

    @property
    def element(self) -> Ty:
        return Ty(self.name)

    @property
    def mangled(self) -> str:
        """The type as it stands in an intrinsic's name."""
        short = {"float": "f32", "double": "f64", "ptr": "p0"}.get(self.name, self.name)
        return f"v{self.lanes}{short}" if self.lanes else short


_BITS: Final = {"float": 32, "double": 64, "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "i128": 128, "ptr": 64}

F32: Final = Ty("float")
F64: Final = Ty("double")
I1: Final = Ty("i1")
I8: Final = Ty("i8")
I32: Final = Ty("i32")
I64: Final = Ty("i64")
PTR: Final = Ty("ptr")

Operand: TypeAlias = "Val | float | int"


@dataclass(frozen=True, eq=False, slots=True)
class Val:
    """A value inside a function: `text` is its name, or a constant. Integers are signed where an operator must know."""

    code: Any  # the `Function` that it is in (builder.py)
    text: str
    ty: Ty

    def __add__(self, other: Operand) -> Val:
        return self.code.binary("fadd" if self.ty.is_float else "add", self, other)

    def __radd__(self, other: Operand) -> Val:
        return self.like(other) + self

    def __sub__(self, other: Operand) -> Val:
        return self.code.binary("fsub" if self.ty.is_float else "sub", self, other)

    def __rsub__(self, other: Operand) -> Val:
        return self.like(other) - self

    def __mul__(self, other: Operand) -> Val:
        return self.code.binary("fmul" if self.ty.is_float else "mul", self, other)

    def __rmul__(self, other: Operand) -> Val:
        return self.like(other) * self

    def __truediv__(self, other: Operand) -> Val:
        return self.code.binary("fdiv", self, other)

    def __rtruediv__(self, other: Operand) -> Val:
        return self.like(other) / self

    def __neg__(self) -> Val:
        return self.code.unary("fneg", self) if self.ty.is_float else self.like(0) - self

    def __and__(self, other: Operand) -> Val:
        return self.code.binary("and", self, other)

    def __or__(self, other: Operand) -> Val:
        return self.code.binary("or", self, other)

    def __xor__(self, other: Operand) -> Val:
        return self.code.binary("xor", self, other)

    def __invert__(self) -> Val:
        return self ^ -1

    def __lshift__(self, other: Operand) -> Val:
        return self.code.binary("shl", self, other)

    def __rshift__(self, other: Operand) -> Val:
        """The arithmetic shift."""
        return self.code.binary("ashr", self, other)

    def lshr(self, other: Operand) -> Val:
        """The logical shift to the right."""
        return self.code.binary("lshr", self, other)

    def sdiv(self, other: Operand) -> Val:
        """The signed quotient, towards zero; undefined by zero."""
        return self.code.binary("sdiv", self, other)

    def srem(self, other: Operand) -> Val:
        """The signed rest, with the sign of the dividend; undefined by zero."""
        return self.code.binary("srem", self, other)

    def udiv(self, other: Operand) -> Val:
        """The unsigned quotient."""
        return self.code.binary("udiv", self, other)

    def urem(self, other: Operand) -> Val:
        """The unsigned rest."""
        return self.code.binary("urem", self, other)

    # comparisons: ordered (false where one is NaN) but for `ne`; integers are signed but in the `u` forms

    def eq(self, other: Operand) -> Val:
        return self.code.compare("oeq" if self.ty.is_float else "eq", self, other)

    def ne(self, other: Operand) -> Val:
        return self.code.compare("une" if self.ty.is_float else "ne", self, other)

    def lt(self, other: Operand) -> Val:
        return self.code.compare("olt" if self.ty.is_float else "slt", self, other)

    def le(self, other: Operand) -> Val:
        return self.code.compare("ole" if self.ty.is_float else "sle", self, other)

    def gt(self, other: Operand) -> Val:
        return self.code.compare("ogt" if self.ty.is_float else "sgt", self, other)

    def ge(self, other: Operand) -> Val:
        return self.code.compare("oge" if self.ty.is_float else "sge", self, other)

    def ult(self, other: Operand) -> Val:
        return self.code.compare("ult", self, other)

    def uge(self, other: Operand) -> Val:
        return self.code.compare("uge", self, other)

    def is_nan(self) -> Val:
        return self.code.compare("uno", self, self)

    def like(self, number: Operand) -> Val:
        """The number as a constant of this value's type; a value of it stays itself."""
        return self.code.constant(number, self.ty)

    # conversions

    def cast(self, operation: str, ty: Ty) -> Val:
        """`operation` to the element of `ty`, in this value's lanes: sitofp, fptosi, zext, sext, trunc, fpext, ..."""
        return self.code.cast(operation, self, ty.of(self.ty.lanes))

    def bits_as(self, ty: Ty) -> Val:
        """The same bits read as another type of the same width."""
        return self.cast("bitcast", ty)


def literal(number: float | int, ty: Ty) -> str:
    """The text of a constant of an element's type: floats as the bits of a double, which are read without rounding."""
    if ty.is_float:
        x = float(number)
        if ty == F32 and math.isfinite(x):
            x = struct.unpack("f", struct.pack("f", x))[0]
        return f"0x{struct.unpack('Q', struct.pack('d', x))[0]:016X}"
    if ty.name == "i1":
        return "true" if number else "false"
    if ty.name == "ptr":
        return "null"
    half = 1 << (ty.bits - 1)
    return str((int(number) + half) % (2 * half) - half)


def is_number(x: Any) -> bool:
    """Whether x is a Python number, to become a constant."""
    return isinstance(x, (int, float))
