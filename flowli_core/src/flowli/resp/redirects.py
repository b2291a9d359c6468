"""What a node of a cluster refuses without executing it is sent again; it knows codes, and neither nodes nor clients.

A slot that is on its way from one node to another, and a primary that is being replaced, are ridden out so. Whatever
else goes wrong is left to core, which knows what may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flowli.errors import DriverUnavailable
from flowli.resp.namespace import Plain, Request

__all__ = ["RIDE_SECONDS", "ride_out"]

RIDE_SECONDS = 5.0

_UNEXECUTED = frozenset({"ASK", "CLUSTERDOWN", "MOVED", "TRYAGAIN"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.2


async def ride_out(
    requests: Sequence[Request],
    send: Callable[[Sequence[Request]], Awaitable[list[Any]]],
    code_of: Callable[[object], str | None],
) -> list[Any]:
    """The replies to requests that are sent together, those that were refused so often as RIDE_SECONDS allow.

    ``send`` may raise; ``code_of`` says which error a reply is. Requests that were refused are sent again in their
    order, behind those that were not; and with them what is no script and stands behind one, for it may ask what
    became of that.
    """
    replies = await send(requests)
    refused = _refused(requests, replies, code_of)
    if not refused:
        return replies
    clock, pause = asyncio.get_running_loop().time, 0.0
    end = clock() + RIDE_SECONDS
    while refused and clock() + pause < end:
        await asyncio.sleep(pause)
        pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        try:
            again = await send([requests[at] for at in refused])
        except DriverUnavailable as error:
            error.maybe_written = error.maybe_written or len(refused) < len(requests)
            raise
        for at, reply in zip(refused, again, strict=True):
            replies[at] = reply
        refused = _refused(requests, replies, code_of)
    return replies


def _refused(requests: Sequence[Request], replies: Sequence[Any], code_of: Callable[[object], str | None]) -> list[int]:
    found = [at for at, reply in enumerate(replies) if isinstance(reply, Exception) and code_of(reply) in _UNEXECUTED]
    asks = [at for at, request in enumerate(requests) if found and at > found[0] and isinstance(request, Plain)]
    return sorted({*found, *asks})
