"""A chain and a group whose runner can be killed at any request.

``python -m tests.crash.chain_app DRIVER URL PREFIX SIZE LEDGER`` enqueues both and executes them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from flowli import Backoff, Flowli, Runner, current_attempt, job
from flowli.driver import Driver
from tests.crash.drivers import DRIVERS
from tests.crash.ledger import Ledger

__all__ = ["Steps", "enqueue", "expected", "ids_of", "run"]

_ledger: list[Ledger] = []


def _starts() -> None:
    for ledger in _ledger:
        ledger.starts(current_attempt().job_id or "")


@job(result_ttl="0s")
async def double(number: int) -> int:
    _starts()
    return 2 * number


@job(max_attempts=3, backoff=Backoff(delay="1ms", max_delay="1ms"), queue="other")
async def increase(number: int) -> int:
    _starts()
    if current_attempt().number == 1:
        raise ValueError("not yet")
    return number + 1


@job
async def negate(number: int) -> int:
    _starts()
    return -number


@job(queue="other")
async def add(numbers: list[int]) -> int:
    _starts()
    return sum(numbers)


class Steps(Flowli):
    double = double
    increase = increase
    negate = negate
    add = add


async def enqueue(app: Steps, size: int) -> None:
    """Store both; again with the same ids changes nothing."""
    await app.double.then(app.increase).then(app.negate).enqueue(1, id="chain")
    await app.double.map(range(size)).then(app.add).enqueue(id="group")


def ids_of(size: int) -> set[str]:
    """The ids of all steps."""
    return {"chain", "chain~0", "chain~0~0", "group", *(f"group~{place}" for place in range(size))}


def expected(size: int) -> dict[str, bytes]:
    """The results of the last steps."""
    return {"chain": b"-3", "group": b"%d" % (size * (size - 1))}


async def run(app: Steps) -> None:
    """Execute until both are over."""
    runner = Runner(app, lease="1s", poll_interval="50ms")
    while True:
        await runner.run_until_idle()
        records = [await app.inspect.get_job(id) for id in ("chain", "group")]
        if all(record is None or record.state.is_terminal for record in records):
            return
        await asyncio.sleep(0.02)


async def _live(driver: Driver, size: int) -> None:
    async with Steps(context=None, driver=driver) as app:
        await enqueue(app, size)
        await run(app)


if __name__ == "__main__":
    _, _kind, _url, _prefix, _size, _path = sys.argv
    _ledger.append(Ledger(Path(_path)))
    asyncio.run(_live(DRIVERS[_kind](_url, _prefix), int(_size)))
