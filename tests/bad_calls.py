"""Bad input to the verbs: what derivatives, staged functions and loops are called with, and what functions return."""

from __future__ import annotations

from typing import Any

import numpy as np
from bad_rows import EAGER, ONES_4, STAGED, Given, Table

import chainrule as cr
from chainrule.errors import (
    ArgumentError,
    DTypeError,
    OptionError,
    OwnershipError,
    ShapeError,
    StagingError,
    TreeError,
)

TABLE = Table()
DERIVED = {name: call for name, call in (EAGER | STAGED).items() if name == "eager" or "gradient" in name}
FLOATS = "; try x.astype(np.float32), or argnums= to differentiate by another argument"
DTYPES = "expected one of the dtypes float32, float64, int32, int64, uint8, bool{}, got {} {{here}}; try {}"
LOSS = "; try a sum or mean of floating-point numbers: counts, indices and comparisons have no derivative"


def square(x: Any) -> Any:
    return (x**2).sum()


GRADIENT = cr.grad(square)

# --- losses -----------------------------------------------------------------------------------------------------------


@TABLE.called(
    ShapeError, "expected a scalar loss, got f64[3] {here}; try loss.mean() or loss.sum(), or cr.vjp for a Jacobian"
)
def loss_of_several_numbers(given: Given) -> Any:
    return cr.grad(lambda x: x * 2.0)(given.x)  # wrong


@TABLE.called(
    ShapeError, "expected a scalar loss, got f64[3] {here}; try loss.mean() or loss.sum(), or cr.vjp for a Jacobian"
)
def staged_loss_of_several_numbers(given: Given) -> Any:
    return cr.jit(cr.grad(lambda x: x * 2.0))(given.x)  # wrong


@TABLE.called(ShapeError, "expected a scalar loss, got f64[1] {here}; try loss.mean() ...")
def loss_of_one_number_with_an_axis(given: Given) -> Any:
    return cr.grad(lambda x: x.sum(keepdims=True))(given.x)  # wrong


@TABLE.called(
    ShapeError, "expected a scalar loss, got tuple(0: *, 1: *) {here}; try returning one number, has_aux=True ..."
)
def loss_of_two(given: Given) -> Any:
    return cr.grad(lambda x: (x.sum(), 1.0))(given.x)  # wrong


@TABLE.called(ShapeError, "expected a scalar loss, got NoneType() {here}; try returning one number")
def loss_forgotten(given: Given) -> Any:
    return cr.grad(lambda x: None)(given.x)  # wrong


@TABLE.called(DTypeError, "expected a floating-point loss, got i64 {here}" + LOSS)
def loss_that_is_an_index(given: Given) -> Any:
    return cr.grad(lambda x: x.argmax())(given.x)  # wrong


@TABLE.called(DTypeError, "expected a floating-point loss, got int 3 {here}" + LOSS)
def loss_that_is_an_int(given: Given) -> Any:
    return cr.grad(lambda x: 3)(given.x)  # wrong


@TABLE.called(DTypeError, "expected an array or a number as the loss, got generator {here}; try an array of numbers")
def loss_that_is_a_generator(given: Given) -> Any:
    def f(x: Any) -> Any:
        yield x.sum()

    return cr.grad(f)(given.x)  # wrong


@TABLE.called(
    TreeError, "expected a pair from the function, has_aux being True, got Tracer {here}; try return loss, aux"
)
def auxiliary_result_forgotten(given: Given) -> Any:
    return cr.grad(square, has_aux=True)(given.x)  # wrong


@TABLE.called(TreeError, "expected a pair from the function, has_aux being True, got tuple of length 3 {here}; try ...")
def auxiliary_results_not_in_one(given: Given) -> Any:
    return cr.grad(lambda x: (square(x), 1, 2), has_aux=True)(given.x)  # wrong


# --- parameters -------------------------------------------------------------------------------------------------------


@TABLE.called(DTypeError, "expected floating-point parameters, got i64[3] {here}" + FLOATS)
def integer_parameters(given: Given) -> Any:
    return GRADIENT(np.array([1, 2, 3]))  # wrong


@TABLE.called(DTypeError, "expected floating-point parameters, got i64[3] {here}" + FLOATS)
def integer_parameters_of_a_staged_function(given: Given) -> Any:
    return cr.jit(GRADIENT)(np.array([1, 2, 3]))  # wrong


@TABLE.called(DTypeError, "expected a float, got int 3; write 3.0 {here}")
def int_as_a_parameter(given: Given) -> Any:
    return cr.grad(lambda x: x * x)(3)  # wrong


@TABLE.called(DTypeError, "expected a float, got bool True; write 1.0 {here}")
def bool_as_a_parameter(given: Given) -> Any:
    return cr.grad(lambda x: x * x)(True)  # wrong


@TABLE.called(DTypeError, "expected floating-point parameters for `0.n`, got i64[2] {here}" + FLOATS)
def integers_in_a_tree(given: Given) -> Any:
    return cr.grad(lambda p: square(p["w"]))({"w": given.x, "n": np.array([1, 2])})  # wrong


@TABLE.called(DTypeError, "expected a float for `0.1`, got int 2; write 2.0 {here}")
def int_in_a_list(given: Given) -> Any:
    return cr.grad(lambda p: p[0] * p[1])([1.0, 2])  # wrong


@TABLE.called(DTypeError, "expected an array or a number for `0.name`, got str {here}; try an array of numbers")
def string_in_a_tree(given: Given) -> Any:
    return cr.grad(lambda p: square(p["w"]))({"w": given.x, "name": "a"})  # wrong


@TABLE.called(DTypeError, DTYPES.format("", "float16", "x.astype(np.float32)"))
def half_precision(given: Given) -> Any:
    return GRADIENT(np.ones(3, np.float16))  # wrong


@TABLE.called(DTypeError, DTYPES.format("", "complex128", "x.real and x.imag, two arrays"))
def complex_parameters(given: Given) -> Any:
    return GRADIENT(np.array([1j]))  # wrong


@TABLE.called(DTypeError, DTYPES.format("", "object", "np.array(x, np.float64), all elements being numbers"))
def objects(given: Given) -> Any:
    return GRADIENT(np.array([1.0, None]))  # wrong


@TABLE.called(DTypeError, DTYPES.format(" for argument `0`", "uint32", "x.astype(np.int64)"))
def unsigned_integers(given: Given) -> Any:
    return cr.jit(square)(np.ones(3, np.uint32))  # wrong


@TABLE.called(DTypeError, "expected a plain array, got a MaskedArray {here}; try x.filled(value)")
def masked_array(given: Given) -> Any:
    return GRADIENT(np.ma.array([1.0, 2.0], mask=[False, True]))  # wrong


@TABLE.called(DTypeError, "expected a plain array for argument `0`, got a MaskedArray {here}; try x.filled(value)")
def masked_array_staged(given: Given) -> Any:
    return cr.jit(square)(np.ma.array([1.0, 2.0], mask=[False, True]))  # wrong


@TABLE.called(
    TreeError, "expected a tree of at most some hundred levels, got a tuple that is deeper, or holds itself {here}; ..."
)
def list_that_holds_itself(given: Given) -> Any:
    endless: list[Any] = []
    endless.append(endless)
    return cr.grad(lambda p: 1.0)(endless)  # wrong


@TABLE.called(
    TreeError, "expected argument 1 of square as a positional argument, got 1 of them {here}; try passing it ..."
)
def argument_that_is_missing(given: Given) -> Any:
    return cr.grad(square, argnums=1)(given.x)  # wrong


@TABLE.called(
    TreeError, "expected argument 0 of square as a positional argument, got 0 of them {here}; try passing it ..."
)
def argument_by_name(given: Given) -> Any:
    return GRADIENT(x=given.x)  # wrong


@TABLE.called(ArgumentError, "expected argnums as an int or a tuple of ints, got 'x' {here}; try argnums=0 ...")
def argnums_that_are_names(given: Given) -> Any:
    return cr.grad(square, argnums="x")  # type: ignore[arg-type] # wrong


@TABLE.called(OptionError, "expected different arguments in argnums, got (0, -1) {here}; try each number once")
def argnums_twice_the_same(given: Given) -> Any:
    return cr.grad(square, argnums=(0, -1))(given.x)  # wrong


@TABLE.called(
    ArgumentError, "expected a function as the argument of cr.grad, got ndarray, which cannot be called {here}; ..."
)
def gradient_of_an_array(given: Given) -> Any:
    return cr.grad(given.x)  # type: ignore[arg-type] # wrong


@TABLE.called(
    ArgumentError, "expected a function as the argument of cr.jit, got float64, which cannot be called {here}; ..."
)
def staged_number(given: Given) -> Any:
    return cr.jit(square(given.x))  # wrong


# --- cotangents and tangents ------------------------------------------------------------------------------------------


@TABLE.called(ShapeError, "expected a cotangent of shape (3,), got (4,) {here}; try np.ones((3,))")
def cotangent_of_another_shape(given: Given) -> Any:
    _, pullback = cr.vjp(lambda x: 2.0 * x, given.x)
    return pullback(ONES_4)  # wrong


@TABLE.called(TreeError, "expected a cotangent like the result, *, got tuple(0: *, 1: *) {here}; try a tree ...")
def cotangent_of_another_tree(given: Given) -> Any:
    _, pullback = cr.vjp(lambda x: 2.0 * x, given.x)
    return pullback((given.x, given.x))  # wrong


@TABLE.called(DTypeError, DTYPES.format(" as the cotangent", "complex128", "x.real and x.imag, two arrays"))
def complex_cotangent(given: Given) -> Any:
    _, pullback = cr.vjp(lambda x: 2.0 * x, given.x)
    return pullback(1j * given.x)  # wrong


@TABLE.called(ShapeError, "expected a tangent of shape (3,), got (4,) {here}; try np.ones((3,))")
def tangent_of_another_shape(given: Given) -> Any:
    return cr.jvp(square, (given.x,), (ONES_4,))  # wrong


@TABLE.called(ArgumentError, "expected a tuple of primals, got ndarray {here}; try (x,) for a function of one argument")
def primals_without_a_tuple(given: Given) -> Any:
    return cr.jvp(square, given.x, given.x)  # wrong


@TABLE.called(TreeError, "expected 1 tangents, one for each primal, got 0 {here}...")
def tangent_missing(given: Given) -> Any:
    return cr.linearize(square, given.x)[1]()  # wrong


# --- staged functions -------------------------------------------------------------------------------------------------


@TABLE.called(ArgumentError, "expected a hashable value for the static argument `n`, got list {here}; try a tuple ...")
def static_list(given: Given) -> Any:
    return cr.jit(lambda x, n: x * n[0], static_argnames="n")(given.x, [1.0])  # wrong


@TABLE.called(OptionError, "expected names of parameters in static_argnames, got 'm' {here}; try one of x, n")
def static_name_that_is_none(given: Given) -> Any:
    return cr.jit(lambda x, n: x * n, static_argnames=("n", "m"))  # wrong


@TABLE.called(OptionError, "expected numbers of arguments in donate, from 0 to 0, got 1 {here}; try donate=0 ...")
def donation_of_no_argument(given: Given) -> Any:
    return cr.jit(lambda x: x, donate=1)  # wrong


@TABLE.called(
    OwnershipError, "expected a donated array that nothing else uses, got one of type f64[3] ... {here}; try ..."
)
def donated_twice(given: Given) -> Any:
    step = cr.jit(lambda a, b: (a + b, a - b), donate=(0, 1))
    return step(given.x, given.x)  # wrong


@TABLE.called(
    OwnershipError, "expected a donated array that nothing else uses, got one of type f64[3] ... {here}; try ..."
)
def donated_and_passed_as_a_view(given: Given) -> Any:
    step = cr.jit(lambda a, b: a + b, donate=0)
    return step(given.x, given.x[::-1])  # wrong


@TABLE.called(OwnershipError, "expected a donated array that is writable, got a read-only one {here}; try x.copy()")
def donated_and_read_only(given: Given) -> Any:
    fixed = given.x.copy()
    fixed.flags.writeable = False
    return cr.jit(lambda x: 2.0 * x, donate=0)(fixed)  # wrong


@TABLE.called(DTypeError, "expected an array or a number as a result of the function, got set {here}; try ...")
def result_that_is_no_array(given: Given) -> Any:
    return cr.jit(lambda x: {1})(given.x)  # wrong


@TABLE.called(
    DTypeError, "expected an array or a number for argument `1`, got object {here}; try static_argnames= for an option"
)
def argument_that_is_no_array(given: Given) -> Any:
    return cr.jit(lambda x, option: x)(given.x, object())  # wrong


# --- loops ------------------------------------------------------------------------------------------------------------


@TABLE.called(
    ShapeError, "expected the carry to stay f64[3], got f64[4] from the function {here}; try an initial value ..."
)
def carry_that_grows(given: Given) -> Any:
    return cr.scan(lambda c, x: (np.concatenate([c, x[None]]), None), given.x, given.x)  # wrong


@TABLE.called(
    DTypeError, "expected the carry to stay f32[3], got f64[3] from the function {here}; try x.astype(np.float32)..."
)
def carry_of_another_dtype(given: Given) -> Any:
    return cr.scan(lambda c, x: (c * x, None), given.x.astype(np.float32), given.x)  # wrong


@TABLE.called(TreeError, "expected a carry like *, got tuple(0: *, 1: *) {here}; try returning the carry ...")
def carry_of_another_tree(given: Given) -> Any:
    return cr.scan(lambda c, x: ((c, c), None), given.x, given.x)  # wrong


@TABLE.called(
    TreeError, "expected a pair (carry, y) from the function of a scan, got a Tracer {here}; try return carry, None"
)
def carry_alone(given: Given) -> Any:
    return cr.scan(lambda c, x: c + x, 0.0, given.x)  # wrong


@TABLE.called(ShapeError, "expected xs `1` of length 3, like the others or length=, got f64[4] {here}; try ...")
def rows_of_other_lengths(given: Given) -> Any:
    return cr.scan(lambda c, x: (c, x), 0.0, (given.x, ONES_4))  # wrong


@TABLE.called(ArgumentError, "expected a whole number as the length, got 2.5 {here}; try int(2.5)")
def length_that_is_a_float(given: Given) -> Any:
    return cr.scan(lambda c, _: (c, None), 0.0, length=2.5)  # type: ignore[arg-type] # wrong


@TABLE.called(
    StagingError, "expected bounds of fori_loop that are numbers, got a staged i64 {here}; try static_argnames= ..."
)
def staged_bound(given: Given) -> Any:
    f = cr.jit(lambda n: cr.fori_loop(0, n, lambda i, x: 2.0 * x, 1.0))  # wrong
    return f(np.int64(3))


@TABLE.called(AttributeError, "module 'chainrule' has no attribute 'gard'")
def name_of_chainrule_that_is_none(given: Given) -> Any:
    return cr.gard(square)  # type: ignore[attr-defined]


@TABLE.called(AttributeError, "module 'chainrule.numpy' has no attribute 'tanhh', nor has numpy")
def name_of_numpy_that_is_none(given: Given) -> Any:
    return cr.numpy.tanhh(given.x)
