"""Bad input inside traced functions: shapes and indices that do not fit, numbers that Python or NumPy asks for."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
from bad_rows import EAGER, ONES_4, PLAIN, SQUARE, STAGED, TARGET, Table

import chainrule.numpy as cnp
from chainrule.errors import DTypeError, OutOfRangeError, ShapeError, StagingError, TraceError

TABLE = Table()
ARRAY = (
    "expected a plain array or number, got a traced {} {{here}}; try cr.numpy.array, cr.numpy.stack, cr.numpy.full or "
    "cr.numpy.zeros in place of numpy's (`import chainrule.numpy as np`), or cr.value(x) for its numbers"
)
NUMBER = (
    "expected no {}() of a traced array, got {} {{here}}; try a function of cr.numpy, y made by cr.numpy.zeros to "
    "assign to y[i], or cr.value(x) for its number"
)
BRANCH = (
    "expected no Python branch on a staged value, got bool {here}; try cr.numpy.where, cr.scan, or static_argnames= "
    "for an option"
)
INDEX = "expected no Python index on a staged value, got i64 {here}; try int(n) for the argument n (...), ..."

# --- shapes, axes, indices --------------------------------------------------------------------------------------------


@TABLE.traced(
    ShapeError,
    "expected shapes that broadcast in add, got f64[3] and f64[4] {here}; try reshape, or x[:, None], to line the axes "
    "up from the right",
)
def addition(x: Any) -> Any:
    y = x * 2.0
    return np.sum(y + ONES_4)  # wrong


@TABLE.traced(
    ShapeError, "expected equal lengths along ... in x @ y, got f64[3] @ f64[4,2] {here}; try a transpose ..."
)
def matrix_product(x: Any) -> Any:
    return np.sum(x @ np.ones((4, 2)))  # wrong


@TABLE.traced(ShapeError, "expected a shape of 3 elements, got (2, 2) {here}; try ...")
def reshape(x: Any) -> Any:
    return x.reshape(2, 2).sum()  # wrong


@TABLE.traced(
    ShapeError, "expected arrays of the same lengths but along axis 0, got f64[3] and f64[3,3] {here}; try ..."
)
def concatenate(x: Any) -> Any:
    return np.concatenate([x, SQUARE]).sum()  # wrong


@TABLE.traced(ShapeError, "expected arrays of one shape to stack, got [(3,), (4,)] {here}; try ...")
def stack(x: Any) -> Any:
    return np.stack([x, ONES_4]).sum()  # wrong


@TABLE.traced(ShapeError, "expected one length for 'i' in 'i,i->', got 3 and 4 in shapes (3,), (4,) {here}; try ...")
def einsum(x: Any) -> Any:
    return np.einsum("i,i->", x, ONES_4)  # wrong


@TABLE.traced(ShapeError, "expected letters, ..., got 'i;i' {here}; try 'ij,jk->ik'")
def einsum_that_is_none(x: Any) -> Any:
    return np.einsum("i;i", x, x)  # wrong


@TABLE.traced(ShapeError, "expected an axis from -1 to 0, got 1 {here}; try ...")
def axis(x: Any) -> Any:
    return x.sum(axis=1)  # wrong


@TABLE.traced(OutOfRangeError, "expected an index from -3 to 2 along an axis of length 3, got 5 {here}; try ...")
def index(x: Any) -> Any:
    return x[5]  # wrong


@TABLE.traced(OutOfRangeError, "expected an index from -3 to 2 along an axis of length 3, got 7 {here}; try ...")
def list_of_indices(x: Any) -> Any:
    return x[[0, 7]].sum()  # wrong


@TABLE.traced(OutOfRangeError, "expected at most 1 index and one Ellipsis for ..., got 2 indices {here}; try ...")
def too_many_indices(x: Any) -> Any:
    return x[0, 0]  # wrong


@TABLE.traced(DTypeError, "expected integers, slices, None, Ellipsis or masks as an index, got a str {here}; try ...")
def index_that_is_a_string(x: Any) -> Any:
    return x["a"]  # wrong


@TABLE.traced(OutOfRangeError, "expected a mask of shape (3,), got (2,) {here}; try ...")
def mask(x: Any) -> Any:
    return x[np.array([True, False])].sum()  # wrong


@TABLE.traced(ShapeError, "expected a value that broadcasts to (2,), got one of shape (3,) {here}; try ...")
def assignment(x: Any) -> Any:
    y = cnp.zeros(2)
    y[:] = x  # wrong
    return y.sum()


@TABLE.traced(
    ShapeError, "expected at least one element to take the max of, got f64[0] along [0] {here}; try initial=..."
)
def maximum_of_nothing(x: Any) -> Any:
    return x[:0].max()  # wrong


@TABLE.traced(ShapeError, "expected a value that broadcasts to (2,), got one of shape (3,) {here}; try ...", EAGER)
def assignment_to_a_view(x: Any) -> Any:
    y = x.copy()
    y[1:] = x  # wrong
    return y.sum()


# --- Python and NumPy ask for numbers ---------------------------------------------------------------------------------


@TABLE.traced(TraceError, ARRAY.format("f64"))
def array_of_a_list(x: Any) -> Any:
    return np.array([x[0], x[1]]).sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64[3]"))
def plain_dot(x: Any) -> Any:
    return PLAIN.dot(x)  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64"))
def full(x: Any) -> Any:
    return np.full(3, x[0]).sum()  # wrong


@TABLE.traced(TraceError, TARGET.format("numpy.copyto"))
def full_like(x: Any) -> Any:
    return np.full_like(PLAIN, x[0]).sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64[3]"))
def rows_of_numpy(x: Any) -> Any:
    return np.r_[x, 1.0].sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64[3]"))
def columns_of_numpy(x: Any) -> Any:
    return np.c_[x, x].sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64[3]"))
def vectorize(x: Any) -> Any:
    return np.vectorize(lambda a: 2.0 * a)(x).sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64"))
def arange(x: Any) -> Any:
    return np.arange(x[0]).sum()  # wrong


@TABLE.traced(TraceError, ARRAY.format("f64"))
def draw_of_a_traced_mean(x: Any) -> Any:
    return np.random.default_rng(0).normal(x[0])  # wrong


@TABLE.traced(
    TraceError, "expected a plain array or number, got a traced i64[3] {here}; try cr.numpy.take(a, i, axis=0)..."
)
def plain_array_at_traced_indices(x: Any) -> Any:
    return PLAIN[x.astype(int) - 1].sum() * x[0]  # wrong


@TABLE.traced(TraceError, NUMBER.format("float", "f64"))
def float_of(x: Any) -> Any:
    return float(x[0])  # wrong


@TABLE.traced(TraceError, NUMBER.format("int", "f64"))
def int_of(x: Any) -> Any:
    return int(x[0])  # wrong


@TABLE.traced(TraceError, NUMBER.format("item", "f64"))
def item(x: Any) -> Any:
    return x[0].item()  # wrong


@TABLE.traced(TraceError, NUMBER.format("tolist", "f64[3]"))
def tolist(x: Any) -> Any:
    return sum(x.tolist())  # wrong


@TABLE.traced(TraceError, NUMBER.format("float", "f64"))
def sine_of_the_module_math(x: Any) -> Any:
    return math.sin(x[0])  # wrong


@TABLE.traced(TraceError, NUMBER.format("round", "f64"))
def rounded(x: Any) -> Any:
    return round(x[0])  # wrong


@TABLE.traced(TraceError, NUMBER.format("float", "f64"))
def percent_format(x: Any) -> Any:
    return x[0], "%f" % x[1]  # noqa: UP031 # wrong


@TABLE.traced(TraceError, "expected no hash of a traced array, got f64 {here}; try a key that is a number or a string")
def key_of_a_dict(x: Any) -> Any:
    return {x[0]: 1.0}  # wrong


@TABLE.traced(TraceError, "expected no pickling of a traced array, got f64[3] {here}; try cr.value(x)")
def pickled(x: Any) -> Any:
    return pickle.dumps(x)  # wrong


@TABLE.traced(ShapeError, "expected one truth value, got 3 of them, bool[3] {here}; try x.any() or x.all()", EAGER)
def branch_on_several(x: Any) -> Any:
    return x[0] if x > 0 else x[1]  # wrong


@TABLE.traced(
    AttributeError, "expected an attribute of a traced array, got `tobytes` {here}; try cr.value(x).tobytes ..."
)
def attribute_of_plain_arrays(x: Any) -> Any:
    return x.tobytes()  # wrong


@TABLE.traced(TraceError, "expected a function that chainrule can differentiate, got numpy.fft.fft {here}; try ...")
def function_without_counterpart(x: Any) -> Any:
    return np.fft.fft(x).sum()  # wrong


@TABLE.traced(
    TraceError,
    "expected a function that chainrule can differentiate, got the ufunc <lambda> (vectorized) {here}; try ...",
)
def ufunc_of_python(x: Any) -> Any:
    return np.frompyfunc(lambda a: 2 * a, 1, 1)(x).sum()  # wrong


@TABLE.traced(
    TraceError,
    "expected the arguments that cr.numpy.stack takes ..., got an unexpected keyword argument 'casting' {here}...",
)
def argument_that_is_not_taken(x: Any) -> Any:
    return np.stack([x, x], casting="no").sum()  # wrong


@TABLE.traced(
    TraceError, "expected add() of traced arrays with no arguments but ..., got casting= {here}; try add without ..."
)
def option_of_a_ufunc_that_is_not_taken(x: Any) -> Any:
    return np.add(x, 1.0, casting="no").sum()  # wrong


@TABLE.traced(TypeError, "expected an array with an axis to take the len() of, got f64 {here}; try x.size")
def length_of_a_number(x: Any) -> Any:
    return x * len(x[0])  # wrong


# --- branches on staged values ----------------------------------------------------------------------------------------


@TABLE.traced(StagingError, BRANCH, STAGED)
def branch(x: Any) -> Any:
    if x[0] > 0:  # wrong
        return x[0]
    return x[1]


@TABLE.traced(StagingError, BRANCH, STAGED)
def while_loop(x: Any) -> Any:
    while x[0] < 10.0:  # wrong
        x = 2.0 * x
    return x[0]


@TABLE.traced(StagingError, BRANCH, STAGED)
def conjunction(x: Any) -> Any:
    return x[0] > 0 and x[1]  # wrong


@TABLE.traced(StagingError, BRANCH, STAGED)
def disjunction(x: Any) -> Any:
    return x[0] < 0 or x[1]  # wrong


@TABLE.traced(StagingError, BRANCH, STAGED)
def assertion(x: Any) -> Any:
    assert x[0] > 0  # wrong
    return x[0]


@TABLE.traced(StagingError, BRANCH, STAGED)
def largest_of_python(x: Any) -> Any:
    return max(x[0], x[1])  # wrong


@TABLE.traced(StagingError, BRANCH, STAGED)
def smallest_of_python(x: Any) -> Any:
    return min(x)  # wrong


@TABLE.traced(StagingError, BRANCH, STAGED)
def sorting_of_python(x: Any) -> Any:
    return sorted(x)[0]  # wrong


@TABLE.traced(StagingError, INDEX, STAGED)
def length_of_a_range(x: Any) -> Any:
    return sum(x[0] for _ in range(x[0].astype(int)))  # wrong


@TABLE.traced(StagingError, INDEX, STAGED)
def shape_of_a_new_array(x: Any) -> Any:
    return np.zeros(x[0].astype(int)).sum() * x[0]  # wrong
