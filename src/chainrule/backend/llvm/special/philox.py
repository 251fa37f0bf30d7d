"""`philox`: the words of a block of random numbers, as ops/random.py defines them, of scalars or vectors of blocks.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.values import I64, Val

_MULTIPLIERS: Final = 0xD2511F53, 0xCD9E8D57
_WEYL: Final = 0x9E3779B9, 0xBB67AE85
LOW: Final = 0xFFFFFFFF
_ROUNDS: Final = 10

Words = tuple[Val, Val, Val, Val]


def key_schedule(key: tuple[Val, Val]) -> Val:
    """The address of the keys of all rounds, in pairs, of a key's two words."""
    f = key[0].code
    table = f.alloca(I64, 2 * _ROUNDS)
    for number in range(_ROUNDS):
        for place, (word, step) in enumerate(zip(key, _WEYL, strict=True)):
            f.store(word + number * step, f.element(table, 2 * number + place, I64))
    return table


def philox(counter: Words, keys: Val) -> Words:
    """The four words, integers below 2**32 in i64, as those of the counter are; `keys` are a key's schedule.

    Only the products look at the lower halves alone: what comes into the upper ones on the way is never seen. The
    rounds are a loop of two at a time: ten, written one after the other, take a tenth of a second to compile.
    """
    f = counter[0].code
    with f.loop(0, 2 * _ROUNDS, 4, carried=counter) as loop:
        x0, x1, x2, x3 = loop.carried
        for place in (0, 2):
            k0, k1 = (f.load(I64, f.element(keys, loop.index + place + word, I64)) for word in range(2))
            low, high = (x0 & LOW) * _MULTIPLIERS[0], (x2 & LOW) * _MULTIPLIERS[1]
            x0, x1, x2, x3 = high.lshr(32) ^ x1 ^ k0, high, low.lshr(32) ^ x3 ^ k1, low
        loop.next = [x0, x1, x2, x3]
    x0, x1, x2, x3 = (x & LOW for x in loop.results)
    return x0, x1, x2, x3
