"""Queues through the public surface: priorities, order of service, weights, pauses, and what inspection says."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from flowli import Flowli, Runner, StrategyError, ValidationError, job
from flowli.driver import Ability
from flowli.records import PauseRecord, State, WaitingFor
from flowli.shares import Shares
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import record, runtime

pytestmark = pytest.mark.anyio


class Line:
    """Executes jobs one by one and keeps their order."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.seen: list[str] = []
        self.clock = clock or ManualClock()
        self.note = job(name="note")(self._note)
        self.other = job(name="other")(self._note)
        self.driver = MemoryDriver(clock=self.clock)
        self.flowli = runtime(self.note, self.other, driver=self.driver)

    async def _note(self, text: str) -> None:
        self.seen.append(text)

    async def enqueue(self, *texts: str, **options: Any) -> None:
        await self.flowli.use(self.note).enqueue_many(texts, **options)

    async def run(self, **options: Any) -> list[str]:
        self.seen.clear()
        await Runner(self.flowli, concurrency=1, **options).run_until_idle()
        return list(self.seen)


async def test_a_greater_priority_is_served_first_and_equal_ones_as_they_came() -> None:
    line = Line()
    for number, priority in enumerate((0, 5, 9, 0, 5, 9)):
        await line.enqueue(f"{priority}-{number}", priority=priority)
        line.clock.advance("1s")
    assert await line.run() == ["9-2", "9-5", "5-1", "5-4", "0-0", "0-3"]


async def test_a_retry_and_a_delay_keep_their_priority() -> None:
    line = Line()
    await line.flowli.use(line.note).delay("1s", "late and urgent", priority=9)
    await line.enqueue("early")
    line.clock.advance("2s")
    await line.enqueue("later")
    assert await line.run() == ["late and urgent", "early", "later"]


async def test_named_queues_are_served_strictly_in_their_order() -> None:
    line = Line()
    for queue in ("slow", "mail", "other"):
        await line.enqueue(*(f"{queue}-{n}" for n in range(3)), queue=queue)
    seen = await line.run(queues=["mail", "slow"])
    assert seen == [f"{queue}-{n}" for queue in ("mail", "slow") for n in range(3)]


async def test_weights_are_shares_of_the_jobs_while_there_are_some() -> None:
    line = Line()
    for queue in ("mail", "default"):
        await line.enqueue(*(f"{queue}" for _ in range(200)), queue=queue)
    runner = Runner(line.flowli, concurrency=8, queues={"mail": 3, "default": 1}, max_jobs_per_tick=80)
    for _ in range(3):
        line.seen.clear()
        assert await runner.run_once() == 80
        assert Counter(line.seen) == {"mail": 60, "default": 20}
    line.seen.clear()
    await runner.run_until_idle()
    assert len(line.seen) == 160


async def test_a_running_runner_keeps_to_the_weights_too() -> None:
    line, over = Line(), asyncio.Event()

    @job(name="last")
    async def last() -> None:
        over.set()

    flowli = Flowli(context=None, jobs=[line.note, last], driver=line.driver)
    await line.enqueue(*(["a"] * 300), queue="a")
    await line.enqueue(*(["b"] * 100), queue="b")
    await flowli.use(last).enqueue(queue="b")
    async with Runner(flowli, concurrency=10, queues={"a": 3, "b": 1}):
        await asyncio.wait_for(over.wait(), 20)
        seen = Counter(line.seen)
    assert seen["b"] == 100
    assert seen["a"] >= 250


def test_shares_are_exact_and_give_nobody_credit_for_idling() -> None:
    shares, served = Shares({"a": 5, "b": 2, "c": 1}), Counter[str]()
    for free in (1, 7, 3, 1, 16, 4) * 40:
        order, limit = shares.next(free)
        assert 1 <= limit <= free
        served[order[0]] += limit
        shares.charge(order, [order[0]] * limit)
    total = sum(served.values())
    assert {name: round(count / total, 2) for name, count in served.items()} == {"a": 0.62, "b": 0.25, "c": 0.12}
    for _ in range(1_000):  # a and b have nothing to do: the claim goes on to c
        order, limit = shares.next(8)
        shares.charge(order, ["c"] * limit)
    served.clear()
    for _ in range(800):
        order, limit = shares.next(1)
        served[order[0]] += limit
        shares.charge(order, [order[0]] * limit)
    assert all(abs(served[name] - 800 * weight / 8) <= 8 for name, weight in (("a", 5), ("b", 2), ("c", 1))), served


@pytest.mark.parametrize(
    ("queues", "text"),
    [
        ({"mail": 0}, "the weight of queue 'mail' is a whole number of at least 1"),
        ({"mail": 1.5}, "the weight of queue 'mail' is a whole number of at least 1"),
        ({}, "queues is a list with at least one name"),
        ({"a:b": 1}, "a queue name has 1 to 64 characters"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(queues: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Runner(runtime(Line().note), queues=queues)


async def test_a_paused_queue_waits_and_loses_nothing() -> None:
    line = Line()
    await line.enqueue("1", "2", queue="mail")
    await line.enqueue("3", queue="other")
    assert await line.flowli.control.pause(queue="mail")
    await line.enqueue("4", queue="mail")
    assert await line.run() == ["3"]
    assert await line.flowli.control.resume(queue="mail")
    assert await line.run() == ["1", "2", "4"]


async def test_a_paused_job_waits_in_every_queue_and_says_so() -> None:
    line = Line()
    await line.enqueue("1", queue="mail")
    handle = await line.flowli.use(line.note).enqueue("2")
    await line.flowli.use(line.other).enqueue("3")
    await line.flowli.control.pause(job=line.note)
    assert await line.run() == ["3"]
    found = await record(line.flowli, handle.id)
    assert (found.state, found.waiting_for, found.scheduled_for) == (State.SCHEDULED, WaitingFor.RESUME, None)
    await line.flowli.control.resume(job="note")
    assert sorted(await line.run()) == ["1", "2"]


async def test_one_or_many_are_paused_by_one_call() -> None:
    line = Line()
    control, clock = line.flowli.control, line.clock
    since = clock.now()
    await control.pause(queue=["mail", "other"])
    clock.advance("1m")
    await control.pause(job=[line.note, "unknown"])
    await control.pause(queue="mail")
    found = await line.flowli.inspect.get_pauses()
    later = since + timedelta(minutes=1)
    assert found == [
        PauseRecord(kind="job", name="note", since=later),
        PauseRecord(kind="job", name="unknown", since=later),
        PauseRecord(kind="queue", name="mail", since=since),
        PauseRecord(kind="queue", name="other", since=since),
    ]
    await control.resume(queue=["mail", "other", "never"])
    await control.resume(job=(one.name for one in found[:2]))
    assert await line.flowli.inspect.get_pauses() == []


async def test_a_resume_wakes_a_runner_that_sleeps() -> None:
    line = Line(ManualClock())
    flowli = runtime(line.note)
    await flowli.control.pause(queue="default")
    handle = await flowli.use(line.note).enqueue("1")
    async with Runner(flowli, poll_interval="1h"):
        for _ in range(50):
            await asyncio.sleep(0)
        assert line.seen == []
        await flowli.control.resume(queue="default")
        await handle.result(timeout=20)
    assert line.seen == ["1"]


async def test_inspection_says_of_each_queue_what_waits_and_since_when() -> None:
    line = Line()
    await line.enqueue("1", "2", queue="mail")
    await line.flowli.use(line.note).delay("1h", "3", queue="mail")
    since = line.clock.now()
    line.clock.advance("90s")
    await line.enqueue("4")
    await line.flowli.control.pause(queue="mail")
    default, mail = await line.flowli.inspect.get_queues()
    assert (mail.name, mail.queued, mail.scheduled, mail.is_paused) == ("mail", 2, 1, True)
    assert (mail.oldest_ready_at, mail.oldest_age) == (since, timedelta(seconds=90))
    assert (default.name, default.queued, default.oldest_age, default.is_paused) == ("default", 1, timedelta(0), False)
    await line.run(queues=["default"])
    default, _ = await line.flowli.inspect.get_queues()
    assert (default.completed, default.oldest_ready_at, default.oldest_age) == (1, None, None)


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Name one of schedule=, queue= and job="),
        ({"queue": "mail", "job": "note"}, "Name one of schedule=, queue= and job="),
        ({"queue": "a:b"}, "a queue name has 1 to 64 characters"),
        ({"queue": []}, "queue= names nothing"),
        ({"queue": 7}, "must be a str, not int"),
        ({"job": ""}, "job= takes names of 1 to 200 bytes"),
        ({"job": [7]}, "job= takes names of 1 to 200 bytes, or jobs; got int"),
        ({"schedule": ""}, "an id has 1 to 200 bytes"),
        ({"schedule": 7}, "must be a str, not int"),
    ],
)
async def test_what_cannot_be_paused_is_refused(verb: str, given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        await getattr(runtime(Line().note).control, verb)(**given)


@pytest.mark.parametrize("key", ["", "x" * 201, 7])
async def test_the_key_of_a_schedule_is_checked_wherever_it_is_passed(key: Any) -> None:
    flowli = runtime(Line().note)
    calls = [
        flowli.control.trigger(key),
        flowli.control.delete(schedule=key),
        flowli.inspect.get_next_runs(key),
        flowli.inspect.get_schedule(key),
    ]
    for call in calls:
        with pytest.raises(ValidationError):
            await call


async def test_a_driver_that_keeps_no_pauses_says_so() -> None:
    class Plain(MemoryDriver):
        @property
        def abilities(self) -> frozenset[Ability]:
            return frozenset()

    flowli = runtime(Line().note, driver=Plain())
    with pytest.raises(
        StrategyError, match=r"pause\(\) needs a driver with the ability 'pauses', which memory has not"
    ):
        await flowli.control.pause(queue="mail")
    assert (await flowli.inspect.get_pauses(), await flowli.inspect.get_queues()) == ([], [])
