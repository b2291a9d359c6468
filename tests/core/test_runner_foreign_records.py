"""Records that are not for this runner: unknown, unreadable, of a newer format, or invalid."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel

from flowli import Defaults, Runner, job
from flowli.driver import Millis, NewJob, Settlement, State
from flowli.records import FailureReason, WaitingFor
from flowli_memory import ManualClock
from tests.core.runner_kit import bare_lease, driver_of, hearing, lost_runner, raw_job, record, runtime, store_raw

pytestmark = pytest.mark.anyio

PARKED = Defaults(unknown_ttl="1h")

HEADS = {
    "newer": b"2{}",
    "no head": b"",
    "no JSON": b"1{",
    "no object": b"1[]",
    "wrong types": b'1{"a":"many"}',
    "negative": b'1{"r":-5}',
    "boundless": b'1{"t":99999999999999999999}',
    "no backoff": b'1{"b":7}',
    "binary": b"\xff\x00",
}
MEMOS = {"no JSON": b"{", "binary": b"\xff\xfe", "wrong types": b'{"f":"two"}', "unknown reason": b'{"r":"whim"}'}
BODIES = {"no JSON": b'{"', "binary": b"\xff", "empty": b"", "cut": b'"tex'}


class Mail(BaseModel):
    to: str


@job
async def echo(text: str) -> str:
    return text


@job
async def mail(input: Mail, *, meta: Mail) -> str:
    return input.to


async def test_an_unknown_name_is_parked_and_makes_no_attempt() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(name="other"))
    assert await Runner(flowli).run_once() == 0
    found = await record(flowli)
    assert (found.state, found.waiting_for, found.attempts_made, found.failures) == (
        State.SCHEDULED,
        WaitingFor.RUNNER,
        0,
        0,
    )


async def test_a_parked_job_is_executed_by_a_runner_that_knows_it() -> None:
    clock = ManualClock()
    old = runtime(echo, clock=clock)
    await store_raw(old, raw_job(name="newcomer", body=b"null"))
    await Runner(old).run_once()

    @job
    async def newcomer() -> str:
        return "here"

    new = runtime(newcomer, driver=await driver_of(old))
    clock.advance("1s")
    assert await Runner(new).run_once() == 1
    found = await record(new)
    assert (found.state, found.attempts_made, found.waiting_for) == (State.COMPLETED, 1, None)


async def test_an_unknown_name_fails_with_its_reason_when_unknown_ttl_has_passed() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(name="other", head=b'1{"u":3600000}'))
    for _ in range(70):
        await Runner(flowli).run_once()
        clock.advance("1m1s")
    found = await record(flowli)
    assert (found.state, found.reason, found.attempts_made, found.failures) == (
        State.FAILED,
        FailureReason.UNKNOWN,
        0,
        0,
    )
    assert found.expires_at is not None
    assert found.expires_at - clock.now() > timedelta(days=6)


@pytest.mark.slow
async def test_a_parked_job_is_claimed_ever_more_rarely() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(name="other"))
    runner = Runner(flowli)
    heard = hearing(runner)
    for _ in range(600):
        await runner.run_once()
        clock.advance("1s")
    assert 6 < len(heard) < 18


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_an_unreadable_head_is_parked_and_fails_in_the_end(head: bytes) -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock, defaults=PARKED)
    await store_raw(flowli, raw_job(head=head))
    assert await Runner(flowli).run_once() == 0
    assert (await record(flowli)).waiting_for == WaitingFor.RUNNER
    for _ in range(70):
        clock.advance("1m1s")
        assert await Runner(flowli).run_once() == 0
    found = await record(flowli)
    assert (found.state, found.reason) == (State.FAILED, FailureReason.UNREADABLE)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_an_unreadable_body_is_parked_and_fails_in_the_end(body: bytes) -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(head=b'1{"u":60000}', body=body))
    assert await Runner(flowli).run_once() == 0
    assert (await record(flowli)).waiting_for == WaitingFor.RUNNER
    for _ in range(10):
        clock.advance("30s")
        assert await Runner(flowli).run_once() == 0
    found = await record(flowli)
    assert (found.state, found.reason, found.input_json) == (State.FAILED, FailureReason.UNREADABLE, body)


@pytest.mark.parametrize("memo", MEMOS.values(), ids=MEMOS.keys())
async def test_an_unreadable_memo_is_parked_and_fails_in_the_end(memo: bytes) -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(head=b'1{"u":60000}'))
    driver = await driver_of(flowli)
    [lease] = await bare_lease(flowli)
    await driver.exchange([Settlement(lease.id, lease.queue, lease.token, State.QUEUED, memo)])
    for _ in range(10):
        assert await Runner(flowli).run_once() == 0
        clock.advance("30s")
    found = await record(flowli)
    assert (found.state, found.reason) == (State.FAILED, FailureReason.UNREADABLE)


async def test_a_parked_memo_is_kept_for_the_runner_that_can_read_it() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job())
    driver = await driver_of(flowli)
    [lease] = await bare_lease(flowli)
    newer = b'2{"of another":"format"}'
    await driver.exchange([Settlement(lease.id, lease.queue, lease.token, State.QUEUED, newer)])
    for _ in range(3):
        await Runner(flowli).run_once()
        clock.advance("10s")
    [stored] = await (await driver_of(flowli)).get_jobs(["raw"])
    assert stored is not None
    assert stored.memo.endswith(b"\n" + newer)


async def test_a_parked_memo_that_turns_out_readable_counts_on() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job())
    driver = await driver_of(flowli)
    [lease] = await bare_lease(flowli)
    parked = b'{"p":1,"n":3,"w":"runner"}\n{"a":4,"f":2}'
    await driver.exchange([Settlement(lease.id, lease.queue, lease.token, State.QUEUED, parked)])
    assert await Runner(flowli).run_once() == 1
    found = await record(flowli)
    assert (found.state, found.attempts_made, found.failures) == (State.COMPLETED, 5, 2)


@pytest.mark.parametrize(
    ("body", "what"), [(b'{"to":5}\n{"to":"a"}', "input"), (b'{"to":"a"}\n{}', "meta"), (b'{"to":"a"}', "meta")]
)
async def test_an_invalid_stored_payload_fails_at_once_without_an_attempt(body: bytes, what: str) -> None:
    flowli = runtime(mail, clock=ManualClock())
    await store_raw(flowli, raw_job(name="mail", head=b'1{"a":9}', body=body))
    assert await Runner(flowli).run_once() == 0
    found = await record(flowli)
    assert (found.state, found.reason, found.attempts_made, found.failures) == (
        State.FAILED,
        FailureReason.VALIDATION,
        0,
        0,
    )
    assert found.error is not None
    assert what in found.error.message
    assert found.error.code == "FLOWLI_VALIDATION_ERROR"


async def test_a_crash_before_parking_is_no_lost_attempt_count() -> None:
    clock = ManualClock()
    flowli = runtime(echo, clock=clock)
    await store_raw(flowli, raw_job(name="other"))
    await lost_runner(flowli, clock)
    await Runner(flowli).run_once()
    assert (await record(flowli)).deliveries == 1


async def test_bad_records_do_not_keep_good_ones_waiting() -> None:
    clock = ManualClock()
    flowli = runtime(echo, mail, clock=clock)
    bad = [NewJob(f"head-{n}", "default", "echo", head, b'"x"') for n, head in enumerate(HEADS.values())]
    bad += [NewJob(f"body-{n}", "default", "echo", b"1", body) for n, body in enumerate(BODIES.values())]
    bad += [NewJob(f"name-{n}", "default", "nobody", b"1", b"null", due=Millis(0)) for n in range(10)]
    bad += [NewJob(f"invalid-{n}", "default", "mail", b"1", b"5") for n in range(10)]
    await store_raw(flowli, *bad)
    good = await flowli.use(echo).enqueue_many([str(n) for n in range(50)])
    assert await Runner(flowli, concurrency=3).run_once() == 50
    assert {(await record(flowli, one.id)).state for one in good} == {State.COMPLETED}
    assert (await flowli.inspect.get_queue_counts()).queued == 0
