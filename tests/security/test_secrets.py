"""X7: a canary wherever a payload, a result or a secret can be is never seen in a log, an error or a repr.

The log is read at DEBUG from the root on, the client libraries' own loggers among it. Errors are read with their
tracebacks, causes and contexts.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from flowli import Flowli, Limits, Runner, job
from flowli.codec import HmacCodec
from flowli.driver import Change, Millis, NewJob, StoredSchedule
from flowli.resp.driver import RespDriver
from flowli_glide import GlideDriver
from flowli_memory import MemoryDriver
from flowli_redis import RedisDriver
from tests.support.jobs import job_of
from tests.support.outside import Outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

CANARY = "canary7f3a9"


def _as_any(value: Any) -> Any:
    return value


class Order(BaseModel):
    text: str
    number: int = 0

    @field_validator("number")
    @classmethod
    def _check(cls, value: int) -> int:
        if value < 0:
            raise ValueError("it is negative")
        return value


@job
async def echo(order: Order) -> Order:
    return order


@job
async def wrong(order: Order) -> int:
    result: int = _as_any(order.text)
    return result


@job(max_attempts=2)
async def invalid(order: Order) -> None:
    Order.model_validate({"text": order.text, "number": order.text})


@job
async def takes_meta(order: Order, *, meta: Order) -> None: ...


class App(Flowli):
    echo = echo
    wrong = wrong
    invalid = invalid
    takes_meta = takes_meta


def _app(driver: Any, **more: Any) -> App:
    return App(context=None, driver=driver, **more)


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, by whomever; looked at when the test is over."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert CANARY not in caplog.text
    assert [record for record in caplog.records if CANARY in f"{record.__dict__}"] == []


def _seen(error: BaseException) -> str:
    """All that a crash report would hold: text, repr, data, and those of causes and contexts."""
    text = "".join(traceback.format_exception(error))
    return f"{text} {error!r} {vars(error)!r}"


async def _raised(call: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        await call()
    return _seen(caught.value)


ORDER = Order(text=CANARY)
BAD: Any = {"text": CANARY, "number": CANARY}
CALLS: list[tuple[str, Callable[[App], Awaitable[object]]]] = [
    ("run", lambda app: app.echo.run(BAD)),
    ("enqueue", lambda app: app.echo.enqueue(BAD)),
    ("a validator of its own", lambda app: app.echo.enqueue(_as_any({"text": CANARY, "number": -1}))),
    ("enqueue_many", lambda app: app.echo.enqueue_many([ORDER, BAD])),
    ("delay", lambda app: app.echo.delay("1m", BAD)),
    ("schedule", lambda app: app.echo.schedule("1m", BAD, key="k")),
    ("meta", lambda app: app.takes_meta.enqueue(ORDER, meta=BAD)),
    ("meta that is not taken", lambda app: app.use(echo).enqueue(ORDER, meta=BAD)),
    ("swapped arguments", lambda app: app.echo.delay(CANARY, ORDER)),
    ("too long", lambda app: app.echo.enqueue(Order(text=CANARY * 100_000))),
    ("a wrong option", lambda app: app.echo.enqueue(ORDER, max_attempts=_as_any(CANARY))),
]


@pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS])
async def test_a_call_that_is_refused_shows_no_input(call: Callable[[App], Awaitable[object]]) -> None:
    app = _app(MemoryDriver())
    seen = await _raised(lambda: call(app))
    # Lines of this file that made the call are in the traceback; what they hold is not.
    assert CANARY not in seen


async def test_the_life_of_a_job_is_logged_without_its_payload(driver: RespDriver) -> None:
    app = _app(driver, limits=Limits(result_bytes=10_000))
    async with app:
        handles = [
            await app.echo.enqueue(ORDER),
            await app.wrong.enqueue(ORDER),
            await app.invalid.enqueue(ORDER),
            await app.takes_meta.enqueue(ORDER, meta=ORDER),
        ]
        await Runner(app).run_until_idle()
        records = [await handle.record() for handle in handles]
        errors = [record.error for record in records if record.error is not None]
        assert len(errors) >= 1 and CANARY not in f"{errors!r}", "nor is it in what is stored of an error"
        for handle in handles:
            assert CANARY not in f"{handle!r}"
    for shown in (app, driver, echo, app.echo):
        assert CANARY not in f"{shown!r} {shown}"


async def test_a_record_does_not_show_its_payload_by_accident(driver: RespDriver) -> None:
    app = _app(driver)
    async with app:
        handle = await app.echo.enqueue(ORDER)
        await Runner(app).run_until_idle()
        record = await handle.record()
        assert CANARY.encode() in (record.result_json or b"")
        assert CANARY not in repr(record)


async def test_what_was_stored_wrongly_is_not_shown(driver: RespDriver) -> None:
    app = _app(driver)
    body = f'{{"text": "{CANARY}", "number": "{CANARY}"}}'.encode()
    async with app:
        jobs = [
            NewJob("invalid", "default", "echo", b"1", body),
            NewJob("torn", "default", "echo", b"1", body[:-3]),
            NewJob("head", "default", "echo", b"1" + body, body),
            NewJob("newer", "default", "echo", body, body),
            NewJob("unknown", "default", "nobody", b"1", body),
        ]
        await driver.enqueue(jobs)
        schedule = StoredSchedule(key="torn", version=0, next_run_at=Millis(1), body=b"1" + body)
        await driver.change_schedules([Change(key="torn", expected=0, successor=schedule)])
        await Runner(app).run_once()
        found = [await app.inspect.get_job(one.id) for one in jobs]
        assert CANARY not in f"{[one and one.error for one in found]!r}"
        assert CANARY not in await _raised(lambda: app.echo.handle("invalid").result(timeout=5))


async def test_a_store_that_refuses_does_not_repeat_the_command(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, options=["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]).start()
    try:
        for kind in (RedisDriver, GlideDriver):
            driver = kind(server.url, prefix=kind.__name__)
            app = _app(driver, limits=Limits(payload_bytes=8_000_000))
            async with app:
                seen = await _raised(partial(app.echo.enqueue_many, [Order(text=CANARY * 10_000)] * 60))
                assert "QueueFull" in seen and CANARY not in seen
    finally:
        server.stop()


async def test_a_key_of_another_type_does_not_show_the_command(
    driver: RespDriver, client: Outside, prefix: str
) -> None:
    await client.ask("DEL", f"flowli:{{{prefix}}}:jobs")
    await client.ask("SET", f"flowli:{{{prefix}}}:jobs", "x")
    seen = await _raised(lambda: driver.enqueue([job_of(f"id-{CANARY}", body=CANARY.encode())]))
    assert "DriverError" in seen and CANARY not in seen


async def test_a_server_that_is_gone_does_not_show_the_command(tmp_path: Path) -> None:
    for kind in (RedisDriver, GlideDriver):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        server = ValkeyServer(folder).start()
        driver = kind(server.url, prefix="app")
        try:
            await driver.open()
        finally:
            server.kill()
        assert CANARY not in await _raised(partial(driver.enqueue, [job_of("a", body=CANARY.encode())]))
        await driver.close()


@pytest.mark.parametrize("kind", [RedisDriver, GlideDriver])
async def test_a_password_is_in_no_message(
    valkey_server: ValkeyServer, kind: type[RedisDriver] | type[GlideDriver]
) -> None:
    url = f"redis://{CANARY}:{CANARY}@127.0.0.1:{valkey_server.port}/0"
    driver = kind(url)
    assert CANARY not in f"{driver} {driver!r} {_app(driver)!r}"
    assert CANARY not in await _raised(driver.open)
    gone = kind(f"redis://{CANARY}:{CANARY}@127.0.0.1:1/0")
    assert CANARY not in await _raised(gone.open)
    for bad in (f"http://{CANARY}@x", f"redis://{CANARY}@x:{CANARY}"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
            kind(bad)
        assert CANARY not in _seen(caught.value)


def test_a_key_of_a_codec_is_in_no_message() -> None:
    key = (CANARY * 4).encode()
    assert CANARY not in f"{HmacCodec({'k': key}, sign_with='k')!r}"
