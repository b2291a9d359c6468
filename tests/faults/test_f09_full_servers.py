"""F9: the server reaches its memory limit. Only new jobs are refused; all that is there is done, and makes room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowli import DriverError, QueueFull
from tests.faults.clients import driver_of
from tests.faults.conftest import Figure
from tests.faults.lab import SECRET, Lab
from tests.support.outside import outside

pytestmark = pytest.mark.anyio

_QUEUED = 40
_WORDS = SECRET * 5_000
_ROOM = 50_000


async def _is_full(lab: Lab) -> bool:
    try:
        await lab.app.leaves_nothing.enqueue(_WORDS)
    except QueueFull as error:
        return SECRET not in str(error)
    return False


@pytest.mark.quick
async def test_forty_jobs_are_done_on_a_full_server_and_room_is_made(
    own_lab: Callable[..., Any], figure: Figure
) -> None:
    """The limit stays where it is: what is done makes room for new jobs."""
    lab: Lab = await own_lab()
    async with outside(lab.server.url) as operator:
        handles = await lab.send_many(lab.app.quick.enqueue_many, [_WORDS] * _QUEUED, result_ttl="1s")
        used = int((await operator.ask("INFO", "memory"))["used_memory"])
        await operator.ask("CONFIG", "SET", "maxmemory", used - _ROOM)
        assert await _is_full(lab)
        await lab.start(2)
        await lab.until_runs(_QUEUED)
        await lab.until_over()

        async def has_room() -> bool:
            return not await _is_full(lab)

        await lab.until(has_room, "room for new jobs")
    done = {run.job for run in lab.history.runs if run.outcome == "done"}
    assert {handle.id for handle in handles} <= done
    await lab.until_over()
    await lab.check_store()
    figure("maxmemory with 40 jobs queued", f"enqueue refused, all {_QUEUED} done while full, memory freed")


async def test_retries_and_schedules_survive_a_full_server(own_lab: Callable[..., Any]) -> None:
    """A schedule that cannot store its job is put off, and fires when there is room."""
    lab: Lab = await own_lab()
    await lab.start()
    async with outside(lab.server.url) as operator:
        schedule = await lab.app.ticks.schedule("1s", key="every-second")
        handles = await lab.send_many(lab.app.fails_twice.enqueue_many, [SECRET] * 10)
        await operator.ask("CONFIG", "SET", "maxmemory", "1mb")
        for handle in handles:
            assert await handle.result(timeout=30) > 0
        await operator.ask("CONFIG", "SET", "maxmemory", "0")
        before = len(lab.history.runs)
        await lab.until_runs(before + 2)
    assert await schedule.delete()
    await lab.until_over()
    await lab.check(made_by_schedule="every-second")


@pytest.mark.quick
async def test_a_server_that_evicts_is_refused_at_the_start(own_lab: Callable[..., Any], client: str) -> None:
    lab: Lab = await own_lab("--maxmemory", "100mb", "--maxmemory-policy", "noeviction")
    async with outside(lab.server.url) as operator:
        await operator.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    driver = driver_of(client, lab.server.url, "other")
    with pytest.raises(DriverError, match="noeviction"):
        await driver.open()
