"""Where on a cluster the keys of a partition lie; it knows slots and how tags are spread over them, and no key.

Home has the prefix itself for its tag and lies wherever that falls. The ring of slots is cut into equal slices, some
hundred of them, and the others are laid out over the slices at even distances from home: nodes with equal shares of the
slots get equal numbers of partitions, if these are a multiple of those. A namespace that began with B partitions gives
number p the point p mod B of the B, and of the doublings since then the (p div B)-th in the order of van der Corput:
each doubling halves every distance, and no partition ever moves.
"""

from __future__ import annotations

from binascii import crc_hqx
from functools import cache

__all__ = ["SLOTS", "slot_of", "tag_of"]

SLOTS = 16_384

_SLICES = 512
"""About so many: a power of two for each partition of the birth, so that a doubling cuts between slices."""


def slot_of(key: str) -> int:
    """The slot of a key, or of a tag: CRC-16/XMODEM of what is between the first braces, as the cluster specification
    has it."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if opened and closed and tag else key).encode(), 0) % SLOTS


@cache
def tag_of(prefix: str, number: int, base: int) -> str:
    """The tag of a partition of a namespace that began with ``base`` partitions, found in some hundred tries."""
    if number == 0:
        return prefix
    each = 1 << (_SLICES // base).bit_length() - 1
    slices = base * each
    ahead = number % base * each + int(_van_der_corput(number // base) * each)
    wanted = (slot_of(prefix) * slices // SLOTS + ahead) % slices
    attempt = 0
    while slot_of(tag := f"{prefix}/{number}.{attempt}") * slices // SLOTS != wanted:
        attempt += 1
    return tag


def _van_der_corput(number: int) -> float:
    """The binary digits of a number mirrored at the point: 1, 2, 3, 4 are 1/2, 1/4, 3/4, 1/8."""
    value, share = 0.0, 0.5
    while number:
        value += share * (number & 1)
        number, share = number >> 1, share / 2
    return value
