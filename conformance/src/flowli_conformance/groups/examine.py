"""`Examines.examine`, for drivers that declare it: a sound store has no finding, and looking changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from flowli.driver import Ability, Change, Finding, RunnerNote, Severity, State, StoredSchedule
from flowli_conformance.bench import HOUR, MINUTE, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["ExamineSuite"]


async def _errors(bench: Bench) -> Sequence[Finding]:
    """What the driver takes for a broken promise. Warnings are about the store of the test, and may be right."""
    driver: Any = bench.driver
    if Ability.EXAMINE not in driver.abilities:
        pytest.skip("the driver does not declare the ability `examine`")
    found = await driver.examine(now=bench.clock)
    return [one for one in found.findings if one.severity is Severity.ERROR]


async def _fill(bench: Bench) -> None:
    """Jobs in every state, by every way that leads there, a schedule and a runner."""
    for state in State:
        await bench.bring(state, new_job(f"in-{state}"), new_job(f"of-other-{state}", queue=f"for-{state}"))
        await bench.cancel(f"of-other-{state}", keep_for=0)
        await bench.lease()
    retried, released = await bench.start(new_job("retried"), new_job("released", priority=3))
    await bench.settle(settlement(retried, State.SCHEDULED, delay=MINUTE), settlement(released, State.QUEUED))
    await bench.enqueue(*new_jobs(20), new_job("first", priority=9), new_job("later", delay=HOUR))
    await bench.cancel("job-0003", "job-0004", "later", keep_for=0)
    await bench.enqueue(new_job("job-0003"), new_job("later"))
    body = StoredSchedule(key="daily", version=0, next_run_at=bench.at(HOUR), body=b"definition")
    await bench.driver.change_schedules([Change(key="daily", expected=0, successor=body)], now=bench.clock)
    note = RunnerNote(id="runner", queues=None, note=b"note", alive_until=bench.at(HOUR))
    await bench.driver.announce(note, now=bench.clock)


async def _traffic(bench: Bench, name: str) -> None:
    for round in range(10):
        jobs = [new_job(f"{name}-{round}-{n}", priority=n % 3, delay=n % 2) for n in range(20)]
        await bench.enqueue(*jobs)
        await bench.cancel(*(job.id for job in jobs[::5]), keep_for=round % 2)
        states = [State.COMPLETED, State.FAILED, State.QUEUED, State.SCHEDULED]
        taken = await bench.lease(15)
        await bench.settle(*(settlement(one, states[n % 4], keep_for=n % 3) for n, one in enumerate(taken)))


class ExamineSuite(Suite):
    """A store that looks for what is wrong in itself never cries wolf. What it finds is the driver's own to test."""

    async def test_an_empty_store_is_sound(self, bench: Bench) -> None:
        assert await _errors(bench) == [], "where nothing is stored, nothing can contradict"

    async def test_a_store_with_jobs_in_every_state_is_sound(self, bench: Bench) -> None:
        await _fill(bench)
        assert await _errors(bench) == [], (
            "each finding sends an operator to look at a job: what the verbs of the driver wrote is sound"
        )

    async def test_a_store_is_sound_after_a_crash_and_after_what_expired(self, bench: Bench) -> None:
        await _fill(bench)
        bench.advance(2 * HOUR)
        assert await _errors(bench) == [], "that an instant has come is no damage: a claim keeps house"
        await bench.keep_house(queues=None)
        assert await _errors(bench) == [], "nor is what housekeeping handed back, promoted and swept"

    async def test_an_examination_changes_nothing(self, bench: Bench) -> None:
        await _fill(bench)
        ids = [job.id for job in new_jobs(20)]
        before = await bench.driver.get_jobs(ids, now=bench.clock), await bench.overview()
        await _errors(bench)
        assert (await bench.driver.get_jobs(ids, now=bench.clock), await bench.overview()) == before, (
            "an operator examines a live store: looking must not move a job"
        )

    async def test_traffic_is_not_taken_for_damage(self, live: Bench) -> None:
        if Ability.EXAMINE not in live.driver.abilities:
            pytest.skip("the driver does not declare the ability `examine`")
        lanes = [asyncio.create_task(_traffic(live, f"lane-{n}")) for n in range(3)]
        found: list[Finding] = []
        while not all(lane.done() for lane in lanes):
            found += await _errors(live)
            await asyncio.sleep(0)
        await asyncio.gather(*lanes)
        assert found == [], "a job on its way from one place to the next is no damage: look twice before complaining"
