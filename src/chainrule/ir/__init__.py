"""The graph and its operations: immutable records, their text form, and the one function that applies an operation."""
