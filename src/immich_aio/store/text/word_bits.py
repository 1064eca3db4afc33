"""Word bits: a few bytes beside a text that tell which words it cannot hold (a Bloom filter).

Each word sets ``HASHES`` bits, wherever its hashes fall. A text can hold a word only where all its
bits are set. Of the words that it does not hold, some have them set too: of a text of fifty words
one in four hundred, of two hundred words one in twelve.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from functools import lru_cache

BITS, HASHES = 1024, 3
"""Bits of a text, and those that a word sets."""
_REMEMBERED = 1 << 15


def word_bits(words: Iterable[str]) -> bytes:
    """The bits of a text with these words, the lowest bit of each byte first."""
    bits = bytearray(BITS // 8)
    for word in words:
        for place in bits_of(word):
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


@lru_cache(maxsize=_REMEMBERED)
def bits_of(word: str) -> tuple[int, ...]:
    """The numbers of the bits that a word sets."""
    digest = hashlib.blake2b(word.encode(), digest_size=2 * HASHES).digest()
    return tuple(number % BITS for number in struct.unpack(f">{HASHES}H", digest))
