"""The testing kit: what was enqueued, time that a test moves, trouble on demand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from flowli import (
    Backoff,
    DriverUnavailable,
    EnqueueUnknown,
    Flowli,
    JobNotFoundError,
    Snooze,
    job,
)
from flowli.codec import HmacCodec
from flowli.events import JobCompleted, JobRetryScheduled, JobStarted
from flowli_memory import MemoryDriver
from flowli_memory.plugin import Rigs
from flowli_memory.testing import Rig
from flowli_redis import RedisDriver

pytestmark = pytest.mark.anyio


class Mail(BaseModel):
    to: str


class Meta(BaseModel):
    request: str


@job(max_attempts=3, backoff=Backoff(delay="1m"))
async def send(mail: Mail, *, ctx: list[str], meta: Meta | None = None) -> str:
    if mail.to == "broken":
        raise ConnectionError("no such host")
    ctx.append(mail.to)
    return mail.to


@job
async def tick(*, ctx: list[str]) -> None:
    ctx.append("tick")


@job
async def later(*, ctx: list[str]) -> None:
    if "snoozed" not in ctx:
        ctx.append("snoozed")
        raise Snooze("70m")
    ctx.append("woke")


class App(Flowli[list[str]]):
    send = send
    tick = tick
    later = later


app = App(context=["of the application"], driver=RedisDriver("redis://127.0.0.1:1/0", prefix="never"))


async def test_the_runtime_of_the_application_works_in_memory_and_goes_back_to_its_own_store(rig: Rigs) -> None:
    done: list[str] = []
    with Rig(app, context=done) as bed:
        handle = await app.send.enqueue(Mail(to="ada"))
        assert (await bed.drain()).completed == 1
        assert await handle.result() == "ada" and done == ["ada"]
    assert app.__flowli__.driver_name == "redis://127.0.0.1:1/0 prefix=never"
    assert not app.__flowli__.process_local
    bed = rig(app, context=done)
    with pytest.raises(JobNotFoundError):
        await app.send.handle(handle.id).record()
    assert bed.flowli is app


async def test_what_was_enqueued_is_compared_as_the_handler_will_see_it(rig: Rigs) -> None:
    bed = rig(app, context=[])
    await app.send.enqueue(Mail(to="ada"), meta=Meta(request="r1"), queue="mail", id="one")
    await app.send.delay("10m", Mail(to="alan"))
    [one] = bed.assert_enqueued(send, input=Mail(to="ada"), meta=Meta(request="r1"))
    assert (one.id, one.queue, one.due) == ("one", "mail", None)
    [two] = bed.assert_enqueued(app.send, input=Mail(to="alan"), count=1)
    assert two.due == bed.clock.now() + timedelta(minutes=10)
    bed.assert_enqueued(tick, count=0)

    with pytest.raises(AssertionError) as missed:
        bed.assert_enqueued(send, input=Mail(to="bob"))
    assert str(missed.value).splitlines()[0] == "send was not enqueued with input=Mail(to='bob')."
    assert "one: input=Mail(to='ada'), meta=Meta(request='r1')" in str(missed.value)
    with pytest.raises(AssertionError, match=r"tick was not enqueued\.\n  What was: send\."):
        bed.assert_enqueued(tick)


async def test_a_failure_fails_the_test_unless_it_is_meant(rig: Rigs) -> None:
    bed = rig(app, context=[])
    await app.send.enqueue(Mail(to="broken"))
    assert (await bed.drain()).retried == 1
    with pytest.raises(AssertionError, match=r"1 job\(s\) failed for good\. The first: send ") as failed:
        await bed.advance("1h")
    assert isinstance(failed.value.__cause__, ConnectionError)
    await app.send.enqueue(Mail(to="broken"), max_attempts=1)
    assert (await bed.drain(allow_failures=True)).failed == 1
    assert [type(one) for one in bed.events].count(JobRetryScheduled) == 2


async def test_time_passes_through_delays_snoozes_and_schedules(rig: Rigs) -> None:
    done: list[str] = []
    bed = rig(app, context=done)
    await app.send.delay("90m", Mail(to="ada"))
    await app.later.enqueue()
    await app.tick.schedule("1h", key="hourly")
    passed = await bed.advance("2h")

    assert done == ["snoozed", "tick", "woke", "ada", "tick"]
    assert (passed.attempts, passed.completed) == (5, 4)


async def test_every_job_may_run_twice(rig: Rigs) -> None:
    done: list[str] = []
    bed = rig(app, context=done, twice=True)
    handle = await app.send.enqueue(Mail(to="ada"))
    await app.tick.enqueue()
    await bed.drain()

    assert sorted(done) == ["ada", "ada", "tick", "tick"]
    assert await handle.result() == "ada"
    assert [type(one) for one in bed.events if one.job_name == "send"].count(JobStarted) == 2
    assert [type(one) for one in bed.events if one.job_name == "send"].count(JobCompleted) == 1


async def test_a_runner_that_dies_after_its_claim_is_made_good_by_the_end_of_the_lease(rig: Rigs) -> None:
    done: list[str] = []
    bed = rig(app, context=done)
    handle = await app.send.enqueue(Mail(to="ada"))
    bed.crash()
    assert (await bed.drain()).attempts == 0
    assert (await handle.record()).state == "active"
    await bed.advance("31s")

    assert done == ["ada"] and (await handle.record()).deliveries == 1


async def test_a_lost_reply_is_unknown_to_the_caller_and_repeated_under_its_id(rig: Rigs) -> None:
    done: list[str] = []
    bed = rig(app, context=done)
    bed.lose_reply()
    with pytest.raises(EnqueueUnknown) as unknown:
        await app.send.enqueue(Mail(to="ada"), id="one")
    assert unknown.value.job_ids == ("one",)
    assert (await app.send.enqueue(Mail(to="ada"), id="one")).deduplicated
    await bed.drain()
    assert done == ["ada"]


async def test_an_outage_meets_callers_at_once_and_leaves_what_was_stored(rig: Rigs) -> None:
    bed = rig(app, context=[])
    handle = await app.send.enqueue(Mail(to="ada"))
    with bed.outage():
        with pytest.raises(DriverUnavailable, match="as the test asked"):
            await app.send.enqueue(Mail(to="alan"))
        with pytest.raises(DriverUnavailable):
            await bed.drain()
    await bed.drain()
    assert await handle.result() == "ada"


def test_a_test_needs_no_event_loop(rig: Rigs) -> None:
    done: list[str] = []
    bed = rig(app, context=done)
    handle = app.send.sync.enqueue(Mail(to="ada"))
    app.tick.sync.delay("1h")
    assert bed.drain_sync().completed == 1 and handle.result() == "ada"
    assert bed.advance_sync("1h").completed == 1 and done == ["ada", "tick"]


async def test_a_codec_stays_in_its_place(rig: Rigs) -> None:
    signed = App(context=[], driver=MemoryDriver(), codec=HmacCodec({"k": b"0" * 32}, sign_with="k"))
    bed = rig(signed)
    await signed.send.enqueue(Mail(to="ada"))
    bed.assert_enqueued(send, input=Mail(to="ada"), count=1)
    assert (await bed.drain()).completed == 1


_USERS = """
    import pytest
    from flowli import Flowli, job
    from flowli_redis import RedisDriver

    @job
    async def greet(name: str) -> str:
        return f"hello {name}"

    class App(Flowli):
        greet = greet

    app = App(context=None, driver=RedisDriver("redis://127.0.0.1:1/0", prefix="x"))

    MARK
    async def test_greet(rig):
        bed = rig(app)
        handle = await app.greet.enqueue("Ada")
        await bed.drain()
        assert await handle.result() == "hello Ada"
        bed.assert_enqueued(greet, input="Ada", count=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("@pytest.mark.asyncio", ["-p", "asyncio", "-o", "asyncio_mode=strict"]),
        ("", ["-p", "asyncio", "-o", "asyncio_mode=auto"]),
        ("@pytest.mark.anyio", ["-p", "no:asyncio"]),
    ],
)
def test_it_works_under_every_plugin_for_event_loops(mark: str, options: list[str], tmp_path: Path) -> None:
    text = textwrap.dedent(_USERS).replace("MARK", mark)
    (tmp_path / "test_users.py").write_text(text, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:valkey", *options]
    command += ["-o", "asyncio_default_fixture_loop_scope=function"] if "asyncio" in options else []
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_many_rigs_after_one_another_on_loops_of_their_own() -> None:
    async def once() -> int:
        with Rig(app, context=[]) as bed:
            await app.tick.enqueue()
            return (await bed.drain()).completed

    assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
