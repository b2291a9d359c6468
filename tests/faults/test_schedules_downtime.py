"""F18: nobody is there for hours, over changes of the clocks too. What is made up for is what the policy says, and no
more, whatever the expression: the reference is the oracle's search and a dozen lines of arithmetic."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from flowli import Flowli, Runner, SchedulingError, job
from flowli.driver import Driver, State
from flowli.rules import Misfire
from flowli_memory import ManualClock, MemoryDriver
from tests.faults.oracle import Moment, draw, expected, transitions, window

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca")
_CAP = 40
_SCHEDULES = 25
_GRACE = timedelta(minutes=1)


@job(result_ttl="100d")
async def beat() -> None: ...


def _made(missed: Sequence[datetime], now: datetime, policy: Misfire) -> list[datetime]:
    """Which of the instants that came since the last look make a job now."""
    if not missed:
        return []
    if policy == "all":
        return list(missed[-_CAP:])
    if policy == "skip":
        return [missed[-1]] if now - missed[-1] <= _GRACE else []
    return [missed[-1]]


async def _fired(driver: Driver) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for state in State:
        cursor = None
        while True:
            page = await driver.list_jobs(state, limit=500, cursor=cursor)
            for one in page.items:
                key, _, instant = one.id.split(":")
                found.setdefault(key, []).append(int(instant))
            cursor = page.cursor
            if cursor is None:
                break
    return found


def _looks(dice: random.Random, first: datetime, last: datetime) -> list[datetime]:
    """When somebody is there: often for a while, then not for three hours, and so on."""
    looks, now = list[datetime](), first
    while now < last:
        long = dice.random() < 0.2
        now += timedelta(hours=3) if long else timedelta(seconds=dice.randint(1, 900))
        looks.append(now)
    return [look for look in looks if look < last]


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
@pytest.mark.parametrize("zone", _ZONES)
async def test_after_a_downtime_each_policy_makes_exactly_its_jobs(zone: str, policy: Misfire) -> None:
    dice = random.Random(f"{zone} {policy}")
    moments = transitions(zone) or (Moment(zone, datetime.fromisoformat("2030-03-01T00:00:00+00:00")),)
    shown = window(dice.choice(moments))
    first, last = shown[0][0] + timedelta(seconds=59), shown[-1][0]
    clock = ManualClock(first)
    driver = MemoryDriver(clock=clock)
    flowli = Flowli(context=None, jobs=[beat], driver=driver)
    instants: dict[str, list[datetime]] = {}
    async with flowli:
        while len(instants) < _SCHEDULES:
            expression, key = draw(dice), f"{len(instants)}"
            try:
                await flowli.use(beat).schedule(expression.text, key=key, tz=zone, misfire=policy, misfire_cap=_CAP)
            except SchedulingError:
                continue
            instants[key] = [one for one in expected(expression, shown) if one > first]
        wanted: dict[str, list[int]] = {}
        before = first
        for now in _looks(dice, first, last):
            clock.advance(now - before)
            await Runner(flowli).run_until_idle()
            for key, row in instants.items():
                made = _made([one for one in row if before < one <= now], now, policy)
                wanted.setdefault(key, []).extend(int(one.timestamp() * 1000) for one in made)
            before = now
        fired = await _fired(driver)
    assert {key: sorted(row) for key, row in fired.items()} == {key: row for key, row in wanted.items() if row}
    assert sum(map(len, wanted.values())) > _SCHEDULES


async def test_what_is_edited_while_it_is_due_keeps_its_row_unless_its_row_changed() -> None:
    clock = ManualClock(datetime.fromisoformat("2030-05-06T12:00:30+00:00"))
    driver = MemoryDriver(clock=clock)
    flowli = Flowli(context=None, jobs=[beat], driver=driver)

    def at(text: str) -> int:
        return int(datetime.fromisoformat(f"2030-05-06T{text}+00:00").timestamp() * 1000)

    async with flowli:
        for key in ("kept", "moved", "gone"):
            await flowli.use(beat).schedule("0 * * * *", key=key)
        clock.advance("1h")
        await flowli.use(beat).schedule("0 * * * *", key="kept", priority=3)
        await flowli.use(beat).schedule("15 * * * *", key="moved")
        await flowli.control.delete(schedule="gone")
        await Runner(flowli).run_until_idle()
        assert await _fired(driver) == {"kept": [at("13:00")]}
        clock.advance("1h")
        await Runner(flowli).run_until_idle()
        assert await _fired(driver) == {"kept": [at("13:00"), at("14:00")], "moved": [at("13:15")]}
