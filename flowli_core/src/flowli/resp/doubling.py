"""The number of partitions is doubled while the namespace is in use; it knows the steps, and no job.

First every driver has to look in the new places, then one after the other may write there: two steps, with as much time
between them as a driver in use takes to notice. Whatever ends this between the steps leaves a namespace that works, and
the next call goes on from there.
"""

from __future__ import annotations

import asyncio

from flowli.errors import DriverError
from flowli.resp.keys import LAYOUT
from flowli.resp.partitions import MOST, NOTICED, Division, Partitions
from flowli.resp.pausing import copy_pauses
from flowli.resp.scripts import script

__all__ = ["double"]

_MARGIN = 1.0


async def double(parts: Partitions) -> int:
    """Twice as many partitions, and how many that are."""
    await parts.look()
    stands = parts.division
    if stands.reads == stands.writes:
        if 2 * stands.writes > MOST:
            message = f"A namespace has at most {MOST} partitions; this one has {stands.writes}."
            raise DriverError(message)
        stands = await _note(parts, stands, stands._replace(reads=2 * stands.writes).stored)
    # What a driver says not to be there, it says by a division no older than this.
    await asyncio.sleep(NOTICED + _MARGIN)
    base, _, reads, _ = stands
    await copy_pauses(parts.home, parts.all[reads // 2 :])
    return (await _note(parts, stands, b"%d %d %d now" % (base, reads, reads))).writes


async def _note(parts: Partitions, seen: Division, wanted: bytes) -> Division:
    call = script("divide").call(parts.home.keys, [], ["", 0, LAYOUT, seen.stored, wanted])
    _, stored = await parts.home.one(call, writes=True)
    parts.adopt(stored)
    return parts.division
