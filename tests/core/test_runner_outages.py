"""A store that is away, loses replies or is full: nothing is lost, nothing is settled twice, the runner lives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from flowli import DriverClosed, Flowli, QueueFull, Runner, job
from flowli.conversation import Conversation, Terms
from flowli.driver import Change, Changed, Claim, Driver, Exchanged, Millis, Settled, Settlement, Turn
from flowli.errors import DriverUnavailable
from flowli.events import JobCompleted
from flowli.journal import Journal
from flowli.records import State
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import ShakyDriver, driver_of, hearing, record, runtime, until

pytestmark = pytest.mark.anyio


@job
async def echo(text: str) -> str:
    return text


FAULTS = [False, True]


@pytest.mark.parametrize("kept", ["1h", "0s"])
@pytest.mark.parametrize("maybe_written", FAULTS)
@pytest.mark.parametrize("at", range(5))
async def test_a_call_that_fails_once_costs_nothing(at: int, maybe_written: bool, kept: str) -> None:
    calls: Counter[str] = Counter()

    @job
    async def note(text: str) -> str:
        calls[text] += 1
        return text

    driver = ShakyDriver()
    flowli = runtime(note, driver=driver)
    texts = [str(n) for n in range(6)]
    await flowli.use(note).enqueue_many(texts, result_ttl=kept)
    driver.plans["exchange"] = [None] * at + [maybe_written]
    runner = Runner(flowli, concurrency=2)
    heard = hearing(runner, JobCompleted)
    assert await runner.run_until_idle() == 6
    assert driver.failed == 1
    assert calls == Counter(dict.fromkeys(texts, 1))
    assert len({event.job_id for event in heard}) == len(heard) == 6
    counts = await flowli.inspect.get_queue_counts()
    assert (counts.active, counts.queued, counts.completed) == (0, 0, 0 if kept == "0s" else 6)


@pytest.mark.slow
@pytest.mark.parametrize("maybe_written", FAULTS)
async def test_a_settlement_whose_reply_is_lost_again_and_again_is_written_once(maybe_written: bool) -> None:
    driver = ShakyDriver()
    flowli = runtime(echo, driver=driver)
    handle = await flowli.use(echo).enqueue("x")
    driver.plans["settle"] = [maybe_written] * 4
    runner = Runner(flowli)
    heard = hearing(runner, JobCompleted)
    assert await runner.run_once() == 1
    assert (driver.failed, len(heard)) == (4, 1)
    found = await record(flowli, handle.id)
    assert (found.state, found.attempts_made) == (State.COMPLETED, 1)


class Vanishing(MemoryDriver):
    """The reply to the first settlement is lost, and what it wrote is no longer kept when it is repeated."""

    def __init__(self, clock: ManualClock, *, written: bool) -> None:
        super().__init__(clock=clock)
        self._manual = clock
        self._written = written
        self.settled: list[Settled] = []

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        if settlements and not self.settled:
            if not self._written:
                await self._by_another(settlements[0])
            answer = await super().exchange(settlements, now=now)
            self.settled += answer.settled
            if not self._written:
                return answer
            self._manual.advance("1h")
            raise DriverUnavailable("the reply is lost", maybe_written=True)
        answer = await super().exchange(settlements, claim, now=now)
        self.settled += answer.settled
        return answer

    async def _by_another(self, one: Settlement) -> None:
        """Another runner takes the job over, ends it, and it is kept no longer."""
        self._manual.advance("1h")
        turn = Turn("another", 1)
        claim = Claim(runner="another", turn=turn, queues=None, limit=1, lease_for=Millis(60_000))
        [lease] = (await super().exchange((), claim)).leases
        await super().exchange([one._replace(token=lease.token)])
        self._manual.advance("1h")


@pytest.mark.parametrize(("ttl", "found"), [("0s", Settled.GONE), ("10m", Settled.GONE), ("2h", Settled.REPEATED)])
async def test_an_outcome_that_was_written_and_is_kept_no_longer_is_an_event(ttl: str, found: Settled) -> None:
    """A listener that chains work to it would else wait for ever; the lost reply is the store's trouble, not its."""
    driver = Vanishing(ManualClock(), written=True)
    flowli = runtime(echo, driver=driver)
    handle = await flowli.use(echo).enqueue("x", result_ttl=ttl)
    runner = Runner(flowli)
    heard = hearing(runner, JobCompleted)
    assert await runner.run_once() == 1
    assert driver.settled == [Settled.WRITTEN, found]
    assert [event.job_id for event in heard] == [handle.id]


async def test_an_outcome_that_finds_no_record_at_its_first_try_is_none() -> None:
    """Nothing was lost on the way: another runner had the job, and its outcome is the one that counts."""
    driver = Vanishing(ManualClock(), written=False)
    flowli = runtime(echo, driver=driver)
    await flowli.use(echo).enqueue("x", result_ttl="10m")
    runner = Runner(flowli)
    heard = hearing(runner, JobCompleted)
    assert await runner.run_once() == 1
    assert (driver.settled, heard) == ([Settled.GONE], [])


async def test_a_count_that_fails_is_asked_again() -> None:
    driver = ShakyDriver()
    flowli = runtime(echo, driver=driver)
    await flowli.use(echo).enqueue("x")
    driver.plans["overview"] = [False, False]
    assert await Runner(flowli).run_once() == 1


@pytest.mark.slow
async def test_a_started_runner_outlives_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    driver = ShakyDriver()
    flowli = runtime(echo, driver=driver)
    async with Runner(flowli, poll_interval="10ms") as runner:
        assert await (await flowli.use(echo).enqueue("before")).result(timeout=20) == "before"
        driver.is_down = True
        await until(lambda: driver.failed > 2, "the runner tries again")
        assert runner.running
        driver.is_down = False
        assert await (await flowli.use(echo).enqueue("after")).result(timeout=20) == "after"
        await until(lambda: "the store is back" in caplog.text)
    assert caplog.text.count("the store is unavailable, trying again") == 1


async def test_a_conversation_says_whether_the_store_answers() -> None:
    driver = ShakyDriver()
    await driver.open()
    driver.is_down = True
    terms = Terms(runner="me", queues=None, lease_for=Millis(30_000), poll=Millis(1_000))
    talk = Conversation(driver, terms, Journal(), lambda leases, ends_at: None, lambda holds: None)
    assert talk.is_connected
    call = asyncio.create_task(talk.exchange(talk.claim(1)))
    await until(lambda: not talk.is_connected, "the outage is noticed")
    driver.is_down = False
    await asyncio.wait_for(call, 20)
    assert talk.is_connected


async def test_leases_that_come_with_a_repeated_claim_end_when_they_end() -> None:
    """A reply that was lost for 20 s leaves 10 s of a lease of 30 s, whenever the repetition was sent."""
    clock = ManualClock()
    ends: list[float] = []

    class Late(MemoryDriver):
        lost = 0

        async def exchange(
            self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
        ) -> Exchanged:
            answer = await super().exchange(settlements, claim, now=now)
            if not self.lost:
                self.lost += 1
                clock.advance("20s")
                raise DriverUnavailable("lost", maybe_written=True)
            return answer

    driver = Late(clock=clock)
    flowli = runtime(echo, driver=driver)
    await flowli.use(echo).enqueue("x")
    terms = Terms(runner="me", queues=None, lease_for=Millis(30_000), poll=Millis(1_000))
    talk = Conversation(driver, terms, Journal(), lambda leases, ends_at: ends.append(ends_at), lambda holds: None)
    now = asyncio.get_running_loop().time()
    await talk.exchange(talk.claim(1))
    assert len(ends) == 1
    assert ends[0] - now < 20


class FullStore(MemoryDriver):
    """Refuses what a schedule would store."""

    refused = 0

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        if any(change.jobs for change in changes):
            self.refused += 1
            raise QueueFull("no memory is left")
        return await super().change_schedules(changes, now=now)


async def _overdue(driver: Driver, clock: ManualClock) -> Flowli[None]:
    flowli = runtime(echo, driver=driver)
    await flowli.use(echo).schedule("1m", "scheduled", key="s")
    clock.advance("2m")
    return flowli


async def test_a_full_store_that_refuses_a_schedule_does_not_stop_what_is_stored() -> None:
    clock = ManualClock()
    driver = FullStore(clock=clock)
    flowli = await _overdue(driver, clock)
    async with Runner(flowli, poll_interval="5ms"):
        handle = await flowli.use(echo).enqueue("stored")
        assert await handle.result(timeout=20) == "stored"
        assert driver.refused >= 1


async def test_a_tick_on_a_full_store_executes_what_is_stored() -> None:
    clock = ManualClock()
    driver = FullStore(clock=clock)
    flowli = await _overdue(driver, clock)
    await flowli.use(echo).enqueue("stored")
    assert (await Runner(flowli).run_once(), driver.refused) == (1, 1)


async def test_a_schedule_that_cannot_be_fired_is_not_tried_in_a_loop() -> None:
    clock = ManualClock()
    driver = FullStore(clock=clock)
    flowli = await _overdue(driver, clock)
    async with Runner(flowli, poll_interval="1ms"):
        for n in range(50):
            assert await (await flowli.use(echo).enqueue(str(n))).result(timeout=20) == str(n)
    assert driver.refused < 10


@pytest.mark.slow
async def test_an_error_that_no_driver_should_raise_does_not_end_the_runner(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(MemoryDriver):
        broke = 0

        async def exchange(
            self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
        ) -> Exchanged:
            if self.broke < 1:
                self.broke += 1
                raise RuntimeError("a defect of the client")
            return await super().exchange(settlements, claim, now=now)

    flowli = runtime(echo, driver=Broken())
    async with Runner(flowli):
        assert await (await flowli.use(echo).enqueue("x")).result(timeout=20) == "x"
    assert "it goes on in a moment" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("a defect of the client"), asyncio.CancelledError()])
async def test_what_was_leased_by_a_call_that_broke_is_executed_at_once(error: BaseException) -> None:
    """Its lease would else lapse, and count as a lost runner's: after a few of them as poison."""

    class Broken(MemoryDriver):
        broke = 0

        async def exchange(
            self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
        ) -> Exchanged:
            answer = await super().exchange(settlements, claim, now=now)
            if answer.leases and not self.broke:
                self.broke += 1
                raise error
            return answer

    driver = Broken()
    flowli = runtime(echo, driver=driver)
    async with Runner(flowli) as runner:
        handle = await flowli.use(echo).enqueue("x")
        assert await handle.result(timeout=20) == "x"
        await until(lambda: runner.consuming, "the runner goes on")
    found = await record(flowli, handle.id)
    assert (driver.broke, found.attempts_made, found.deliveries) == (1, 1, 0)


async def test_a_driver_that_is_closed_under_the_runner_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    flowli = runtime(echo)
    runner = Runner(flowli)
    work = asyncio.create_task(runner.run())
    await until(lambda: runner.running, "the runner is up")
    await (await driver_of(flowli)).close()
    with pytest.raises(DriverClosed, match="closed under the runner"):
        await asyncio.wait_for(work, 20)
    assert not runner.running
    assert "the driver was closed under the runner" in caplog.text


class TardyDriver(MemoryDriver):
    """Its first leases are over when they arrive."""

    is_late = True

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        answer = await super().exchange(settlements, claim, now=now)
        if not answer.leases or not self.is_late:
            return answer
        self.is_late = False
        return replace(answer, lease_until=answer.now)


async def test_a_lease_that_is_over_when_it_arrives_starts_no_handler() -> None:
    driver = TardyDriver()
    flowli = runtime(echo, driver=driver)
    handle = await flowli.use(echo).enqueue("x")
    runner = Runner(flowli)
    assert await runner.run_once() == 0, "somebody else may have the job by now"
    assert await runner.run_once() == 1
    found = await record(flowli, handle.id)
    assert (found.state, found.attempts_made, found.deliveries) == (State.COMPLETED, 1, 0)
