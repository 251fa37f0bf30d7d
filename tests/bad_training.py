"""Bad input to layers, losses, optimizers and training."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from bad_rows import Given, Table

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.errors import (
    DataError,
    DTypeError,
    OptionError,
    OutOfRangeError,
    ShapeError,
    TreeError,
)

TABLE = Table()
ADAM = optim.adam(1e-3)
LABELS = "; try labels counted from 0, or as many outputs as there are classes"


def loss_of(model: Any, x: Any, y: Any) -> Any:
    return nn.cross_entropy(model(x), y)


def gradient(given: Given, y: Any) -> Any:
    return cr.grad(loss_of)(given.model, given.images, y)


def fit(given: Given, x: Any = None, y: Any = None, loss: Any = nn.cross_entropy, **options: Any) -> Any:
    data = (given.images if x is None else x, given.labels if y is None else y)
    chosen = {"batch_size": 5, "progress": False, **options}
    return train.fit(given.model, loss, data, chosen.pop("optimizer", ADAM), **chosen)  # wrong


FITTED = functools.partial(TABLE.called, source=fit)


# --- layers and losses ------------------------------------------------------------------------------------------------


@TABLE.called(
    ShapeError, "expected (..., 4), got f32[12,3] {here} (layers.0); try a layer made for it, such as nn.Linear(3, 5)"
)
def examples_of_another_size(given: Given) -> Any:
    return given.model(given.images[:, :3])  # wrong


@TABLE.called(
    ShapeError, "expected (..., 4), got f32[12,3] {here} (layers.0); try a layer made for it, such as nn.Linear(3, 5)"
)
def examples_of_another_size_in_a_gradient(given: Given) -> Any:
    def f(m: Any) -> Any:
        return loss_of(m, given.images[:, :3], given.labels)

    def loss_of(m: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(m(x), y)  # wrong

    return cr.grad(f)(given.model)


@TABLE.called(
    ShapeError, "expected (..., 4), got f32[12,3] {here} (layers.0); try a layer made for it, such as nn.Linear(3, 5)"
)
def examples_of_another_size_in_a_staged_function(given: Given) -> Any:
    return cr.jit(lambda m, x: m(x))(given.model, given.images[:, :3])  # wrong


@TABLE.called(OutOfRangeError, "expected labels from 0 to 2, got 3 at position ... {here}" + LABELS)
def label_too_large(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), given.labels + 1)  # wrong


@TABLE.called(OutOfRangeError, "expected labels from 0 to 2, got -1 at position ... {here}" + LABELS)
def label_below_zero_in_a_gradient(given: Given) -> Any:
    return cr.grad(lambda m: nn.cross_entropy(m(given.images), given.labels - 1))(given.model)  # wrong


@TABLE.called(OutOfRangeError, "expected labels from 0 to 2, got 3 at position ... {here}" + LABELS)
def label_too_large_in_a_staged_function(given: Given) -> Any:
    step = cr.jit(cr.grad(lambda m, x, y: nn.cross_entropy(m(x), y)))  # wrong
    step(given.model, given.images, given.labels)
    return step(given.model, given.images, given.labels + 1)


@TABLE.called(
    ShapeError, "expected labels of shape (12,) for logits f32[12,3], got i64[12,1] {here}; try labels[..., 0]"
)
def labels_as_a_column(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), given.labels[:, None])  # wrong


@TABLE.called(
    ShapeError, "expected labels of shape (12,) for logits f32[12,3], got i64[12,3] {here}; try labels.argmax(-1)..."
)
def labels_one_hot_as_integers(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), np.eye(3, dtype=int)[given.labels])  # wrong


@TABLE.called(
    ShapeError,
    "expected probabilities of the output's shape (12, 3), got f64[12] {here}; try labels.astype(np...",
)
def labels_as_floats(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), given.labels.astype(float))  # wrong


@TABLE.called(DTypeError, "expected integer labels or probabilities, got bool[12] {here}; try labels.astype(np.int64)")
def labels_as_booleans(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), given.labels > 1)  # wrong


@TABLE.called(DTypeError, "expected one of the dtypes ..., got uint32 {here}; try x.astype(np.int64)")
def labels_without_sign(given: Given) -> Any:
    return cr.grad(lambda m: nn.cross_entropy(m(given.images), given.labels.astype(np.uint32)))(given.model)  # wrong


@TABLE.called(DTypeError, "expected an array or a number, got list {here}; try np.array(x)")
def labels_as_a_list(given: Given) -> Any:
    return nn.cross_entropy(given.model(given.images), given.labels.tolist())  # wrong


@TABLE.called(
    ShapeError, "expected a target of the output's shape (12, 3), got i64[12] {here}; try target[:, None], ..."
)
def target_that_would_broadcast(given: Given) -> Any:
    return nn.mse(given.model(given.images), given.labels)  # wrong


@TABLE.called(OptionError, "expected inputs from 1 to below 2147483648, got 0 {here}; try inputs=64")
def layer_without_inputs(given: Given) -> Any:
    return nn.Linear(0, 2)  # wrong


@TABLE.called(OptionError, "expected at least two sizes, of the input and of the output, got 3 {here}; try nn.MLP(...)")
def sizes_as_a_number(given: Given) -> Any:
    return nn.MLP(3)  # type: ignore[arg-type] # wrong


@TABLE.called(OptionError, "expected one of the activations ..., got 'rulu' {here}; try 'relu'")
def activation_that_is_none(given: Given) -> Any:
    return nn.MLP([2, 3], activation="rulu")  # type: ignore[arg-type] # wrong


@TABLE.called(
    OptionError, "expected rng: a seed of 0 or more, a numpy.random.Generator, or None, got -1 {here}; try rng=0"
)
def seed_below_zero(given: Given) -> Any:
    return nn.MLP([2, 3], rng=-1)  # wrong


@TABLE.called(DTypeError, "expected one of the dtypes ..., got 'float23' {here}; try np.float32")
def dtype_that_is_none(given: Given) -> Any:
    return nn.MLP([2, 3], dtype="float23")  # wrong


# --- optimizers -------------------------------------------------------------------------------------------------------

STATE = "; try the state that init or the update before returned for this model"


@TABLE.called(
    ShapeError, "expected a gradient of shape (5, 4) for `layers.0.weight`, got (6, 4) {here}; try cr.grad ..."
)
def gradients_of_another_model(given: Given) -> Any:
    other = cr.grad(loss_of)(nn.MLP([4, 6, 3], rng=0), given.images, given.labels)
    return ADAM.update(given.model, ADAM.init(given.model), other)  # wrong


@TABLE.called(
    TreeError, "expected gradients like the model's parameters, MLP(...), got tuple(...) {here}; try cr.grad ..."
)
def value_and_gradients(given: Given) -> Any:
    both = cr.value_and_grad(loss_of)(given.model, given.images, given.labels)
    return ADAM.update(given.model, ADAM.init(given.model), both)  # wrong


@TABLE.called(ShapeError, "expected a state of shape (5, 4) for `layers.0.weight`, got (6, 4) {here}" + STATE)
def state_of_another_model(given: Given) -> Any:
    grads = gradient(given, given.labels)
    return ADAM.update(given.model, ADAM.init(nn.MLP([4, 6, 3], rng=0)), grads)  # wrong


@TABLE.called(TreeError, "expected a state of m, v for adam(...), got one of velocity {here}" + STATE)
def state_of_another_optimizer(given: Given) -> Any:
    grads = gradient(given, given.labels)
    return ADAM.update(given.model, optim.sgd(0.1, momentum=0.9).init(given.model), grads)  # wrong


@TABLE.called(OptionError, "expected a learning rate >= 0, got -1 {here}; try a number such as 0.001")
def learning_rate_below_zero(given: Given) -> Any:
    return optim.adam(-1)  # wrong


@TABLE.called(OptionError, "expected a learning rate >= 0, got nan {here}; try a number such as 0.001")
def learning_rate_that_is_no_number(given: Given) -> Any:
    return optim.sgd(float("nan"))  # wrong


# --- training: everything is looked through before the first step -----------------------------------------------------


def with_nan(given: Given) -> Any:
    images = given.images.copy()
    images[7, 2] = np.nan
    return images


@FITTED(
    DataError, "expected finite numbers in x, got nan in x[7, 2] (row 7, column 2) {here}; try keep = np.isfinite(x)..."
)
def not_a_number(given: Given) -> Any:
    return fit(given, x=with_nan(given))


@FITTED(DataError, "expected finite numbers in x, got -inf in x[0, 0] (row 0, column 0) {here}; try keep = ...")
def infinity(given: Given) -> Any:
    return fit(given, x=-np.inf * (given.images + 1.0))


@FITTED(
    DataError,
    "expected labels y in 0 .. 2, got 3 in y[...] {here}; try a last layer of 4 outputs, ...",
)
def label_too_large_for_the_model(given: Given) -> Any:
    return fit(given, y=given.labels + 1)


@FITTED(DataError, "expected labels y in 0 .. 2, got -1 in y[...] {here}; try labels - labels.min()")
def label_below_zero_for_the_model(given: Given) -> Any:
    return fit(given, y=given.labels - 1)


@FITTED(ShapeError, "expected labels of shape (5,) for logits f32[5,3], got i64[5,1] {here}; try labels[..., 0]")
def column_of_labels(given: Given) -> Any:
    return fit(given, y=given.labels[:, None])


@FITTED(DataError, "expected x and y of the same length, at least 1, got 12 rows in x and 5 in y {here}; try ...")
def fewer_labels_than_images(given: Given) -> Any:
    return fit(given, y=given.labels[:5])


@FITTED(DataError, "expected x and y of the same length, at least 1, got 0 rows in x and 0 in y {here}; try ...")
def no_rows(given: Given) -> Any:
    return fit(given, x=given.images[:0], y=given.labels[:0])


@FITTED(
    ShapeError, "expected (..., 4), got f32[1,3] {here} (layers.0); try a layer made for it, such as nn.Linear(3, 5)"
)
def images_of_another_size(given: Given) -> Any:
    return fit(given, x=given.images[:, :3])


@TABLE.called(DataError, "expected data as a pair (x, y), got ndarray {here}; try (x, y)")
def data_without_labels(given: Given) -> Any:
    return train.fit(given.model, nn.cross_entropy, given.images, ADAM, progress=False)  # type: ignore[arg-type] # wrong


@TABLE.called(OptionError, "expected an optimizer, got 0.001 {here}; try optim.adam(1e-3)")
def learning_rate_in_place_of_an_optimizer(given: Given) -> Any:
    return train.fit(given.model, nn.cross_entropy, (given.images, given.labels), 1e-3)  # wrong


@FITTED(OptionError, "expected a function on_epoch(run), got int {here}; try on_epoch=lambda run: ...")
def callback_that_is_none(given: Given) -> Any:
    return fit(given, on_epoch=3)


@FITTED(OptionError, "expected epochs: a whole number of at least 1, got 0 {here}; try epochs=10")
def no_epochs(given: Given) -> Any:
    return fit(given, epochs=0)


@FITTED(OptionError, "expected batch_size: a whole number of at least 1, got 0 {here}; try batch_size=10")
def empty_batches(given: Given) -> Any:
    return fit(given, batch_size=0)


@FITTED(OptionError, "expected batch_size: a whole number of at least 1, got -3 {here}; try batch_size=10")
def batches_below_zero(given: Given) -> Any:
    return fit(given, batch_size=-3)


@FITTED(
    OptionError,
    "expected batch_size of at most 12, the rows that are trained on, got batch_size=13 {here}; try batch...",
)
def batches_larger_than_the_data(given: Given) -> Any:
    return fit(given, batch_size=13)


@FITTED(
    OptionError, "expected validation: a fraction from 0 up to 1, or a pair (x, y), got 1.0 {here}; try validation=0.2"
)
def everything_held_out(given: Given) -> Any:
    return fit(given, validation=1.0)


@FITTED(
    OptionError, "expected validation: a fraction from 0 up to 1, or a pair (x, y), got -0.1 {here}; try validation=0.2"
)
def less_than_nothing_held_out(given: Given) -> Any:
    return fit(given, validation=-0.1)


@FITTED(
    DataError,
    "expected labels y in 0 .. 2, got ... in y[0] {here}; try a last layer of 10 outputs, ...",
)
def label_too_large_for_the_model_in_validation(given: Given) -> Any:
    return fit(given, validation=(given.images, given.labels + 7))


@FITTED(ShapeError, "expected a scalar loss, got f32[5,3] {here}; try loss.mean() or loss.sum(), ...")
def loss_that_is_no_number(given: Given) -> Any:
    return fit(given, loss=lambda output, target: output)


@FITTED(ZeroDivisionError, "float division by zero")
def loss_that_fails(given: Given) -> Any:
    return fit(given, loss=lambda output, target: 1.0 / 0.0)


@FITTED(RuntimeWarning, "expected finite numbers, got ... in epoch ... at step ... {here}; try a smaller learning rate")
def learning_rate_far_too_large(given: Given) -> Any:
    return fit(given, optimizer=optim.sgd(1e38), epochs=3)


@FITTED(
    RuntimeWarning,
    "expected finite numbers, got a loss of nan in epoch 1 at step 1 {here}; try a smaller learning rate",
)
def loss_that_is_nan(given: Given) -> Any:
    return fit(given, loss=lambda output, target: nn.cross_entropy(output, target) * np.float32("nan"))


# --- explaining -------------------------------------------------------------------------------------------------------


@TABLE.called(
    ShapeError, "expected (..., 4), got f32[12,2] {here} (layers.0); try a layer made for it, such as nn.Linear(2, 5)"
)
def explanation_of_examples_of_another_size(given: Given) -> Any:
    return cr.explain(given.model, nn.cross_entropy, given.images[:, :2], given.labels)  # wrong


@TABLE.called(DTypeError, "expected a random key, i32[2], got ~f64 {here}; try cr.random.key(seed)")
def number_in_place_of_a_random_key(given: Given) -> Any:
    return cr.random.uniform(3.0, (2,))  # wrong


@TABLE.called(DTypeError, "expected a key, got tuple (3,) {here}; try cr.random.key(0) first")
def shape_in_place_of_a_random_key(given: Given) -> Any:
    return cr.random.normal((3,))  # wrong


@TABLE.called(DTypeError, "expected a key, got tuple (3,) {here}; try cr.random.key(0) first")
def shape_in_place_of_a_random_key_in_a_staged_function(given: Given) -> Any:
    return cr.jit(lambda x: x + cr.random.normal((3,)))(given.x)  # wrong


@TABLE.called(OptionError, "expected a seed of 0 or more, got -1 {here}; try random.key(0)")
def key_of_a_seed_below_zero(given: Given) -> Any:
    return cr.random.key(-1)  # wrong
