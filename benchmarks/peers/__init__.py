"""The other libraries, a file each, written as their documentation advises.

Each file has a function for every kind of problem that it takes part in, with the signature (problem, way, threads),
that returns a `Program`.
"""
