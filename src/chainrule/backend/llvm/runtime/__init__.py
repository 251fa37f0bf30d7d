"""What runs a program of kernels: the driver, the pool of threads, and the reading of array objects, in native code."""

from __future__ import annotations
