"""Random damage to bytes."""

from __future__ import annotations

import random


def corrupted(rng: random.Random, data: bytes) -> bytes:
    """The bytes with bits flipped, a piece cut, doubled, overwritten or exchanged, or the end gone;
    sometimes several of these."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if not data:
            break
        at, long = rng.randrange(len(data)), rng.choice((1, 2, 4, 8, 64))
        change = rng.randrange(6)
        if change == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at : at + long]
        elif change == 2:
            data[at:at] = data[at : at + long]
        elif change == 3:
            data[at : at + long] = rng.randbytes(long)
        elif change == 4:
            data[at : at + long] = rng.choice((b"\0", b"\xff", b"\x7f", b"9")) * long
        else:
            del data[at:]
    return bytes(data)
