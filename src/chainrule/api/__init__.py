"""The public verbs: derivatives of functions, staging, and what a function's graph looks like."""
