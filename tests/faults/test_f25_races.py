"""F25 and M4: many producers race for one id; four runners hammer one queue while jobs are cancelled at random."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from flowli.records import State
from tests.faults.app import runtime
from tests.faults.lab import SECRET, Lab, lasts

pytestmark = pytest.mark.anyio

_RACERS = 64
_JOBS = 1_500


async def test_of_sixty_four_producers_one_makes_the_job(lab: Lab, client: str) -> None:
    apps = [runtime(client, lab.server.url, lab.prefix) for _ in range(4)]
    for app in apps:
        await app.__aenter__()
    try:
        lab.ledger.intends("contested")
        calls = [apps[number % 4].quick.enqueue(SECRET, id="contested") for number in range(_RACERS)]
        handles = await asyncio.gather(*calls)
        lab.ledger.stored("contested")
    finally:
        for app in apps:
            await app.__aexit__(None, None, None)
    assert {handle.id for handle in handles} == {"contested"}
    assert sum(not handle.deduplicated for handle in handles) == 1
    await lab.start(2)
    await lab.until_over()
    assert len(lab.history.runs) == 1
    await lab.check()


async def test_four_runners_and_random_cancels_agree_on_what_happened(own_lab: Callable[..., Any]) -> None:
    lab: Lab = await own_lab()
    dice = random.Random(20261125)
    await lab.start(4, "--concurrency", "8")
    cancelled: set[str] = set()

    async def one(number: int) -> None:
        await lasts(dice.uniform(0, 15))
        if number % 3:
            await lab.send(lab.app.quick.enqueue, SECRET)
            return
        handle = await lab.send(lab.app.naps.enqueue, dice.uniform(0, 0.3))
        await lasts(dice.uniform(0, 0.3))
        if await handle.cancel():
            cancelled.add(handle.id)

    await asyncio.gather(*(one(number) for number in range(_JOBS)))
    await lab.until_over()
    await lab.check()
    records = await lab.records()
    assert len(records) == _JOBS
    ended = {id for id, record in records.items() if record.state is State.CANCELLED}
    assert ended and ended <= cancelled
    late = {run.job for run in lab.history.runs if run.outcome == "done"} & ended
    assert len(late) <= len(cancelled) // 4, "what was cancelled before its start is not started"
