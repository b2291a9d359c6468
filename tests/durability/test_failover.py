"""The primary is replaced under load, as an operator does it and by a crash: who enqueues and who runs goes on.

The redis-py driver asks Sentinels; the GLIDE driver, whose library knows none, is given the addresses of all servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from glide import GlideClientConfiguration, NodeAddress
from redis.asyncio.sentinel import Sentinel

from flowli import Flowli, Runner, job
from flowli.errors import DefinitionError, DriverUnavailable, EnqueueUnknown, NotDurable
from flowli.resp.durability import Durability
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.durability.drivers import AnyDriver, make
from tests.support.jobs import job_of
from tests.support.polling import eventually, eventually_sync
from tests.support.replication import Replication, ask, facts, stalled
from tests.support.sentinels import Sentinels

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(180)]

ran: set[str] = set()
untyped: Any = Sentinel


@job
async def remember(name: str) -> None:
    ran.add(name)


class App(Flowli[None]):
    remember = remember


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Replication]:
    started = Replication(tmp_path).start()
    yield started
    started.stop()


@pytest.fixture
def sentinels(tmp_path: Path, servers: Replication) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path, servers).start()
    yield started
    started.stop()


@pytest.fixture
def reach(client: str, servers: Replication, sentinels: Sentinels) -> Callable[[Durability], AnyDriver]:
    """A driver that finds the primary by itself."""
    source: Any = sentinels.url
    if client == "glide":
        source = GlideClientConfiguration([NodeAddress("127.0.0.1", node.port) for node in servers.nodes])
    return lambda durability: make(client, source, durability=durability, within="10s")


class Load:
    """Enqueues one by one until it is told to stop. ``acknowledged`` are the names whose enqueue returned."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._enough = asyncio.Event()
        self.acknowledged: list[str] = []
        self.refused = 0

    async def run(self) -> None:
        number = 0
        while not self._enough.is_set():
            number += 1
            name = f"job-{number}"
            while not self._enough.is_set():
                try:
                    await self._app.remember.enqueue(name, id=name)
                except (DriverUnavailable, EnqueueUnknown, NotDurable):
                    self.refused += 1  # said so: the caller repeats with the same id
                    continue
                self.acknowledged.append(name)
                break

    async def reaches(self, count: int) -> None:
        async def has() -> bool:
            return len(self.acknowledged) >= count

        await eventually(has, within=60, what=f"{count} acknowledged jobs")

    def stop(self) -> None:
        self._enough.set()


@pytest.fixture
async def app(reach: Callable[[Durability], AnyDriver]) -> AsyncIterator[App]:
    ran.clear()
    async with App(context=None, driver=reach("replica")) as app:
        yield app


async def _under_load(app: App, trouble: Callable[[], None], again: Callable[[], None] = lambda: None) -> Load:
    """Enqueue and run before, during and after the trouble; every acknowledged job has to be run."""
    load = Load(app)
    async with Runner(app, poll_interval="200ms", lease="5s") as runner:
        task = asyncio.create_task(load.run())
        await load.reaches(50)
        await asyncio.to_thread(trouble)
        await load.reaches(len(load.acknowledged) + 50)
        await asyncio.to_thread(again)
        await load.reaches(len(load.acknowledged) + 50)
        load.stop()
        await task

        async def all_ran() -> bool:
            return ran >= set(load.acknowledged)

        await eventually(all_ran, within=60, what="every acknowledged job, run")
        assert runner.running, "the runner is the one that was started"
    return load


async def test_a_failover_on_demand_loses_nothing_that_was_acknowledged(
    app: App, servers: Replication, sentinels: Sentinels
) -> None:
    load = await _under_load(app, lambda: _replace(sentinels))
    assert len(load.acknowledged) >= 150


async def test_a_killed_primary_takes_nothing_with_it_that_was_acknowledged(
    app: App, servers: Replication, sentinels: Sentinels
) -> None:
    def kill() -> None:
        servers.first.kill()
        sentinels.await_other_than(servers.first)
        servers.first.start()  # without a second server nothing can be confirmed

    load = await _under_load(app, kill)
    assert len(load.acknowledged) >= 150


async def test_without_confirmation_what_the_replica_missed_is_gone_and_all_else_is_not(
    reach: Callable[[Durability], AnyDriver], servers: Replication, sentinels: Sentinels
) -> None:
    """The loss that durability="replica" is for: acknowledged by a primary that dies before its replica heard."""
    driver = reach("server")
    await driver.open()
    await driver.enqueue([job_of("before")])
    await asyncio.to_thread(_until_in_step, servers)
    with stalled(servers.replicas[0]):
        ask(servers.first, "CLIENT", "KILL", "TYPE", "replica")  # else it reads what lies in its socket
        await driver.enqueue([job_of("missed")])
        servers.first.kill()
    await asyncio.to_thread(sentinels.await_other_than, servers.first)

    async def kept() -> list[str] | None:
        try:
            return [found.id for found in await driver.get_jobs(["before", "missed"]) if found is not None]
        except DriverUnavailable:
            return None

    assert await eventually(kept, within=60, what="an answer of the new primary") == ["before"]
    await driver.close()


async def test_a_demoted_primary_is_left_for_the_new_one(
    reach: Callable[[Durability], AnyDriver], servers: Replication, sentinels: Sentinels
) -> None:
    driver = reach("server")
    await driver.open()
    await driver.enqueue([job_of("a")])
    await asyncio.to_thread(_replace, sentinels)
    await asyncio.to_thread(_until_demoted, servers)

    async def stored() -> bool:
        try:
            await driver.enqueue([job_of("b")])
        except DriverUnavailable:
            return False
        return True

    await eventually(stored, within=60, what="an enqueue at the new primary")
    assert [found and found.id for found in await driver.get_jobs(["a", "b"])] == ["a", "b"]
    assert ask(servers.replicas[0], "HLEN", "flowli:{default}:jobs") == 2
    await driver.close()


def _replace(sentinels: Sentinels) -> None:
    sentinels.failover()


def _until_demoted(servers: Replication) -> None:
    eventually_sync(lambda: facts(servers.first).get("role") == "slave", what="the old primary as a replica")


def _until_in_step(servers: Replication) -> None:
    ask(servers.first, "WAIT", 1, 10_000)
    assert facts(servers.replicas[0])["master_link_status"] == "up"


# ---- what may be handed in


async def test_a_client_that_sentinel_made_is_a_source(servers: Replication, sentinels: Sentinels) -> None:
    manager = untyped(sentinels.addresses, sentinel_kwargs={"socket_timeout": 5.0})
    client = manager.master_for(sentinels.name, db=2)
    driver = RedisDriver(client)
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in sentinels.nodes)
    assert str(driver) == f"redis+sentinel://{hosts}/shop/2 prefix=default"
    await driver.open()
    await driver.enqueue([job_of("a")])
    await driver.close()
    assert await client.hlen("flowli:{default}:jobs") == 1, "the client is the user's, and open"
    await client.aclose()
    await manager.aclose()


async def test_one_sentinel_of_three_is_enough_to_ask(servers: Replication, sentinels: Sentinels) -> None:
    sentinels.nodes[0].kill()
    sentinels.nodes[1].kill()
    driver = RedisDriver(sentinels.url)
    await driver.open()
    assert await driver.get_jobs(["a"]) == [None]
    await driver.close()


async def test_a_name_that_nobody_watches_is_said(servers: Replication, sentinels: Sentinels) -> None:
    driver = RedisDriver(sentinels.url.replace("/shop/", "/other/"))
    with pytest.raises(DriverUnavailable, match="no Sentinel that answers names a primary"):
        await driver.open()


def test_a_client_of_replicas_is_refused() -> None:
    client = untyped([("localhost", 26_379)]).slave_for("shop")
    with pytest.raises(DefinitionError, match="master_for"):
        RedisDriver(client)


@pytest.mark.parametrize("url", ["redis+sentinel://localhost", "redis+sentinel:///shop", "redis+sentinel://a:b:c/shop"])
def test_a_sentinel_url_without_hosts_or_name_is_refused(url: str) -> None:
    with pytest.raises(DefinitionError, match=r"redis\+sentinel://"):
        RedisDriver(url)


def test_the_name_of_a_driver_by_sentinel_holds_no_secret() -> None:
    driver = RedisDriver("rediss+sentinel://user:hunter2@a,b:26380/shop/1?ssl_ca_certs=x", prefix="app")
    assert str(driver) == "rediss+sentinel://a:26379,b:26380/shop/1 prefix=app"


def test_glide_says_that_it_knows_no_sentinel() -> None:
    with pytest.raises(DefinitionError, match="knows no Sentinel"):
        GlideDriver("redis+sentinel://localhost/shop")
    with pytest.raises(DefinitionError, match="knows no Unix socket"):
        GlideDriver("unix:///run/valkey.sock")


def test_the_servers_of_a_glide_driver_are_all_named() -> None:
    config = GlideClientConfiguration([NodeAddress("a", 1), NodeAddress("b", 2)])
    assert str(GlideDriver(config)) == "redis://a:1,b:2/0 prefix=default"
