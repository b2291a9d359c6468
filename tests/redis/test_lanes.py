"""Two lanes, one order: what the layout of the keys makes delicate, at instants that the test chooses."""

from __future__ import annotations

import random

import pytest

from flowli.driver import Act, Deed, Hold, Lease, Millis, NewJob, State
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of

pytestmark = pytest.mark.anyio

START = 1_900_000_000_000


def _at(offset: int) -> Millis:
    return Millis(START + offset)


async def _served(driver: RedisDriver, limit: int = 100, *, queues: tuple[str, ...] = ("mail",)) -> list[Lease]:
    return list((await driver.exchange([], claim_of(limit, queues=queues), now=_at(100_000))).leases)


async def _cancel(driver: RedisDriver, *ids: str) -> None:
    await driver.act([Act(id=id, deed=Deed.CANCEL) for id in ids], now=_at(0))


async def test_a_clock_that_steps_back_does_not_break_the_order(driver: RedisDriver) -> None:
    for id, offset in (("b", 10), ("a", 5), ("d", 20), ("c", 15)):
        await driver.enqueue([job_of(id)], now=_at(offset))
    assert [lease.id for lease in await _served(driver)] == ["a", "b", "c", "d"]


async def test_both_lanes_are_served_as_one(driver: RedisDriver) -> None:
    draw = random.Random(7)
    jobs = [job_of(f"j{n:03}", priority=draw.choice([0, 0, 0, 4])) for n in range(200)]
    delays = [draw.choice([None, None, 250]) for _ in jobs]
    for n, (job, delay) in enumerate(zip(jobs, delays, strict=True)):
        await driver.enqueue([job._replace(delay=None if delay is None else Millis(delay))], now=_at(n))
    ready = {job.id: n + (delay or 0) for n, (job, delay) in enumerate(zip(jobs, delays, strict=True))}
    order = sorted(jobs, key=lambda job: (-job.priority, ready[job.id], job.id))
    served = [lease for _ in range(50) for lease in await _served(driver, 7)]
    placed = [(-job.priority, ready[job.id]) for job in order]
    by_id = {job.id: job for job in jobs}
    assert [(-by_id[lease.id].priority, ready[lease.id]) for lease in served] == placed, "one order over both lanes"
    assert sorted(lease.id for lease in served) == sorted(by_id), "and nothing twice or never"
    assert all(lease.ready_at == _at(ready[lease.id]) for lease in served), "with the instant of each"


async def test_a_deleted_id_that_returns_is_served_once(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a"), job_of("b")], now=_at(0))
    await _cancel(driver, "b")
    await driver.enqueue([job_of("b", body=b"second"), job_of("c")], now=_at(0))
    assert [(lease.id, lease.body) for lease in await _served(driver)] == [
        ("a", b"body"),
        ("b", b"second"),
        ("c", b"body"),
    ], "the place that the first left in the line is not the place of the second"


async def test_a_deleted_id_that_returns_elsewhere_is_served_there(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a"), job_of("b")], now=_at(0))
    await _cancel(driver, "b")
    await driver.enqueue([job_of("b", queue="other")], now=_at(1))
    await driver.enqueue([job_of("c")], now=_at(1))
    served = await _served(driver, queues=("mail", "other"))
    assert [(lease.id, lease.queue) for lease in served] == [("a", "mail"), ("c", "mail"), ("b", "other")]


async def test_a_deleted_id_that_returns_with_a_priority_is_listed_once(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a"), job_of("b"), job_of("c")], now=_at(0))
    await _cancel(driver, "b")
    await driver.enqueue([job_of("b", priority=9)], now=_at(1))
    met: list[str] = []
    cursor = None
    while True:
        piece = await driver.list_jobs(State.QUEUED, queue="mail", limit=1, cursor=cursor, now=_at(2))
        met += [job.id for job in piece.items]
        cursor = piece.cursor
        if cursor is None:
            break
    assert met == ["b", "a", "c"]
    assert [lease.id for lease in await _served(driver)] == ["b", "a", "c"]


async def test_a_queue_of_cancelled_jobs_is_empty(driver: RedisDriver) -> None:
    await driver.enqueue([job_of(f"j{n}") for n in range(5)], now=_at(0))
    await _cancel(driver, "j2", "j1", "j4", "j0", "j3")
    found = await driver.exchange([], claim_of(), now=_at(1))
    assert (list(found.leases), found.more) == ([], False)
    assert (await driver.overview(["mail"], now=_at(1))).queues["mail"].queued == 0


async def test_a_lapse_in_a_later_queue_keeps_its_deliveries(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("lapses", queue="other")], now=_at(0))
    await driver.exchange([], claim_of(queues=("other",)), now=_at(0))
    await driver.enqueue([job_of("plain")], now=_at(0))
    served = await _served(driver, queues=("mail", "other"))
    assert [(lease.id, lease.deliveries) for lease in served] == [("plain", 0), ("lapses", 1)]


@pytest.mark.parametrize("id", ["{x}", "a:b", "a/b", "a\nb", "a\tb", "a\x00b", "ü🦊", "-", "0", "again"])
async def test_an_id_may_hold_anything(driver: RedisDriver, id: str) -> None:
    await driver.enqueue([_odd(id)], now=_at(0))
    (lease,) = await _served(driver)
    assert (lease.id, lease.name) == (id, "n\n\t|")
    await driver.exchange([ended(lease, state=State.QUEUED)], now=_at(0))
    listed = await driver.list_jobs(State.QUEUED, limit=1, now=_at(0))
    assert [job.id for job in listed.items] == [id]
    await driver.list_jobs(State.QUEUED, limit=1, cursor=listed.cursor, now=_at(0))
    assert (await driver.act([Act(id=id, deed=Deed.CANCEL)], now=_at(0)))[0].done


def _odd(id: str) -> NewJob:
    return NewJob(id, "mail", "n\n\t|", b"\n\t|\x00", b"\n\t|\x00")


async def test_a_repeated_claim_does_not_shorten_a_renewed_lease(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a")], now=_at(0))
    claim = claim_of()
    (lease,) = (await driver.exchange([], claim, now=_at(0))).leases
    await driver.renew([Hold(lease.queue, lease.id, lease.token)], Millis(90_000), now=_at(0))
    assert list((await driver.exchange([], claim, now=_at(1))).leases) == [lease]
    (job,) = await driver.get_jobs(["a"], now=_at(1))
    assert job is not None and job.due == _at(90_000), "the repeat of a call has the effect of one"
