"""Bad input inside traced functions: plain arrays as targets, dtypes, random draws, exceptions, escaped values."""

from __future__ import annotations

import random
from collections.abc import Generator
from fractions import Fraction
from typing import Any

import numpy as np
from bad_rows import BOTH, EAGER, PLAIN, SQUARE, STAGED, TARGET, Given, Table

import chainrule as cr
from chainrule.errors import DTypeError, EscapedTracerError, NumberError, StagingError, TraceError

TABLE = Table()
ASSIGNED = (
    "expected no float() of a traced array, got f64 {here}; try a function of cr.numpy, y made by cr.numpy.zeros to "
    "assign to y[i], or cr.value(x) for its number"
)
DRAW = (
    "expected no draw from a random generator while staging (it would become a constant), got a random state that "
    "moved on {here}; try cr.random.uniform(key, ...) with the key as an argument, or draw outside and pass the numbers"
)
DTYPES = "expected one of the dtypes float32, float64, int32, int64, uint8, bool, got {} {{here}}; try {}"
ESCAPED = (
    "expected a traced array used inside the call that traced it, got one kept from a call that has ended {here}; try "
    "returning it from the function, or cr.value(x) where only its numbers are wanted"
)
DRAWN = {name: call for name, call in STAGED.items() if name != "gradient of staged"}

# --- plain arrays as targets: PLAIN and SQUARE keep their numbers -----------------------------------------------------


@TABLE.traced(TraceError, ASSIGNED)
def element(x: Any) -> Any:
    PLAIN[0] = x[0]  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, ASSIGNED)
def element_added_to(x: Any) -> Any:
    PLAIN[0] += x[0]  # wrong
    return PLAIN.sum()


@TABLE.traced(
    TraceError, "expected a plain array or number, got a traced f64[3] {here}; try ...cr.numpy.zeros in place ..."
)
def slice_(x: Any) -> Any:
    PLAIN[:] = x  # wrong
    return PLAIN.sum()


@TABLE.traced(
    TraceError, "expected a plain array or number, got a traced f64[2] {here}; try ...cr.numpy.zeros in place ..."
)
def list_of_places(x: Any) -> Any:
    PLAIN[[0, 1]] = x[:2]  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, ASSIGNED)
def fill(x: Any) -> Any:
    PLAIN.fill(x[0])  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, TARGET.format("out= of add"))
def out(x: Any) -> Any:
    return np.add(x, 1.0, out=PLAIN).sum()  # wrong


@TABLE.traced(TraceError, TARGET.format("out= of sum"))
def out_of_a_sum(x: Any) -> Any:
    return np.sum(x * SQUARE, axis=0, out=PLAIN).sum()  # wrong


@TABLE.traced(TraceError, TARGET.format("out= of add"))
def plain_array_increased(x: Any) -> Any:
    y = PLAIN
    y += x  # wrong
    return y.sum()


@TABLE.traced(TraceError, TARGET.format("out= of matmul"))
def plain_array_times_matrix(x: Any) -> Any:
    y = SQUARE
    y @= x  # wrong
    return y.sum()


@TABLE.traced(TraceError, TARGET.format("numpy.add.at"))
def ufunc_at(x: Any) -> Any:
    np.add.at(PLAIN, [0], x[0])  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, TARGET.format("numpy.copyto"))
def copyto(x: Any) -> Any:
    np.copyto(PLAIN, x)  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, TARGET.format("numpy.put"))
def put(x: Any) -> Any:
    np.put(PLAIN, [0], x[0])  # wrong
    return PLAIN.sum()


@TABLE.traced(TraceError, TARGET.format("numpy.place"))
def place(x: Any) -> Any:
    np.place(PLAIN, PLAIN == 0.0, x)  # wrong
    return PLAIN.sum()


@TABLE.traced(
    TraceError, "expected a function that chainrule can differentiate, got add with where= {here}; try cr.numpy.w..."
)
def plain_sum_where(x: Any) -> Any:
    return PLAIN.sum(where=x > 0)  # wrong


@TABLE.traced(TraceError, ASSIGNED)
def plain_sum_from_a_traced_start(x: Any) -> Any:
    return PLAIN.sum(initial=x[0])  # wrong


# --- dtypes and things that are no arrays -----------------------------------------------------------------------------


@TABLE.traced(DTypeError, "expected an array or a number, got NoneType {here}...")
def none(x: Any) -> Any:
    return (x * None).sum()  # wrong


@TABLE.traced(DTypeError, "expected an array or a number, got str {here}...")
def string(x: Any) -> Any:
    return (x + "a").sum()  # wrong


@TABLE.traced(DTypeError, DTYPES.format("complex128", "x.real and x.imag, two arrays"))
def complex_numbers(x: Any) -> Any:
    return x.astype(complex).sum()  # wrong


@TABLE.traced(DTypeError, DTYPES.format("float16", "x.astype(np.float32)"))
def half_precision(x: Any) -> Any:
    return x.astype(np.float16).sum()  # wrong


@TABLE.traced(DTypeError, DTYPES.format("object", "np.array(x, np.float64), all elements being numbers"))
def array_of_objects(x: Any) -> Any:
    return (x * np.array([1, None, 2])).sum()  # wrong


@TABLE.traced(DTypeError, DTYPES.format("object", "np.array(x, np.float64), all elements being numbers"))
def fraction(x: Any) -> Any:
    return np.multiply(x, Fraction(1, 2)).sum()  # wrong


@TABLE.traced(DTypeError, DTYPES.format("uint32", "x.astype(np.int64)"), STAGED)
def unsigned(x: Any) -> Any:
    return (x * np.ones(3, np.uint32)).sum()  # wrong


@TABLE.traced(DTypeError, "expected a plain array, got a MaskedArray {here}; try x.filled(value)")
def masked_array(x: Any) -> Any:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    return (x * masked).sum()  # wrong


@TABLE.traced(
    NumberError,
    "expected a number that its partner's dtype can hold, got Python integer 300 out of bounds for uint8 {here}; try a "
    "float, or x.astype(np.int64)",
    {"eager": BOTH["eager"], "staged": BOTH["staged"]},
)
def number_too_large(x: Any) -> Any:
    return (x.astype(np.uint8) + 300).sum() * x[0]  # wrong


# --- what would happen once, and not at every call --------------------------------------------------------------------

GENERATOR = np.random.Generator(np.random.Philox(3))
LEGACY = np.random.RandomState(3)
PYTHONS = random.Random(3)


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_from_the_global_state(x: Any) -> Any:
    y = 2.0 * x
    noise = np.random.rand(3)  # wrong
    return (y * noise).sum()


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_in_a_function_that_is_called(x: Any) -> Any:
    def noise() -> Any:
        return np.random.normal(size=3)  # wrong

    return (x + noise()).sum()


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_from_a_generator(x: Any) -> Any:
    return (x * GENERATOR.random(3)).sum()  # wrong


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_from_a_legacy_generator(x: Any) -> Any:
    return (x * LEGACY.rand(3)).sum()  # wrong


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_from_python(x: Any) -> Any:
    return (x * random.random()).sum()  # wrong


@TABLE.traced(StagingError, DRAW, DRAWN)
def draw_from_a_generator_of_python(x: Any) -> Any:
    return (x * PYTHONS.gauss()).sum()  # wrong


@TABLE.traced(
    StagingError,
    "expected no write to an array from outside while staging (it would happen once, not at every call), got an array "
    "that changed {here}; try returning the new array, or passing the old one as an argument",
    DRAWN,
)
def write_to_an_array_from_outside(x: Any) -> Any:
    y = 2.0 * x
    PLAIN[1] += 1.0  # wrong
    return (y * PLAIN).sum()


STORED = (
    "expected nothing stored outside the function while staging (it would happen once, not at every call), got {} "
    "{{here}}; try returning it, and passing it as an argument to the next call"
)


class Memory:
    """What functions keep from one call to the next."""

    def __init__(self) -> None:
        self.mean = np.zeros(3)
        self.found: list[Any] = []


@TABLE.called(StagingError, STORED.format("a traced value that is kept"))
def traced_state_of_an_object(given: Given) -> Any:
    memory = Memory()

    def f(x: Any) -> Any:
        memory.mean = 0.9 * memory.mean + x  # wrong
        return memory.mean.sum()

    return cr.jit(f)(given.x)


@TABLE.called(StagingError, STORED.format("a traced value that is kept"))
def traced_value_in_a_list(given: Given) -> Any:
    memory = Memory()

    def f(x: Any) -> Any:
        y = 2.0 * x
        memory.found.append(y)  # wrong
        return y.sum()

    return cr.jit(cr.grad(f))(given.x)


@TABLE.called(StagingError, STORED.format("another array in place of one that was there"))
def plain_state_of_an_object(given: Given) -> Any:
    memory = Memory()

    def f(x: Any) -> Any:
        memory.mean = 0.9 * memory.mean + 1.0  # wrong
        return (x * memory.mean).sum()

    return cr.jit(f)(given.x)


@TABLE.called(StagingError, STORED.format("another array in place of one that was there"))
def plain_state_in_a_loop(given: Given) -> Any:
    memory = Memory()

    def f(total: Any, x: Any) -> Any:
        memory.mean = memory.mean + 1.0  # wrong
        return total + x * memory.mean.sum(), None

    return cr.scan(f, 0.0, given.x)


# --- exceptions of the user's own -------------------------------------------------------------------------------------


class Own(Exception):
    """An exception that is nobody else's."""


@TABLE.traced(Own, "mine")
def own_exception(x: Any) -> Any:
    raise Own("mine")


@TABLE.traced(KeyboardInterrupt, "")
def interrupt(x: Any) -> Any:
    raise KeyboardInterrupt


@TABLE.traced(SystemExit, "3")
def exit_(x: Any) -> Any:
    raise SystemExit(3)


@TABLE.traced(
    RecursionError, "maximum recursion depth exceeded...", {"eager": EAGER["eager"], "staged": STAGED["staged"]}
)
def recursion(x: Any) -> Any:
    return recursion(x + 1.0)


@TABLE.traced(ValueError, "my own complaint")
def own_error_on_the_line_of_a_refusal(x: Any) -> Any:
    try:
        float(x[0])
    except TypeError:
        raise ValueError("my own complaint") from None


# --- traced values kept beyond their call -----------------------------------------------------------------------------


def kept_by(derive: Any, given: Given) -> Any:
    """A traced array whose call has ended."""
    kept: list[Any] = []

    def keeper() -> Generator[None, Any]:  # which the search for what a staged function stores does not look into
        while True:
            kept.append((yield))

    keeping = keeper()
    next(keeping)
    derive(lambda x: keeping.send(x) or x.sum())(given.x)
    return kept[0]


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_from_a_gradient(given: Given) -> Any:
    kept = kept_by(cr.grad, given)
    return kept + 1.0  # wrong


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_from_a_staged_function(given: Given) -> Any:
    kept = kept_by(cr.jit, given)
    return np.sum(kept)  # wrong


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_into_another_function(given: Given) -> Any:
    kept = kept_by(cr.grad, given)
    return cr.grad(lambda x: (x * kept).sum())(given.x)  # wrong


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_and_assigned_to(given: Given) -> Any:
    kept = kept_by(cr.grad, given)
    kept[0] = 1.0  # wrong


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_and_asked_for_a_decision(given: Given) -> Any:
    kept = kept_by(cr.jit, given)
    return bool(kept[0] > 1.0)  # wrong


@TABLE.called(EscapedTracerError, ESCAPED)
def escaped_as_auxiliary_result(given: Given) -> Any:
    kept = kept_by(cr.grad, given)
    return cr.value_and_grad(lambda x: (x.sum(), kept), has_aux=True)(given.x)  # wrong
