"""A server at its memory limit refuses new jobs, and executes those it has."""

from __future__ import annotations

import pytest

from flowli.driver import (
    Act,
    Change,
    Deed,
    Hold,
    Millis,
    Renewal,
    RunnerNote,
    Settled,
    State,
    StoredSchedule,
)
from flowli.errors import QueueFull
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_a_full_server_refuses_new_jobs_only(own_server: ValkeyServer, operator: Outside) -> None:
    driver = RedisDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([*(job_of(f"j{i}") for i in range(6)), job_of("soon")._replace(delay=Millis(60_000))])
    await operator.ask("CONFIG", "SET", "maxmemory", "1mb")
    schedule = StoredSchedule(key="daily", version=0, next_run_at=Millis(1), body=b"body")

    with pytest.raises(QueueFull):
        await driver.enqueue([job_of("new", body=b"CANARY")])
    with pytest.raises(QueueFull):
        await driver.change_schedules([Change(key="daily", expected=0, successor=schedule, jobs=[job_of("new")])])
    assert await driver.get_jobs(["new"]) == [None], "a step is refused whole"

    one, two, three, four, *_ = (await driver.exchange([], claim_of(5))).leases
    assert await driver.renew([Hold(one.queue, one.id, one.token)], Millis(60_000)) == [Renewal.RENEWED]
    written = [
        ended(one, keep_for=60_000),
        ended(two, state=State.SCHEDULED),
        ended(three, state=State.QUEUED),
        ended(four, state=State.FAILED, keep_for=60_000),
    ]
    assert (await driver.exchange(written, claim_of(0))).settled == [Settled.WRITTEN] * 4
    assert (await driver.act([Act(id="j5", deed=Deed.CANCEL, keep_for=Millis(60_000))]))[0].done
    assert not (await driver.act([Act(id="j4", deed=Deed.CANCEL)]))[0].done
    await driver.announce(RunnerNote(id="r", queues=None, note=b"", alive_until=Millis(4_000_000_000_000)))
    assert await driver.outcomes(["j4"], wait=Millis(1)) == {}
    assert (await driver.change_schedules([Change(key="daily", expected=0, successor=schedule)]))[0].applied
    assert len((await driver.exchange([], claim_of(5, queues=None))).leases) == 2, "the queue is served to its end"
    await driver.close()


async def test_recovery_and_sweeps_pass_on_a_full_server(own_server: ValkeyServer, operator: Outside) -> None:
    driver = RedisDriver(own_server.url, prefix="app")
    await driver.open()
    start = Millis(1_900_000_000_000)
    await driver.enqueue([job_of("lapses"), job_of("ends")], now=start)
    _, ends = (await driver.exchange([], claim_of(), now=start)).leases
    await driver.exchange([ended(ends, keep_for=1_000)], now=start)
    await operator.ask("CONFIG", "SET", "maxmemory", "1mb")
    found = await driver.exchange([], claim_of(0), now=Millis(start + 60_000))
    assert [item.id for item in found.recovered] == ["lapses"], "a full server hands back what lapsed"
    assert await operator.ask("HLEN", "flowli:{app}:jobs") == 1, "and sweeps what expired, which makes room"
    await driver.close()
