"""Code for `Nest`s: loops around scalar operations and reductions."""
