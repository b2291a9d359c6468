"""On a cluster nothing is lost while slots move and primaries die, and no command ever touches two slots."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import uuid4

import pytest
from redis.asyncio.cluster import RedisCluster

from flowli.driver import Act, Change, Deed, Hold, Millis, RunnerNote, State, StoredSchedule
from flowli.ids import make_id, route_of
from flowli.resp.keys import Keys
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.cluster.conftest import Make
from tests.cluster.load import under_load
from tests.support.cluster import Cluster, slot_of
from tests.support.jobs import claim_of, ended, job_of
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def slot_of_part(prefix: str, number: int, partitions: int) -> int:
    return slot_of(Keys(prefix, number, partitions).fixed("jobs"))


def another(cluster: Cluster, slot: int) -> ValkeyServer:
    owner = cluster.owner(slot)
    return next(node for node in cluster.primaries() if node is not owner)


def _odd_texts(count: int) -> list[str]:
    draw = random.Random(7)
    alphabet = "ab{}:/\0\n\t \\\"'%*?[]é漢🦊"
    made = ["{", "}", "{}", "}{", "{a", "a}", "{a}{b}", ":", "\0", "a:b", "{:}", "/", "*"]
    return made + ["".join(draw.choices(alphabet, k=draw.randint(1, 30))) for _ in range(count)]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_nothing_touches_two_slots(make: Make, cluster: Cluster, partitions: int) -> None:
    for prefix in (uuid4().hex, "a.b-" + uuid4().hex[:8] + "_", "-", "x" * 64):
        driver = await make(cluster, prefix=f"{prefix[:52]}{uuid4().hex[:12]}", partitions=partitions)
        odd = _odd_texts(20)
        ids = [*odd, *(make_id() for _ in range(20))]
        jobs = [job_of(id, queue=random.Random(id).choice(odd)) for id in ids]
        await driver.enqueue(jobs[::2])
        await driver.enqueue([job._replace(delay=Millis(1)) for job in jobs[1::2]])
        await driver.act([Act(id=id, deed=Deed.CANCEL) for id in ids[:5]])
        done: set[str] = set()
        while len(done) < len(set(ids[5:])):
            leases = (await driver.exchange([], claim_of(50, queues=None, wait=1_000))).leases
            assert len(await driver.renew([Hold(lease.queue, lease.id, lease.token) for lease in leases], None)) >= 0
            await driver.exchange([ended(lease, keep_for=60_000) for lease in leases])
            done.update(lease.id for lease in leases)
        assert all(await driver.get_jobs(ids[5:]))
        assert len(await driver.outcomes(ids[5:], wait=Millis(1))) == len(set(ids[5:]))
        assert (await driver.list_jobs(State.COMPLETED, limit=1_000)).cursor is None
        for key in odd:
            stored = StoredSchedule(key=key, version=0, next_run_at=Millis(1), body=b"")
            await driver.change_schedules([Change(key=key, expected=0, successor=stored, jobs=[job_of(f"{key}:1")])])
        await driver.announce(RunnerNote(id="{r}", queues=None, note=b"", alive_until=Millis(4_000_000_000_000)))
        assert (await driver.overview()).schedules == len(odd)


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_slot_that_moves_under_load_loses_nothing(make: Make, own_cluster: Cluster, partitions: int) -> None:
    driver = await make(own_cluster, prefix="app", partitions=partitions)
    async with under_load(driver) as load:
        for number in {0, partitions - 1}:
            slot = slot_of_part("app", number, partitions)
            for _ in range(2):
                target = await asyncio.to_thread(another, own_cluster, slot)
                await asyncio.to_thread(own_cluster.move_slot, slot, target)
                await load.goes_on()
    assert max(load.done.values()) == 1, "nothing was executed twice: what was refused had not been executed"


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_slot_that_moves_in_one_step_loses_nothing(make: Make, own_cluster: Cluster, partitions: int) -> None:
    if not own_cluster.product.startswith("Valkey"):
        pytest.skip("only Valkey 9 has CLUSTER MIGRATESLOTS")
    driver = await make(own_cluster, prefix="app", partitions=partitions)
    async with under_load(driver) as load:
        for _ in range(3):
            slot = slot_of_part("app", 0, partitions)
            target = await asyncio.to_thread(another, own_cluster, slot)
            await asyncio.to_thread(own_cluster.migrate_slot, slot, target)
    assert max(load.done.values()) == 1


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_primary_that_dies_under_load_loses_nothing(make: Make, own_cluster: Cluster, partitions: int) -> None:
    # What only the dead one had is lost: what is counted here are jobs that a replica had as well.
    driver = await make(own_cluster, prefix="app", partitions=partitions, durability="replica")
    slot = slot_of_part("app", 0, partitions)
    async with under_load(driver):
        lost = await asyncio.to_thread(own_cluster.owner, slot)
        lost.kill()
        assert await asyncio.to_thread(own_cluster.owner, slot) is not lost
        await asyncio.to_thread(lost.start)


async def test_doubling_under_load_loses_nothing(make: Make, cluster: Cluster) -> None:
    prefix = uuid4().hex
    driver = await make(cluster, prefix=prefix, partitions=2)
    other = await make(cluster, prefix=prefix)
    async with under_load(driver) as load:
        assert await other.double_partitions() == 4

        async def has_noticed() -> bool:
            return driver.partitions == 4

        await eventually(has_noticed, what="a driver in use that has noticed")
    assert max(load.done.values()) == 1
    late = {route_of(id) % 4 for id in list(load.done)[-200:]}
    assert late == {0, 1, 2, 3}


async def test_the_work_is_even_over_the_nodes(make: Make, cluster: Cluster) -> None:
    prefix = uuid4().hex
    driver = await make(cluster, prefix=prefix, partitions=12)
    for _ in range(6):
        await driver.enqueue([job_of(make_id()) for _ in range(1_000)])
    at: Counter[int] = Counter()
    node_of = {number: cluster.owner(slot_of_part(prefix, number, 12)).port for number in range(12)}
    while leases := (await driver.exchange([], claim_of(200))).leases:
        at.update(node_of[route_of(lease.id) % 12] for lease in leases)
        await driver.exchange([ended(lease) for lease in leases])
    assert sum(at.values()) == 6_000
    assert len(at) == 3
    assert max(abs(each - 2_000) for each in at.values()) < 200, "within 10 % of evenly"


async def test_the_settings_of_a_client_are_taken(cluster: Cluster) -> None:
    client: RedisCluster = RedisCluster(host="127.0.0.1", port=cluster.nodes[1].port, decode_responses=True)
    driver = RedisDriver(client, prefix=uuid4().hex)
    await driver.open()
    await driver.enqueue([job_of("a")])
    assert await driver.get_jobs(["a"])
    await driver.close()
    await client.aclose()


async def test_what_one_client_enqueues_the_other_executes(cluster: Cluster) -> None:
    prefix = uuid4().hex
    ours = [made(cluster.url_of_all, prefix=prefix, partitions=4) for made in (RedisDriver, GlideDriver)]
    for driver in ours:
        await driver.open()
    for producer, runner in (ours, reversed(ours)):
        jobs = [job_of(make_id(route=route)) for route in range(8)]
        await producer.enqueue(jobs)
        leases = (await runner.exchange([], claim_of(50))).leases
        assert sorted(lease.id for lease in leases) == sorted(job.id for job in jobs)
        await runner.exchange([ended(lease) for lease in leases])
    for driver in ours:
        await driver.close()
