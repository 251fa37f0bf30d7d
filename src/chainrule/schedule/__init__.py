"""A graph becomes a plan: kernels, the memory they share, the order they run in, as data. Nothing here knows LLVM."""
