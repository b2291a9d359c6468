"""F18: two hundred schedules at high speed under one, two and eight runners, of which some stand still and some die.

Each has an end, so that the instants that must have made a job are known before: those, and each once.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from flowli import Flowli
from flowli.driver import Driver, Millis, State
from flowli.durations import millis_to_instant
from flowli.rules import ScheduleOptions
from tests.faults.beating import beat, runtime
from tests.faults.lab import lasts
from tests.support.polling import eventually
from tests.support.runners import RunnerProcess
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

_SCHEDULES = 200
_AHEAD_MS, _LASTS_MS = 10_000, 15_000
"""All are written before the first is due, however busy the machine is."""

_OPTIONS = ("--lease", "2s", "--poll-interval", "100ms")
_EVERY_MS = (300, 700, 1_000, 2_500)
_SECONDS = ("* * * * * *", "*/2 * * * * *", "*/5 * * * * *", "0,7,11,12,20,30,41,50 * * * * *")
_ALLOWED = ({*range(60)}, {*range(0, 60, 2)}, {*range(0, 60, 5)}, {0, 7, 11, 12, 20, 30, 41, 50})


class _Row(NamedTuple):
    """One schedule, and the instants that it is to make jobs of."""

    key: str
    when: str
    limit: int | None
    instants: frozenset[Millis]


def _rows(start: Millis, end: Millis) -> list[_Row]:
    """Half of them intervals, which begin with their start, half cron of seconds; a tenth with a limit."""
    rows: list[_Row] = []
    for number in range(_SCHEDULES):
        kind = number // 2 % 4
        if number % 2:
            instants = list(range(start, end + 1, _EVERY_MS[kind]))
            when = f"{_EVERY_MS[kind]}ms"
        else:
            seconds = range(ceil(start / 1000) + (start % 1000 == 0), end // 1000 + 1)
            instants = [one * 1000 for one in seconds if one % 60 in _ALLOWED[kind]]
            when = _SECONDS[kind]
        limit = 5 if number % 10 == 9 else None
        rows.append(_Row(f"beat-{number}", when, limit, frozenset(map(Millis, instants[:limit]))))
    return rows


async def _put(flowli: Flowli[None], row: _Row, start: Millis, end: Millis, *, priority: int = 0) -> None:
    options = ScheduleOptions(
        start=millis_to_instant(start), end=millis_to_instant(end), misfire="all", misfire_cap=500, priority=priority
    )
    if row.limit is not None:
        options["limit"] = row.limit
    await flowli.use(beat).schedule(row.when, 0, key=row.key, **options)


async def _fired(driver: Driver) -> list[tuple[str, Millis]]:
    """Key and instant of every job that there is."""
    found: list[tuple[str, Millis]] = []
    for state in State:
        cursor = None
        while True:
            page = await driver.list_jobs(state, limit=500, cursor=cursor)
            for job in page.items:
                key, _, instant = job.id.split(":")
                found.append((key, Millis(int(instant))))
            cursor = page.cursor
            if cursor is None:
                break
    return found


class _Crowd:
    """Runner processes, as many as there are to be, whatever happens to them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self.runners: list[RunnerProcess] = []

    async def grow(self, number: int) -> None:
        begun = [
            RunnerProcess(self._folder, "tests.faults.beating:current", options=_OPTIONS, environment=self._environment)
            for _ in range(number)
        ]
        self.runners += begun
        for runner in begun:
            await runner.ready()

    async def disturb(self, dice: random.Random) -> None:
        """In turn: one stands still for more than a lease, one is killed and another one begins."""
        while True:
            runner = dice.choice(self.runners)
            runner.signal(signal.SIGSTOP)
            try:
                await lasts(dice.uniform(1.0, 3.0))
            finally:
                runner.signal(signal.SIGCONT)
            victim = dice.choice(self.runners)
            self.runners.remove(victim)
            victim.kill()
            await self.grow(1)

    def close(self) -> None:
        for runner in self.runners:
            runner.close()


async def _edit(flowli: Flowli[None], rows: Sequence[_Row], start: Millis, end: Millis, dice: random.Random) -> None:
    """Definitions change while they are due. Their instants stay, for neither ``when`` nor the zone changes."""
    while True:
        await _put(flowli, dice.choice(rows), start, end, priority=dice.randint(0, 9))
        await lasts(0.05)


async def _all_ended(flowli: Flowli[None]) -> bool:
    page = await flowli.inspect.get_schedules(limit=500)
    counts = await flowli.inspect.get_queue_counts()
    return all(one.next_run_at is None for one in page) and counts.scheduled + counts.queued + counts.active == 0


@pytest.mark.parametrize("number", [1, 2, 8])
async def test_each_instant_makes_one_job_whatever_happens_to_runners(
    number: int, valkey_server: ValkeyServer, client: str, tmp_path: Path
) -> None:
    prefix, dice = uuid4().hex, random.Random(number)
    names = ("FLOWLI_FAULTS_CLIENT", "FLOWLI_FAULTS_STORE", "FLOWLI_FAULTS_PREFIX")
    crowd = _Crowd(tmp_path, dict(zip(names, (client, valkey_server.url, prefix), strict=True)))
    async with runtime(client, valkey_server.url, prefix) as flowli:
        driver = await flowli.__flowli__.driver("a test")
        try:
            await crowd.grow(number)
            now = (await driver.overview()).now
            start = Millis(now + _AHEAD_MS)
            end = Millis(start + _LASTS_MS)
            rows = _rows(start, end)
            await asyncio.gather(*(_put(flowli, row, start, end) for row in rows))
            trouble = [
                asyncio.create_task(crowd.disturb(dice)),
                asyncio.create_task(_edit(flowli, rows, start, end, dice)),
            ]
            await asyncio.sleep(0)
            await eventually(lambda: _is_past(driver, end), within=120, every=0.5, what="the last instant")
            for task in trouble:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await eventually(
                lambda: _all_ended(flowli), within=300, every=0.5, what="the end of all schedules and jobs"
            )
            fired = Counter(await _fired(driver))
        finally:
            crowd.close()
    wanted = {(row.key, instant) for row in rows for instant in row.instants}
    assert len(wanted) > 1_000
    assert {one: times for one, times in fired.items() if times > 1} == {}, "made two jobs"
    assert sorted(wanted - set(fired)) == [], "made no job"
    assert sorted(set(fired) - wanted) == [], "are none"


async def _is_past(driver: Driver, instant: Millis) -> bool:
    return (await driver.overview()).now > instant
