"""A checkup through the verbs of any driver: what waits too long, who could do it, and what the driver says itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowli import Flowli, Runner, job
from flowli.doctor import Checkup, checkup, examine
from flowli.driver import (
    Ability,
    Change,
    Examination,
    Finding,
    Millis,
    NewJob,
    Paused,
    RunnerNote,
    Severity,
    StoredSchedule,
)
from flowli.errors import StrategyError
from flowli_memory import MemoryDriver

pytestmark = pytest.mark.anyio

START = Millis(1_900_000_000_000)
MINUTE = 60_000


@job
async def greet(name: str) -> str:
    return f"hello {name}"


class App(Flowli):
    greet = greet


def _codes(found: Checkup) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in found.findings]


async def _opened() -> MemoryDriver:
    driver = MemoryDriver()
    await driver.open()
    return driver


def _job(id: str, *, delay: int | None = None) -> NewJob:
    return NewJob(id, "mail", "send", b"1", b"null", delay=None if delay is None else Millis(delay))


async def _announce(driver: MemoryDriver, *, queues: tuple[str, ...] | None) -> None:
    await driver.announce(RunnerNote(id="r", queues=queues, note=b"", alive_until=Millis(START * 2)), now=START)


async def test_a_runtime_whose_runner_has_done_its_work_is_healthy() -> None:
    app = App(context=None, driver=MemoryDriver())
    async with app:
        async with Runner(app):
            handle = await app.greet.enqueue("Ada")
            await handle.result(timeout=20)
            found = await checkup(app)
    assert (found.healthy, _codes(found), len(found.runners)) == (True, [], 1)
    assert found.queues["default"]["completed"] == 1
    assert (found.store, found.facts["examined"]) == ("memory", True)


async def test_a_runtime_without_a_driver_cannot_be_examined() -> None:
    with pytest.raises(StrategyError, match="driver"):
        await checkup(App(context=None))


async def test_a_queue_that_no_runner_serves_is_named() -> None:
    driver = await _opened()
    await driver.enqueue([_job("a")], now=START)
    await _announce(driver, queues=("other",))
    found = await examine(driver, now=START)
    assert (found.healthy, _codes(found)) == (False, [("no-runner", "mail")])
    await _announce(driver, queues=None)
    assert (await examine(driver, now=START)).healthy


async def test_a_job_that_waits_too_long_is_a_warning() -> None:
    driver = await _opened()
    await driver.enqueue([_job("a")], now=START)
    await _announce(driver, queues=None)
    found = await examine(driver, now=Millis(START + 10 * MINUTE))
    assert (found.healthy, _codes(found)) == (True, [("late", "mail")])
    assert "10m" in found.findings[0].message
    assert found.queues["mail"]["oldest_ms"] == 10 * MINUTE


async def test_a_pause_that_was_forgotten_is_a_warning_and_nothing_of_it_is_late() -> None:
    driver = await _opened()
    await _announce(driver, queues=None)
    await driver.enqueue([_job("a")], now=START)
    await driver.pause([Paused("queue", "mail"), Paused("job", "send")], now=START)
    assert _codes(await examine(driver, now=Millis(START + MINUTE))) == []

    found = await examine(driver, now=Millis(START + 61 * MINUTE))
    assert _codes(found) == [("paused", "send"), ("paused", "mail")]
    assert found.healthy
    assert found.findings[1].message.startswith("the queue has been paused for 1h1m")
    await driver.resume([Paused("queue", "mail"), Paused("job", "send")], now=START)
    assert _codes(await examine(driver, now=Millis(START + 61 * MINUTE))) == [("late", "mail")]


async def test_what_is_due_and_nobody_looked_at_is_an_error() -> None:
    driver = await _opened()
    await driver.enqueue([_job("a", delay=1_000)], now=START)
    body = StoredSchedule(key="daily", version=0, next_run_at=Millis(START + 1_000), body=b"1{}")
    await driver.change_schedules([Change(key="daily", expected=0, successor=body)], now=START)
    await _announce(driver, queues=None)
    found = await examine(driver, now=Millis(START + 5 * MINUTE))
    assert (found.healthy, _codes(found)) == (False, [("overdue", "mail"), ("schedule-overdue", "daily")])


async def test_errors_of_the_driver_come_first() -> None:
    class Broken(MemoryDriver):
        async def examine(self, *, now: Millis | None = None) -> Examination:
            found = await super().examine(now=now)
            mild = Finding("mild", Severity.WARNING, "a", "it is so")
            return replace(found, findings=[mild, Finding("bad", Severity.ERROR, "b", "it is so")])

    driver = Broken()
    await driver.open()
    found = await examine(driver)
    assert (found.healthy, _codes(found)) == (False, [("bad", "b"), ("mild", "a")])


async def test_a_driver_without_the_ability_is_judged_by_its_verbs() -> None:
    class Plain(MemoryDriver):
        @property
        def abilities(self) -> frozenset[Ability]:
            return frozenset()

    driver = Plain()
    await driver.open()
    await driver.enqueue([_job("a")], now=START)
    found = await examine(driver, now=START)
    assert (found.facts, _codes(found)) == ({"examined": False}, [("no-runner", "mail")])
