"""The native backend: graphs become machine code through the LLVM that llvmlite carries."""
