"""X6: what a level of durability, and a cluster, need of a user besides the list. The page says it; less is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flowli.errors import DriverError, DriverUnavailable
from flowli.resp.driver import RespDriver
from flowli.resp.durability import Durability
from flowli.resp.rights import acl_rules
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.support.cluster import Cluster
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import outside
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

_PAGE = Path(__file__).parents[2] / "docs" / "security.md"
_CLIENTS = {"redis": RedisDriver, "glide": GlideDriver}


async def _allow(server: ValkeyServer, *rules: str) -> str:
    """The prefix of a user ``small`` with the rules of the page and these."""
    prefix = uuid4().hex
    async with outside(server.url) as operator:
        await operator.ask("ACL", "SETUSER", "small", "reset", "on", ">secret", *acl_rules(prefix), *rules)
    return prefix


async def _serves(driver: RespDriver) -> bool:
    """Whether a job is enqueued, leased and settled."""
    await driver.open()
    try:
        await driver.enqueue([job_of("a")])
        [lease] = (await driver.exchange([], claim_of())).leases
        await driver.exchange([ended(lease)])
        return True
    finally:
        await driver.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    options = ("--appendonly", "yes", "--appendfsync", "always")
    server = ValkeyServer(tmp_path_factory.mktemp("acl"), options=options).start()
    yield server
    server.stop()


@pytest.mark.parametrize("client", _CLIENTS)
async def test_fsync_needs_waitaof(server: ValkeyServer, client: str) -> None:
    if server.product.startswith("Redis 7.0"):
        pytest.skip("Redis 7.0 has no WAITAOF")
    url = f"redis://small:secret@127.0.0.1:{server.port}/0"
    with_right, without = await _allow(server, "+waitaof"), await _allow(server)
    with pytest.raises(DriverError, match=r"\+waitaof"):
        await _CLIENTS[client](url, prefix=without, durability="fsync").open()
    with_right = await _allow(server, "+waitaof")
    assert await _serves(_CLIENTS[client](url, prefix=with_right, durability="fsync"))
    assert "add `+waitaof`" in _PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("client", _CLIENTS)
async def test_replicas_need_wait(server: ValkeyServer, client: str) -> None:
    level: Durability = "replica"
    url = f"redis://small:secret@127.0.0.1:{server.port}/0"
    prefix = await _allow(server, "-wait")
    with pytest.raises(DriverError, match=r"\+wait") as caught:
        await _CLIENTS[client](url, prefix=prefix, durability=level).open()
    assert not isinstance(caught.value, DriverUnavailable), "trying again does not help"
    driver = _CLIENTS[client](url, prefix=await _allow(server), durability=level)
    await driver.open()
    await driver.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), primaries=1, replicas=0).start()
    yield cluster
    cluster.stop()


def _on(cluster: Cluster) -> str:
    return cluster.url_of_all.replace("redis+cluster://", "redis+cluster://small:secret@")


@pytest.mark.parametrize("client", _CLIENTS)
async def test_a_cluster_needs_to_be_asked_for_its_slots(cluster: Cluster, client: str) -> None:
    [server] = cluster.nodes
    page = _PAGE.read_text(encoding="utf-8")
    rules = ["+cluster|slots", "+asking"]
    assert "`+cluster|slots +asking`" in page
    assert await _serves(_CLIENTS[client](_on(cluster), prefix=await _allow(server, *rules)))


@pytest.mark.parametrize("client", _CLIENTS)
async def test_a_cluster_that_may_not_be_asked_is_refused(cluster: Cluster, client: str) -> None:
    [server] = cluster.nodes
    prefix = await _allow(server)
    with pytest.raises(DriverError):
        await _CLIENTS[client](_on(cluster), prefix=prefix).open()
    async with outside(server.url) as operator:
        assert await operator.keys(f"flowli:{{{prefix}}}:*") == set(), "before anything is written"
