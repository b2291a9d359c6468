"""``lifespan=``: what lives as long as the runtime is open, and the context factory that takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from flowli import DefinitionError, Flowli, Runner, StrategyError, job
from flowli_memory import MemoryDriver

pytestmark = pytest.mark.anyio


@dataclass
class Pool:
    """What a lifespan makes; it counts how often."""

    made: int = 0
    closed: int = 0
    events: list[str] = field(default_factory=list[str])

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Pool]:
        self.made += 1
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            self.closed += 1


@job
async def look(text: str, *, ctx: Pool) -> int:
    ctx.events.append(text)
    return ctx.made


class App(Flowli[Pool]):
    look = look


def taken(pool: Pool) -> Pool:
    return pool


async def taken_later(pool: Pool) -> Pool:
    return pool


async def wrapped(pool: Pool) -> AsyncIterator[Pool]:
    pool.events.append("setup")
    yield pool
    pool.events.append("teardown")


async def not_decorated() -> AsyncIterator[None]:
    yield None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: {"lifespan": Pool().open()}, "lifespan= takes a function; got _Async.* Pass the function itself"),
        (lambda: {"lifespan": 5}, "lifespan= takes a function; got int"),
        (lambda: {"lifespan": not_decorated}, "decorated with contextlib.asynccontextmanager"),
        (lambda: {"context": taken_later(Pool())}, "a factory; got coroutine. Pass the factory itself, without"),
        (lambda: {"context": wrapped(Pool())}, "a factory; got async_generator. Pass the factory itself"),
    ],
    ids=["entered once", "no function", "not decorated", "awaited once", "iterated once"],
)
def test_what_could_serve_one_execution_alone_is_refused(given: Callable[[], dict[str, Any]], said: str) -> None:
    arguments: dict[str, Any] = {"context": None, **given()}
    with pytest.raises(DefinitionError, match=said):
        Flowli(**arguments)


def on(pool: Pool) -> App:
    return App(context=taken, driver=MemoryDriver(), lifespan=pool.open)


async def test_it_is_entered_once_for_all_executions_of_an_open_runtime() -> None:
    pool = Pool()

    async with on(pool) as flowli:
        assert [await flowli.look.run("x"), await flowli.look.run("y")] == [1, 1]
        assert (pool.made, pool.closed) == (1, 0)
    assert (pool.made, pool.closed) == (1, 1)


@pytest.mark.parametrize("source", [taken, taken_later, wrapped])
async def test_a_factory_of_each_form_may_take_its_value(source: object) -> None:
    pool = Pool()

    async with App(context=source, lifespan=pool.open) as flowli:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert await flowli.look.run("x") == 1
    assert "x" in pool.events


async def test_a_factory_need_not_take_it() -> None:
    pool, other = Pool(), Pool(made=7)

    async with App(context=lambda: other, lifespan=pool.open) as flowli:
        assert await flowli.look.run("x") == 7
    assert pool.closed == 1


async def test_a_value_may_stand_beside_it() -> None:
    pool, other = Pool(), Pool(made=7)

    async with App(context=other, lifespan=pool.open) as flowli:
        assert await flowli.look.run("x") == 7
    assert (pool.made, pool.closed) == (1, 1)


async def test_without_it_entered_the_factory_cannot_be_called() -> None:
    with pytest.raises(
        StrategyError, match=r"needs the value of lifespan=, which is not entered.*`async with flowli:`"
    ):
        await on(Pool()).look.run("x")


async def test_enqueueing_needs_no_lifespan() -> None:
    pool = Pool()

    assert (await on(pool).look.enqueue("x")).state == "queued"
    assert pool.made == 0


async def test_a_runner_enters_it_by_itself() -> None:
    pool = Pool()
    flowli = on(pool)
    handle = await flowli.look.enqueue("x")

    assert await Runner(flowli).run_once() == 1
    assert await handle.result() == 1
    assert (pool.made, pool.closed) == (1, 1)


async def test_a_runner_of_an_open_runtime_uses_what_is_there() -> None:
    pool = Pool()

    async with on(pool) as flowli:
        await flowli.look.enqueue("x")
        assert await Runner(flowli).run_once() == 1
        assert await flowli.look.run("y") == 1
        assert (pool.made, pool.closed) == (1, 0)
    assert (pool.made, pool.closed) == (1, 1)


async def test_a_runtime_may_be_entered_again() -> None:
    pool = Pool()
    flowli = on(pool)

    for time in (1, 2):
        async with flowli:
            assert await flowli.look.run("x") == time
    with pytest.raises(StrategyError):
        await flowli.look.run("x")
    assert (pool.made, pool.closed) == (2, 2)


async def test_nested_entries_share_one_and_the_outermost_ends_it() -> None:
    pool = Pool()

    async with on(pool) as flowli:
        async with flowli:
            assert await flowli.look.run("x") == 1
        assert await flowli.look.run("x") == 1
        assert pool.closed == 0
    assert (pool.made, pool.closed) == (1, 1)


async def test_entries_at_the_same_time_share_one() -> None:
    pool = Pool()
    flowli = on(pool)

    async def use() -> int:
        async with flowli:
            return await flowli.look.run("x")

    assert await asyncio.gather(*(use() for _ in range(5))) == [1] * 5
    assert (pool.made, pool.closed) == (1, 1)


async def test_whoever_entered_first_may_leave_first() -> None:
    pool = Pool()
    flowli = on(pool)
    first_left, second_entered = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with flowli:
            await second_entered.wait()
        first_left.set()

    async def second() -> int:
        async with flowli:
            second_entered.set()
            await first_left.wait()
            return await flowli.look.run("x")

    assert (await asyncio.gather(first(), second()))[1] == 1
    assert (pool.made, pool.closed) == (1, 1)


async def test_one_that_cannot_be_entered_leaves_nothing_open() -> None:
    driver = MemoryDriver()

    @asynccontextmanager
    async def broken() -> AsyncGenerator[Pool]:
        if driver.process_local:
            raise OSError("no connection")
        yield Pool()

    flowli = App(context=taken, driver=driver, lifespan=broken)
    with pytest.raises(OSError, match="no connection"):
        async with flowli:
            raise AssertionError("entered")
    with pytest.raises(OSError, match="no connection"):
        await Runner(flowli).run_once()
    assert (await flowli.look.enqueue("x")).state == "queued"


async def test_an_error_at_its_end_is_raised_and_the_runtime_is_left() -> None:
    @asynccontextmanager
    async def ends_badly() -> AsyncGenerator[Pool]:
        yield Pool(made=1)
        raise OSError("cannot close")

    flowli = App(context=taken, lifespan=ends_badly)
    with pytest.raises(OSError, match="cannot close"):
        async with flowli:
            assert await flowli.look.run("x") == 1
    with pytest.raises(StrategyError, match="not entered"):
        await flowli.look.run("x")
