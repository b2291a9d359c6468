"""Jobs that fail, an operator who has them run once more and then purges them, and who can be killed at any request.

``python -m tests.crash.desk_app DRIVER URL PREFIX LEDGER`` does all of it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from flowli import Flowli, Runner, current_attempt, job
from flowli.driver import Driver
from flowli.filters import JobFilter
from flowli.records import State
from tests.crash.drivers import DRIVERS
from tests.crash.ledger import Ledger

__all__ = ["EDITED", "IDS", "Desk", "enqueue", "execute", "operate", "purge", "replay"]

EDITED = "edited"
"""The one whose input is wrong, and is replayed with another."""
IDS = (*(f"broken-{number}" for number in range(4)), EDITED)

_ledger: list[Ledger] = []


@job
async def fragile(text: str) -> str:
    for ledger in _ledger:
        ledger.starts(current_attempt().job_id or "")
    record = await current_attempt().flowli.inspect.get_job(current_attempt().job_id or "")
    assert record is not None
    if record.replays == 0 or text == "wrong":
        raise ValueError("not before somebody looked at it")
    return text


class Desk(Flowli):
    fragile = fragile


async def enqueue(app: Desk) -> None:
    """Store them one by one."""
    for id in IDS:
        await app.fragile.enqueue("wrong" if id == EDITED else "good", id=id)
        for ledger in _ledger:
            ledger.stored(id)


async def execute(app: Desk) -> None:
    """Until none of them waits or runs, and no lost lease is left."""
    runner = Runner(app, lease="1s", poll_interval="50ms")
    while True:
        await runner.run_until_idle()
        counts = await app.inspect.get_queue_counts()
        if not counts.scheduled + counts.queued + counts.active:
            return
        await asyncio.sleep(0.02)


async def replay(app: Desk) -> None:
    """Replay what failed: one with another input, all others that match."""
    record = await app.inspect.get_job(EDITED)
    if record is not None and record.state is State.FAILED:
        await app.control.replay(EDITED, "right", by="ann")
    await app.control.replay(JobFilter(state="failed", job="fragile"), by="ann")


async def purge(app: Desk) -> None:
    """Delete what has completed since."""
    for ledger in _ledger:
        for id in IDS:
            ledger.ends(id)
    await app.control.delete(JobFilter(state="completed"), by="ann")


async def operate(app: Desk) -> None:
    """All of it, in order."""
    await enqueue(app)
    await execute(app)
    await replay(app)
    await execute(app)
    await purge(app)


async def _live(driver: Driver) -> None:
    async with Desk(context=None, driver=driver) as app:
        await operate(app)


if __name__ == "__main__":
    _, _kind, _url, _prefix, _path = sys.argv
    _ledger.append(Ledger(Path(_path)))
    asyncio.run(_live(DRIVERS[_kind](_url, _prefix)))
