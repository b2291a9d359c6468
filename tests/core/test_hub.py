"""Who opens and closes a driver: first use, ``async with``, several runtimes, several event loops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowli import DriverClosed, Flowli, Runner
from flowli.hub import hub_of
from flowli_memory import MemoryDriver
from tests.core.work import App, Services, app, echo

pytestmark = pytest.mark.anyio


class Watched(MemoryDriver):
    """Counts how often it is opened and closed, and takes its time for both."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self._moving = False

    async def open(self) -> None:
        await self._move("open")
        await super().open()

    async def close(self) -> None:
        await super().close()
        await self._move("close")

    async def _move(self, what: str) -> None:
        assert not self._moving, "opened and closed at the same time"
        self._moving = True
        self.calls.append(what)
        for _ in range(3):
            await asyncio.sleep(0)
        self._moving = False


async def test_a_driver_opens_on_first_use_and_stays_open() -> None:
    driver = Watched()
    flowli = app(driver)
    assert driver.calls == []

    await flowli.echo.enqueue("x")
    await flowli.echo.enqueue("x")
    assert driver.calls == ["open"]


async def test_a_first_use_by_many_at_once_opens_it_once() -> None:
    driver = Watched()
    flowli = app(driver)

    await asyncio.gather(*(flowli.echo.enqueue("x") for _ in range(5)))
    assert driver.calls == ["open"]


async def test_async_with_opens_at_once_and_closes_for_certain() -> None:
    driver = Watched()

    async with app(driver) as flowli:
        assert driver.calls == ["open"]
        await flowli.echo.enqueue("x")
    assert driver.calls == ["open", "close"]
    with pytest.raises(DriverClosed):
        await driver.get_jobs(["x"])


async def test_async_with_closes_what_was_opened_on_first_use() -> None:
    driver = Watched()
    flowli = app(driver)
    await flowli.echo.enqueue("x")

    async with flowli:
        assert driver.calls == ["open"]
    assert driver.calls == ["open", "close"]


async def test_a_runtime_that_was_left_opens_its_driver_again() -> None:
    driver = Watched()
    flowli = app(driver)
    async with flowli:
        handle = await flowli.echo.enqueue("x")

    async with flowli:
        assert (await handle.record()).state == "queued"
    assert (await handle.record()).state == "queued"
    assert driver.calls == ["open", "close", "open", "close", "open"]


async def test_of_two_runtimes_that_share_a_driver_the_last_to_leave_closes_it() -> None:
    driver = Watched()
    one, other = app(driver), Flowli(context=None, jobs=[echo], driver=driver)

    async with one:
        async with other:
            handle = await one.echo.enqueue("x")
        assert driver.calls == ["open"]
        assert (await handle.record()).state == "queued"
        assert (await other.use(echo).handle(handle.id).record()).state == "queued"
    assert driver.calls == ["open", "close"]


async def test_nested_entries_of_one_runtime_close_it_at_the_outermost() -> None:
    driver = Watched()

    async with app(driver) as flowli:
        async with flowli:
            await flowli.echo.enqueue("x")
        assert driver.calls == ["open"]
    assert driver.calls == ["open", "close"]


async def test_a_runner_closes_what_it_opened() -> None:
    driver = Watched()

    assert await Runner(app(driver)).run_once() == 0
    assert driver.calls == ["open", "close"]


async def test_a_runner_leaves_open_what_was_in_use_before() -> None:
    driver = Watched()
    flowli = app(driver)
    handle = await flowli.echo.enqueue("x", queue="later")
    wait = asyncio.create_task(handle.result(timeout=20))
    await asyncio.sleep(0)

    await Runner(flowli, queues=["default"]).run_once()
    await Runner(flowli).run_once()
    assert await wait == "x"
    assert driver.calls == ["open"]


async def test_whoever_enters_while_another_leaves_gets_an_open_driver() -> None:
    driver = Watched()
    flowli = app(driver)

    async def use(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        async with flowli:
            await flowli.echo.enqueue("x")

    await asyncio.gather(*(use(turns) for turns in range(40)))
    assert (await flowli.inspect.get_queue_counts()).queued == 40
    opened = [at for at, call in enumerate(driver.calls) if call == "open"]
    assert opened == list(range(0, len(driver.calls), 2))


async def test_a_driver_that_does_not_open_fails_the_call_and_may_open_later() -> None:
    class Shut(MemoryDriver):
        shut = True

        async def open(self) -> None:
            if self.shut:
                raise DriverClosed("not yet")
            await super().open()

    driver = Shut()
    flowli = app(driver)
    with pytest.raises(DriverClosed, match="not yet"):
        await flowli.echo.enqueue("x")
    with pytest.raises(DriverClosed, match="not yet"):
        async with flowli:
            raise AssertionError("entered")
    driver.shut = False
    assert (await flowli.echo.enqueue("x")).state == "queued"


def test_one_runtime_serves_several_event_loops_one_after_another() -> None:
    flowli = app()

    async def enqueue(text: str) -> str:
        return (await flowli.echo.enqueue(text)).id

    async def execute() -> int:
        return await Runner(flowli).run_until_idle()

    async def result(id: str) -> str:
        return await flowli.echo.handle(id).result()

    ids = [asyncio.run(enqueue(text)) for text in "abc"]
    assert asyncio.run(execute()) == 3
    assert [asyncio.run(result(id)) for id in ids] == ["a", "b", "c"]


def test_async_with_may_be_used_in_several_event_loops_one_after_another() -> None:
    driver = Watched()
    flowli = app(driver)

    async def once() -> str:
        async with flowli:
            handle = await flowli.echo.enqueue("x")
            await Runner(flowli).run_once()
            return await handle.result()

    assert [asyncio.run(once()), asyncio.run(once())] == ["x", "x"]
    assert driver.calls == ["open", "close"] * 2


def test_one_runtime_serves_several_event_loops_at_the_same_time() -> None:
    flowli = app()
    together = threading.Barrier(3)

    async def enqueue(text: str) -> str:
        await flowli.echo.enqueue(text)
        together.wait(20)
        return (await flowli.echo.enqueue(text)).id

    with ThreadPoolExecutor(3) as threads:
        ids = list(threads.map(asyncio.run, [enqueue(text) for text in "abc"]))

    async def counted() -> int:
        return (await flowli.inspect.get_queue_counts()).queued

    assert len(set(ids)) == 3 and asyncio.run(counted()) == 6


def test_a_wait_in_one_loop_hears_of_a_job_that_another_loop_executes() -> None:
    flowli = app()
    handle = asyncio.run(flowli.echo.enqueue("x"))
    waiting = threading.Event()

    async def wait() -> str:
        task = asyncio.create_task(flowli.echo.handle(handle.id).result(timeout=20))
        await asyncio.sleep(0)
        waiting.set()
        return await task

    with ThreadPoolExecutor(1) as threads:
        waited = threads.submit(asyncio.run, wait())
        assert waiting.wait(20)
        assert asyncio.run(Runner(flowli).run_once()) == 1
        assert waited.result(20) == "x"


def test_runtimes_share_a_hub_exactly_where_they_share_a_driver() -> None:
    one, other = MemoryDriver(), MemoryDriver()

    hub = hub_of(one)
    assert hub_of(one) is hub
    assert hub_of(other) is not hub
    assert App(context=Services(), driver=one).__flowli__.hub is hub
