"""The forms of a context: what a handler gets from each, when it is torn down, and what its errors lead to."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from flowli import Cancel, DefinitionError, Flowli, JobFailedError, Retry, Runner, job
from flowli_memory import MemoryDriver
from tests.core.work import Services

pytestmark = pytest.mark.anyio

EVENTS: list[str] = []


@pytest.fixture(autouse=True)
def no_events() -> Iterator[None]:
    EVENTS.clear()
    yield
    EVENTS.clear()


@job
async def look(text: str, *, ctx: Services) -> int:
    ctx.log.append(text)
    EVENTS.append("handler")
    return len(ctx.log)


@job
def look_in_a_thread(text: str, *, ctx: Services) -> int:
    ctx.log.append(text)
    return len(ctx.log)


@job
async def fails(text: str, *, ctx: Services) -> None:
    raise {"retry": Retry, "cancel": Cancel}.get(text, LookupError)(text)


@job
async def without(text: str) -> str:
    return text


class App(Flowli[Services]):
    look = look
    look_in_a_thread = look_in_a_thread
    fails = fails
    without = without


def from_function() -> Services:
    return Services(["made"])


def from_a_default(first: str = "made") -> Services:
    return Services([first])


async def from_coroutine() -> Services:
    return Services(["made"])


def from_generator() -> Iterator[Services]:
    EVENTS.append("setup")
    yield Services(["made"])
    EVENTS.append("teardown")


async def from_async_generator() -> AsyncIterator[Services]:
    EVENTS.append("setup")
    yield Services(["made"])
    EVENTS.append("teardown")


@contextmanager
def from_manager() -> Generator[Services]:
    EVENTS.append("setup")
    yield Services(["made"])
    EVENTS.append("teardown")


@asynccontextmanager
async def from_async_manager() -> AsyncGenerator[Services]:
    EVENTS.append("setup")
    yield Services(["made"])
    EVENTS.append("teardown")


class Maker:
    """Methods are factories, and so are classes; the object itself is a value."""

    def plain(self) -> Services:
        return Services(["made"])

    async def awaited(self) -> Services:
        return Services(["made"])

    async def generated(self) -> AsyncIterator[Services]:
        EVENTS.append("setup")
        yield Services(["made"])
        EVENTS.append("teardown")

    @staticmethod
    def static() -> Services:
        return Services(["made"])

    @classmethod
    def of_the_class(cls) -> Services:
        return Services(["made"])


class Made(Services):
    """A class without parameters that must be filled."""

    def __init__(self, log: list[str] | None = None) -> None:
        super().__init__(log or ["made"])


class CallableServices(Services):
    """A value that can be called, and is not."""

    def __call__(self) -> Services:
        raise AssertionError("a callable value is no factory")


SIMPLE: dict[str, Callable[[], Any]] = {
    "function": from_function,
    "lambda": lambda: Services(["made"]),
    "coroutine function": from_coroutine,
    "method": Maker().plain,
    "async method": Maker().awaited,
    "static method": Maker.static,
    "class method": Maker.of_the_class,
    "class": Made,
    "partial": functools.partial(Made),
    "partial of a coroutine function": functools.partial(from_coroutine),
    "function with a default": from_a_default,
}
TORN_DOWN: dict[str, Callable[[], Any]] = {
    "generator": from_generator,
    "async generator": from_async_generator,
    "context manager": from_manager,
    "async context manager": from_async_manager,
    "async generator method": Maker().generated,
    "partial of a generator": functools.partial(from_generator),
    "partial of an async generator": functools.partial(from_async_generator),
    "partial of a context manager": functools.partial(from_async_manager),
}


@pytest.mark.parametrize("source", SIMPLE.values(), ids=SIMPLE)
async def test_a_factory_makes_the_context_of_each_execution_anew(source: Callable[[], Any]) -> None:
    flowli = App(context=source)

    assert [await flowli.look.run("x"), await flowli.look.run("y")] == [2, 2]


@pytest.mark.parametrize("source", TORN_DOWN.values(), ids=TORN_DOWN)
async def test_a_factory_with_a_teardown_is_torn_down_after_each_execution(source: Callable[[], Any]) -> None:
    flowli = App(context=source)

    assert [await flowli.look.run("x"), await flowli.look.run("y")] == [2, 2]
    assert EVENTS == ["setup", "handler", "teardown"] * 2


@pytest.mark.parametrize("source", [from_function, from_async_generator, from_manager])
async def test_a_sync_handler_gets_it_too(source: Callable[[], Any]) -> None:
    assert await App(context=source).look_in_a_thread.run("x") == 2


@pytest.mark.parametrize("value", [Services(), CallableServices()], ids=["plain", "callable"])
async def test_a_value_is_shared_by_all_executions(value: Services) -> None:
    flowli = App(context=value)

    assert [await flowli.look.run("x"), await flowli.look.run("y")] == [1, 2]
    assert value.log == ["x", "y"]


async def test_a_handler_without_ctx_costs_no_context() -> None:
    assert await App(context=from_generator).without.run("x") == "x"
    assert EVENTS == []


async def test_the_teardown_comes_before_the_settlement() -> None:
    driver = MemoryDriver()
    states: list[str] = []

    async def source() -> AsyncIterator[Services]:
        yield Services()
        record = await flowli.inspect.get_job("one")
        states.append(record.state if record else "gone")

    flowli = App(context=source, driver=driver)
    handle = await flowli.look.enqueue("x", id="one")
    await Runner(flowli).run_once()
    assert states == ["active"]
    assert (await handle.record()).state == "completed"


async def test_an_exception_in_the_teardown_fails_the_attempt() -> None:
    async def source() -> AsyncIterator[Services]:
        yield Services()
        raise OSError("cannot commit")

    flowli = App(context=source, driver=MemoryDriver())
    with pytest.raises(OSError, match="cannot commit"):
        await flowli.look.run("x")
    handle = await flowli.look.enqueue("x")
    await Runner(flowli).run_once()
    with pytest.raises(JobFailedError, match="OSError: cannot commit"):
        await handle.result()


async def test_an_exception_in_the_setup_fails_the_attempt_before_the_handler() -> None:
    def source() -> Services:
        raise OSError("no connection")

    with pytest.raises(OSError, match="no connection"):
        await App(context=source).look.run("x")
    assert EVENTS == []


@pytest.mark.parametrize(("text", "kind"), [("other", LookupError), ("retry", Retry), ("cancel", Cancel)])
async def test_the_handlers_exception_reaches_the_context_manager(text: str, kind: type[Exception]) -> None:
    seen: list[BaseException] = []

    @asynccontextmanager
    async def source() -> AsyncGenerator[Services]:
        try:
            yield Services()
        except BaseException as exc:
            seen.append(exc)
            raise

    with pytest.raises(kind) as raised:
        await App(context=source).fails.run(text)
    assert seen == [raised.value]


@pytest.mark.parametrize("text", ["other", "retry", "cancel"])
async def test_a_context_that_swallows_the_exception_fails_the_attempt_and_is_named(text: str) -> None:
    async def source() -> AsyncIterator[Services]:
        try:
            yield Services()
        except Exception as exc:
            EVENTS.append(type(exc).__name__)

    flowli = App(context=source, driver=MemoryDriver())
    with pytest.raises(RuntimeError, match="Job 'fails': its context swallowed the handler's exception"):
        await flowli.fails.run(text)
    handle = await flowli.fails.enqueue(text)
    await Runner(flowli).run_once()
    with pytest.raises(JobFailedError, match="swallowed"):
        await handle.result()


async def test_a_timeout_reaches_the_context_manager_and_waits_for_its_teardown() -> None:
    async def source() -> AsyncIterator[Services]:
        try:
            yield Services()
        finally:
            EVENTS.append("teardown")

    async def for_ever(text: str, *, ctx: Services) -> None:
        await asyncio.Event().wait()

    made = job(name="forever", timeout="20ms")(for_ever)
    with pytest.raises(TimeoutError):
        await Flowli(context=source, jobs=[made]).use(made).run("x")
    assert EVENTS == ["teardown"]


def test_a_factory_that_needs_more_than_it_gets_is_refused_at_construction() -> None:
    def needs_two(first: object, second: object) -> Services:
        raise AssertionError

    def needs_one(first: object) -> Services:
        raise AssertionError

    with pytest.raises(DefinitionError, match="parameter"):
        App(context=needs_two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def needs_a_name(*, first: object) -> Services:
        raise AssertionError

    with pytest.raises(DefinitionError, match="without parameters"):
        App(context=needs_a_name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(DefinitionError, match="lifespan"):
        App(context=needs_one)
