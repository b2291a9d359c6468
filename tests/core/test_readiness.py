"""Whether a runner consumes: what a readiness probe asks, and what the logs say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from flowli import DriverError, Runner, job
from flowli.driver import Claim, Exchanged, Millis, Settlement
from flowli_memory import MemoryDriver
from tests.core.runner_kit import ShakyDriver, runtime, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@job
async def echo(text: str) -> str:
    return text


class SilentDriver(MemoryDriver):
    """While it is silent, a call neither returns nor fails: as behind a network that swallows packets."""

    def __init__(self) -> None:
        super().__init__()
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        answer = await super().exchange(settlements, claim, now=now)
        await self.speaks.wait()
        return answer


class RefusingDriver(ShakyDriver):
    """Refuses every call while it is down, which repeating does not help."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        if self.is_down:
            raise DriverError("a command is denied")
        return await super().exchange(settlements, claim, now=now)


async def test_a_runner_consumes_from_its_start_to_its_stop() -> None:
    runner = Runner(runtime(echo), poll_interval="10ms")
    assert not runner.consuming
    async with runner:
        await until(lambda: runner.consuming, "a runner that consumes")
    assert not runner.consuming


async def test_a_runner_that_is_being_stopped_does_not_consume() -> None:
    held = asyncio.Event()

    @job
    async def waits() -> None:
        await held.wait()

    flowli = runtime(waits)
    runner = Runner(flowli, poll_interval="10ms")
    await runner.start()
    await flowli.use(waits).enqueue()
    await until(lambda: runner.consuming)
    stop = asyncio.create_task(runner.stop())
    await until(lambda: not runner.consuming, "a runner that drains")
    assert runner.running
    held.set()
    await stop


async def test_a_runner_whose_slots_are_full_is_ready() -> None:
    """It takes nothing more, and not because of the store."""
    held = asyncio.Event()

    @job
    async def waits() -> None:
        await held.wait()

    flowli = runtime(waits)
    async with Runner(flowli, concurrency=1, poll_interval="10ms") as runner:
        await flowli.use(waits).enqueue()
        await until(lambda: runner.consuming)
        assert runner.consuming
        held.set()


@pytest.mark.parametrize("kind", [ShakyDriver, RefusingDriver])
async def test_a_store_that_fails_is_told_and_so_is_its_return(
    kind: type[ShakyDriver], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flowli.runner")
    driver = kind()
    async with Runner(runtime(echo, driver=driver), poll_interval="10ms") as runner:
        await until(lambda: "consuming" in caplog.text)
        driver.is_down = True
        await until(lambda: "not consuming: the store does not answer" in caplog.text, "a word of the outage")
        assert not runner.consuming
        driver.is_down = False
        await until(lambda: runner.consuming, "a runner that consumes again")
        await until(lambda: [one.message for one in caplog.records].count("consuming") == 2)
    assert caplog.text.count("not consuming") == 1


async def test_a_store_that_says_nothing_is_no_ready_store() -> None:
    driver = SilentDriver()
    flowli = runtime(echo, driver=driver)
    async with Runner(flowli, poll_interval="10ms") as runner:
        await until(lambda: runner.consuming)
        driver.speaks.clear()
        await until(lambda: not runner.consuming, "a runner that notices the silence")
        driver.speaks.set()
        await until(lambda: runner.consuming, "a runner that consumes again")
        assert await (await flowli.use(echo).enqueue("x")).result(timeout=20) == "x"


async def test_a_store_that_is_away_from_the_first_claim_on_was_never_consumed_from() -> None:
    driver = ShakyDriver()
    flowli = runtime(echo, driver=driver)
    async with flowli:
        driver.is_down = True
        runner = Runner(flowli, poll_interval="10ms")
        await runner.start()
        await until(lambda: driver.failed > 2)
        assert runner.running and not runner.consuming
        driver.is_down = False
        await until(lambda: runner.consuming)
        await runner.stop()
