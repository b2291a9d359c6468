"""F15: what is stored is damaged, field by field and key by key. The damaged job says so; all others are done."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from flowli import DriverError
from flowli.driver import NewJob
from flowli.options import Defaults
from flowli.records import State
from flowli.wire import encode_head
from tests.faults.conftest import Figure
from tests.faults.lab import SECRET, Lab
from tests.support.outside import outside

pytestmark = pytest.mark.anyio

_SOON = encode_head(Defaults(unknown_ttl="1500ms").resolved())
_GOOD = b'"%b"' % SECRET.encode()
_DEEP = b"[" * 100_000

DAMAGE: dict[str, tuple[bytes, bytes, str]] = {
    "truncated body": (_SOON, _GOOD[:-3], "unreadable"),
    "empty body": (_SOON, b"", "unreadable"),
    "no text": (_SOON, b"\xff\xfe\x00", "unreadable"),
    "too deep": (_SOON, _DEEP, "unreadable"),
    "wrong type": (_SOON, b"7", "validation"),
    "not a number": (_SOON, b"NaN", "validation"),
    "huge number": (_SOON, b"9" * 5_000, "unreadable"),
    "missing": (_SOON, b"null", "validation"),
}
"""Head, body and the reason with which such a job fails."""

HEADS = [b"", b"\x00", b"9", b"99999999999999999999", b"1{", b'1{"t":"x"}', b"1" + b"{" * 1_000, b"1\xff"]
"""Heads that no release ever wrote: their jobs are parked, and never run."""


@pytest.mark.quick
async def test_damaged_payloads_fail_with_a_reason_beside_fifty_good_ones(lab: Lab, figure: Figure) -> None:
    driver = await lab.app.__flowli__.driver("a test")
    damaged = [
        NewJob(f"damaged-{number}", "default", "quick", head, body)
        for number, (head, body, _) in enumerate(DAMAGE.values())
    ]
    parked = [NewJob(f"parked-{number}", "default", "quick", head, _GOOD) for number, head in enumerate(HEADS)]
    await driver.enqueue([*damaged, *parked])
    good = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 50)
    await lab.start(2)
    for handle in good:
        assert await handle.result(timeout=30) > 0

    async def all_failed() -> bool:
        found = [await lab.app.inspect.get_job(job.id) for job in damaged]
        return all(one is not None and one.state is State.FAILED for one in found)

    await lab.until(all_failed, "the end of the damaged")
    reasons = [(await lab.app.quick.handle(job.id).record()).reason for job in damaged]
    assert dict(zip(DAMAGE, reasons, strict=True)) == {name: reason for name, (_, _, reason) in DAMAGE.items()}
    for job in parked:
        record = await lab.app.quick.handle(job.id).record()
        assert (record.state, record.waiting_for, record.failures) == (State.SCHEDULED, "runner", 0)
        assert record.input_json == _GOOD, "the raw bytes are kept"
    assert {run.job for run in lab.history.runs} == {handle.id for handle in good}
    for job in parked:
        await lab.app.control.cancel(job.id)
    await lab.check()
    figure("one corrupt record in the queue", f"{len(DAMAGE)} kinds fail with a reason, others unaffected")


async def test_a_damaged_state_of_one_job_leaves_the_others_alone(lab: Lab) -> None:
    """Its memo, as a settlement would have left it: another format, no format, the end of one."""
    memos = [b"S0 0\n\xff\xff", b"S0 0\n9{}", b"S0 0\n1{", b"S0 0\n" + b"1" * 1_000]
    root = f"flowli:{{{lab.prefix}}}:"
    handles = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 50)
    async with outside(lab.server.url) as operator:
        for handle, memo in zip(handles, memos, strict=False):
            await operator.ask("HSET", f"{root}state", handle.id, memo)
    await lab.start()
    for handle in handles[len(memos) :]:
        assert await handle.result(timeout=30) > 0
    for handle in handles[: len(memos)]:
        record = await handle.record()
        assert (record.waiting_for, record.failures) == ("runner", 0)
        await handle.cancel()
    await lab.check()


@pytest.mark.parametrize("damage", ["deleted", "another type"])
async def test_no_runner_ends_whatever_key_is_damaged(lab: Lab, damage: str) -> None:
    """Each key in turn, while jobs run: runners go on, and do new jobs once the key is gone or as it was."""
    await lab.start(2)
    await lab.app.ticks.schedule("1s", key="every-second")
    client: Any = Redis.from_url(lab.server.url)  # pyright: ignore[reportUnknownMemberType]
    async with client:
        await lab.send_many(lab.app.naps.enqueue_many, [0.2] * 20)
        await lab.app.quick.delay("1h", SECRET)
        await lab.until_runs(5)
        names: list[bytes] = [name async for name in client.scan_iter(match=f"flowli:{{{lab.prefix}}}:*")]
        assert len(names) > 8
        for name in sorted(names):
            if damage == "deleted":
                await client.delete(name)
            else:
                before = await client.dump(name)
                await client.delete(name)
                await client.set(name, b"not what it was")
                await _try_to_enqueue(lab)
                await client.delete(name)
                if before is not None:
                    await client.restore(name, 0, before, replace=True)
            after = await lab.app.quick.enqueue(SECRET)
            assert await after.result(timeout=30) > 0, name
    for runner in lab.runners:
        assert runner.is_alive, runner.said[-2000:]
        assert SECRET not in runner.said


async def _try_to_enqueue(lab: Lab) -> None:
    """It may be refused, with an error of ours and no other."""
    with suppress(DriverError):
        await lab.app.quick.enqueue(SECRET)
