"""A namespace in partitions: made ids are spread over them, and every verb finds them again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from flowli.driver import Act, Deed, Disposition, Hold, Lease, Millis, NewJob, Renewal, Settled, State, StoredJob, Turn
from flowli.errors import DefinitionError, DriverError, DriverUnavailable
from flowli.ids import make_id, route_of
from flowli.resp import reading
from flowli.resp.keys import Keys
from flowli.resp.slots import SLOTS, slot_of, tag_of
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.polling import eventually
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer
from tests.support.trouble import CutAfter

pytestmark = pytest.mark.anyio

MINUTE = Millis(60_000)


@pytest.fixture
async def divided(valkey_server: ValkeyServer, prefix: str) -> AsyncIterator[RedisDriver]:
    """An open driver of four partitions."""
    driver = RedisDriver(valkey_server.url, prefix=prefix, partitions=4)
    await driver.open()
    yield driver
    await driver.close()


def made(count: int) -> list[NewJob]:
    """Jobs with made ids, whose routes go round."""
    return [job_of(make_id(route=number)) for number in range(count)]


def ids_of(jobs: Sequence[NewJob] | Sequence[Lease] | Sequence[StoredJob]) -> list[str]:
    return [job.id for job in jobs]


async def _asleep(client: Outside) -> None:
    async def sleeps() -> bool:
        return any("b" in each["flags"] for each in await client.clients())

    await eventually(sleeps, what="a runner that sleeps")


async def take_all(driver: RedisDriver, wait: int = 0) -> list[Lease]:
    leases: list[Lease] = []
    while (found := await driver.exchange([], claim_of(10, wait=wait))).leases or found.more:
        leases += found.leases
    return leases


async def test_jobs_are_spread_by_the_route_of_their_id(divided: RedisDriver, client: Outside, prefix: str) -> None:
    jobs = made(40)
    await divided.enqueue([*jobs, job_of("a user's id")])
    for number in range(4):
        key = Keys(prefix, number, 4).fixed("jobs")
        stored = {field.decode() for field in await client.ask("HKEYS", key)}
        own = {job.id for job in jobs if route_of(job.id) % 4 == number}
        assert stored == own | ({"a user's id"} if number == 0 else set()), "the id alone says where a job lives"


async def test_every_verb_finds_a_job_by_its_id(divided: RedisDriver) -> None:
    jobs = made(12)
    assert all(answer.disposition is Disposition.CREATED for answer in await divided.enqueue(jobs))
    assert all(answer.disposition is Disposition.EXISTING for answer in await divided.enqueue(jobs))
    assert ids_of([job for job in await divided.get_jobs(ids_of(jobs)) if job]) == ids_of(jobs)
    assert (await divided.act([Act(id=jobs[3].id, deed=Deed.CANCEL, keep_for=MINUTE)]))[0].found is State.QUEUED
    leases = await take_all(divided)
    assert sorted(ids_of(leases)) == sorted(job.id for job in jobs if job is not jobs[3])
    holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
    assert await divided.renew(holds, MINUTE) == [Renewal.RENEWED] * 11
    assert await divided.renew([Hold("mail", jobs[3].id, 1)], MINUTE) == [Renewal.LOST]
    done = await divided.exchange([ended(lease, keep_for=60_000) for lease in leases])
    assert done.settled == [Settled.WRITTEN] * 11
    found = await divided.outcomes([*ids_of(jobs), "unknown"])
    assert {id: job and job.state for id, job in found.items()} == {
        **dict.fromkeys(ids_of(jobs), State.COMPLETED),
        jobs[3].id: State.CANCELLED,
        "unknown": None,
    }
    view = (await divided.overview()).queues["mail"]
    assert (view.completed, view.cancelled, view.queued, view.active) == (11, 1, 0, 0), "counts are sums"


async def test_a_look_at_the_whole_store_sees_all_partitions(divided: RedisDriver) -> None:
    await divided.enqueue(made(20))
    await divided.exchange([], claim_of(10))
    found = await divided.examine()
    assert {finding.code for finding in found.findings} == {"no-persistence"}, "said once, and nothing else"
    assert found.facts["records"] == 20


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_a_listing_meets_every_job_once(divided: RedisDriver, limit: int) -> None:
    jobs = made(20)
    await divided.enqueue(jobs)
    met: list[str] = []
    cursor: str | None = None
    while True:
        page = await divided.list_jobs(State.QUEUED, limit=limit, cursor=cursor)
        met += [job.id for job in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(met) == sorted(ids_of(jobs))


async def test_the_order_holds_in_each_partition(divided: RedisDriver) -> None:
    jobs = made(40)
    for job in jobs:
        await divided.enqueue([job])
    taken = ids_of(await take_all(divided))
    for number in range(4):
        own = [id for id in taken if route_of(id) % 4 == number]
        assert own == [job.id for job in jobs if route_of(job.id) % 4 == number]


async def test_a_claim_is_filled_from_all_partitions(divided: RedisDriver) -> None:
    await divided.enqueue(made(40))
    assert len((await divided.exchange([], claim_of(40))).leases) == 40
    assert not (await divided.exchange([], claim_of(40))).more


async def test_a_claim_takes_no_more_than_its_limit(divided: RedisDriver) -> None:
    await divided.enqueue(made(100))
    for limit in (1, 2, 3, 5, 7, 30):
        assert len((await divided.exchange([], claim_of(limit))).leases) == limit


async def test_a_repeated_claim_returns_its_leases_from_everywhere(divided: RedisDriver) -> None:
    await divided.enqueue(made(40))
    claim = claim_of(30)
    first = await divided.exchange([], claim)
    assert len({route_of(lease.id) % 4 for lease in first.leases}) == 4
    again = await divided.exchange([], claim)
    assert sorted(ids_of(again.leases)) == sorted(ids_of(first.leases))
    assert (await divided.overview()).queues["mail"].active == 30, "a repeat takes no others"


async def test_an_idle_runner_is_woken_from_every_partition(
    valkey_server: ValkeyServer, client: Outside, prefix: str
) -> None:
    # Looking round by itself it would come to each of them once in four minutes.
    driver = RedisDriver(valkey_server.url, prefix=prefix, partitions=128)
    await driver.open()
    for route in (0, 1, 77, 127):
        waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000, queues=None)))
        await _asleep(client)
        job = job_of(make_id(route=route))
        await driver.enqueue([job])
        found = await asyncio.wait_for(waiting, 20)
        assert ids_of(found.leases) == [job.id]
        await driver.exchange([ended(lease) for lease in found.leases])
    await driver.close()


@pytest.mark.slow
async def test_a_token_that_is_lost_costs_a_round(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("ACL", "SETUSER", "producer", "on", ">x", "~flowli:{app*", "&*", "+@all")
    producer = RedisDriver(f"redis://producer:x@127.0.0.1:{own_server.port}", prefix="app", partitions=4)
    runner = RedisDriver(own_server.url, prefix="app")
    await producer.open()
    await runner.open()
    await producer.enqueue([job_of(make_id(route=3))])
    assert len(await take_all(runner)) == 1
    await operator.ask("ACL", "SETUSER", "producer", "resetkeys", "~flowli:{app/*")  # it cannot push any more
    waiting = asyncio.create_task(runner.exchange([], claim_of(wait=60_000)))
    await _asleep(operator)
    job = job_of(make_id(route=3))
    await producer.enqueue([job])
    assert ids_of((await asyncio.wait_for(waiting, 30)).leases) == [job.id]
    await producer.close()
    await runner.close()


async def test_what_is_due_elsewhere_is_found(divided: RedisDriver, client: Outside) -> None:
    waiting = asyncio.create_task(divided.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    job = job_of(make_id(route=2))._replace(delay=Millis(300))
    await divided.enqueue([job])
    assert ids_of((await asyncio.wait_for(waiting, 20)).leases) == [job.id]


async def test_a_waiter_hears_of_an_outcome_elsewhere(
    divided: RedisDriver, client: Outside, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOK_AGAIN", 600.0)
    (job,) = jobs = [job_of(make_id(route=3))]
    await divided.enqueue(jobs)
    (lease,) = (await divided.exchange([], claim_of())).leases
    waiting = asyncio.create_task(divided.outcomes([job.id], wait=MINUTE))

    async def is_noted() -> bool:
        return bool(await client.ask("EXISTS", Keys(prefix, 3, 4).fixed("watch")))

    await eventually(is_noted, what="a note of whom to tell")
    await divided.exchange([ended(lease, keep_for=60_000)])
    found = await asyncio.wait_for(waiting, 20)
    assert found[job.id], "heard of over the one channel at home"


async def test_a_driver_takes_what_stands(divided: RedisDriver, valkey_server: ValkeyServer, prefix: str) -> None:
    other = RedisDriver(valkey_server.url, prefix=prefix)
    await other.open()
    assert (divided.partitions, other.partitions) == (4, 4)
    await other.close()
    for number in (1, 2, 8):
        with pytest.raises(DriverError, match=r"divided into 4 partitions.*double_partitions"):
            await RedisDriver(valkey_server.url, prefix=prefix, partitions=number).open()


async def test_of_many_that_open_a_new_namespace_one_number_stands(valkey_server: ValkeyServer, prefix: str) -> None:
    drivers = [RedisDriver(valkey_server.url, prefix=prefix, partitions=number) for number in (1, 2, 3, 4) * 3]
    opened = await asyncio.gather(*(driver.open() for driver in drivers), return_exceptions=True)
    numbers = {driver.partitions for driver, error in zip(drivers, opened, strict=True) if error is None}
    assert len(numbers) == 1
    await asyncio.gather(*(driver.close() for driver in drivers))


@pytest.mark.parametrize("number", [0, -1, 257])
def test_an_odd_number_is_refused(number: int) -> None:
    with pytest.raises(DefinitionError, match="1 to 256"):
        RedisDriver("redis://localhost", partitions=number)


async def test_one_partition_leaves_the_keys_that_it_always_left(
    driver: RedisDriver, client: Outside, prefix: str
) -> None:
    await driver.enqueue(made(3))
    assert driver.partitions == 1
    assert await client.ask("HGETALL", Keys(prefix).fixed("meta")) == {b"layout": b"1"}
    assert all(key.startswith(f"flowli:{{{prefix}}}:") for key in await client.keys(f"*{prefix}*"))


async def test_two_patterns_of_an_acl_are_enough(own_server: ValkeyServer, operator: Outside) -> None:
    rights = ("~flowli:{app}:*", "~flowli:{app/*", "&flowli:{app}:*", "+@all")
    await operator.ask("ACL", "SETUSER", "worker", "on", ">x", *rights)
    driver = RedisDriver(f"redis://worker:x@127.0.0.1:{own_server.port}", prefix="app", partitions=4)
    await driver.open()
    await driver.enqueue(made(8))
    leases = await take_all(driver, wait=1)
    assert len(leases) == 8
    await driver.exchange([ended(lease) for lease in leases])
    await driver.close()


@pytest.mark.parametrize("base", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("prefix", ["app", "shop", "default", "x.y-z", "5461"])
def test_partitions_are_even_over_equal_nodes(prefix: str, base: int) -> None:
    number = base
    while number <= 96:
        slots = [slot_of(f"flowli:{{{tag_of(prefix, part, base)}}}:jobs") for part in range(number)]
        for nodes in (nodes for nodes in range(1, number + 1) if number % nodes == 0):
            each = Counter(slot * nodes // SLOTS for slot in slots)
            assert set(each.values()) == {number // nodes}, "no node has more of them than another"
        number *= 2


@pytest.mark.slow
async def test_doubling_moves_nothing_and_loses_nothing(
    divided: RedisDriver, valkey_server: ValkeyServer, prefix: str
) -> None:
    other = RedisDriver(valkey_server.url, prefix=prefix)
    await other.open()
    before = made(16)
    await divided.enqueue(before)
    assert await divided.double_partitions() == 8
    again = await divided.enqueue(before)
    assert {answer.disposition for answer in again} == {Disposition.EXISTING}, "an id is one job, wherever it is"
    after = made(16)
    await divided.enqueue(after)
    assert all(await other.get_jobs(ids_of([*before, *after]))), "the other driver has noticed"
    assert other.partitions == 8
    leases = await take_all(other)
    assert sorted(ids_of(leases)) == sorted(ids_of([*before, *after]))
    holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
    assert await divided.renew(holds, MINUTE) == [Renewal.RENEWED] * 32
    assert (await divided.exchange([ended(lease) for lease in leases])).settled == [Settled.WRITTEN] * 32
    await other.close()


@pytest.mark.slow
async def test_an_enqueue_in_doubt_is_repeated_where_it_went(own_server: ValkeyServer) -> None:
    with ChaosProxy(own_server.port) as proxy:
        producer = RedisDriver(f"redis://127.0.0.1:{proxy.port}", prefix="app")
        operator = RedisDriver(own_server.url, prefix="app")
        await producer.open()
        await operator.open()
        job, turn = job_of(make_id(route=1)), Turn("sender", 1)
        proxy.set(CutAfter(1))
        with pytest.raises(DriverUnavailable) as caught:
            await producer.enqueue([job], turn=turn)
        assert caught.value.maybe_written
        await operator.double_partitions()
        await producer.overview()
        assert producer.partitions == 2
        await producer.enqueue([job], turn=turn)
        assert (await operator.overview()).queues["mail"].queued == 1, "the job is not stored twice"
        await producer.close()
        await operator.close()
