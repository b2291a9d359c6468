"""Nothing contradicts itself, and nothing is left when all retention has passed."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from flowli.driver import Claim, Millis, Severity, Turn
from tests.crash.life import DAY
from tests.support.outside import outside

__all__ = ["check_residue"]

_PERMANENT = {"meta", "queues", "fence", "last", "turns", "audit", "noted"}
"""Keys that a namespace has for good; those of the audit hold so many notes at most."""


async def check_residue(driver: Any, url: str, prefix: str) -> None:
    """AssertionError with what contradicts, or with the keys that are left. ``driver`` is open and examines."""
    found = await driver.examine()
    assert [one for one in found.findings if one.severity is Severity.ERROR] == []
    now, more = Millis(time.time_ns() // 1_000_000 + 100 * DAY), True
    for number in count(1):
        if not more:
            break
        span = Millis(1_000)
        claim = Claim(runner="sweeper", turn=Turn("sweeper", number), queues=None, limit=0, lease_for=span)
        more = (await driver.exchange((), claim, now=now)).more
    async with outside(url) as operator:
        root = f"flowli:{{{prefix}}}:"
        keys = await operator.keys(f"{root}*")
        left = {key.removeprefix(root) for key in keys if await operator.ask("PTTL", key) == -1}
    orphans = {key for key in left if key.partition(":")[0] not in _PERMANENT}
    assert orphans == set(), f"left behind: {orphans}"
