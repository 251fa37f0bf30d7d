"""`philox`: the words of a block of random numbers, as ops/random.py defines them, of scalars or vectors of blocks.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.values import Val

_MULTIPLIERS: Final = 0xD2511F53, 0xCD9E8D57
_WEYL: Final = 0x9E3779B9, 0xBB67AE85
LOW: Final = 0xFFFFFFFF
_ROUNDS: Final = 10

Words = tuple[Val, Val, Val, Val]


def philox(counter: Words, key: tuple[Val, Val]) -> Words:
    """The four words: integers below 2**32 in i64, as the counter and the key are."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        low, high = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = high.lshr(32) ^ x1 ^ k0, high & LOW, low.lshr(32) ^ x3 ^ k1, low & LOW
        k0, k1 = (k0 + _WEYL[0]) & LOW, (k1 + _WEYL[1]) & LOW
    return x0, x1, x2, x3
