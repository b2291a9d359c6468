"""What `open` refuses, what it bears, and whose clients are whose."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from glide import GlideClient, GlideClientConfiguration, NodeAddress, ServerCredentials

from flowli.errors import DefinitionError, DriverClosed, DriverError, DriverUnavailable
from flowli_glide import GlideDriver
from tests.support.jobs import claim_of, job_of
from tests.support.outside import Outside
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_a_server_that_evicts_is_refused(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    driver = GlideDriver(own_server.url)
    with pytest.raises(DriverError, match="allkeys-lru"):
        await driver.open()
    allowed = GlideDriver(own_server.url, allow_eviction=True)
    await allowed.open()
    assert await allowed.get_jobs(["a"]) == [None], "who accepts the loss is served"
    await allowed.close()


async def test_another_layout_is_refused(valkey_server: ValkeyServer, client: Outside, prefix: str) -> None:
    await client.ask("HSET", f"flowli:{{{prefix}}}:meta", "layout", "999")
    with pytest.raises(DriverError, match="layout 999"):
        await GlideDriver(valkey_server.url, prefix=prefix).open()


async def test_a_user_with_few_rights_is_served(own_server: ValkeyServer, operator: Outside) -> None:
    rights = ["on", ">s/c:r@t", "~flowli:{app}:*", "&flowli:{app}:*", "+@all", "-@admin", "-@dangerous", "+info"]
    await operator.ask("ACL", "SETUSER", "limited", *rights)
    driver = GlideDriver(f"redis://limited:s%2Fc%3Ar%40t@127.0.0.1:{own_server.port}", prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    assert [lease.id for lease in (await driver.exchange([], claim_of(queues=None))).leases] == ["a"]
    await driver.close()


async def test_a_user_without_the_right_that_glide_needs_is_refused(
    own_server: ValkeyServer, operator: Outside
) -> None:
    await operator.ask("ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info")
    with pytest.raises(DriverError, match="NOPERM"):
        await GlideDriver(f"valkey://limited:secret@127.0.0.1:{own_server.port}").open()


async def test_a_wrong_password_is_refused_without_being_told(own_server: ValkeyServer) -> None:
    driver = GlideDriver(f"redis://nobody:hunter2@127.0.0.1:{own_server.port}")
    with pytest.raises(DriverError) as caught:
        await driver.open()
    assert not isinstance(caught.value, DriverUnavailable), "trying again does not help"
    assert "hunter2" not in str(caught.value) and "nobody" not in str(caught.value), "no secret is in a message"


async def test_a_server_that_is_not_there_is_unavailable(own_server: ValkeyServer) -> None:
    driver = GlideDriver(own_server.url)
    own_server.stop()
    async with asyncio.timeout(10):
        with pytest.raises(DriverUnavailable) as caught:
            await driver.open()
    assert not caught.value.maybe_written, "nothing was sent"


async def test_a_loop_is_not_held_up_by_a_server_that_does_not_answer(own_server: ValkeyServer) -> None:
    driver = GlideDriver(own_server.url)
    os.kill(own_server.pid, signal.SIGSTOP)
    opening = asyncio.create_task(driver.open())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not opening.done(), "other tasks go on while it connects"
    os.kill(own_server.pid, signal.SIGCONT)
    await asyncio.wait_for(opening, 20)
    await driver.close()


@pytest.mark.parametrize(
    "source", ["http://localhost", "localhost:6379", "", "redis://h/x", "redis://h/0?a=b", "redis://"]
)
def test_a_foreign_url_is_refused(source: str) -> None:
    with pytest.raises(DefinitionError, match="redis://"):
        GlideDriver(source)


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(DefinitionError, match="not int"):
        GlideDriver(6379)  # pyright: ignore[reportArgumentType]


def test_a_url_becomes_a_configuration_that_is_the_drivers_own() -> None:
    assert str(GlideDriver("valkeys://user:hunter2@db.example:6380/3", prefix="app")) == (
        "rediss://db.example:6380/3 prefix=app"
    ), "the name of a driver holds no secret"
    assert "hunter2" not in repr(GlideDriver("redis://:hunter2@db.example"))


async def test_the_users_client_is_neither_used_nor_closed(valkey_server: ValkeyServer, prefix: str) -> None:
    config = GlideClientConfiguration([NodeAddress("127.0.0.1", valkey_server.port)], request_timeout=20)
    client = await GlideClient.create(config)
    driver = GlideDriver(client, prefix=prefix)
    await driver.open()
    await driver.enqueue([job_of("a", body=b"\xff\x00")])
    assert [lease.body for lease in (await driver.exchange([], claim_of())).leases] == [b"\xff\x00"]
    assert (await driver.exchange([], claim_of(wait=60))).leases == [], (
        "a wait is not cut short by the client's timeout"
    )
    await driver.close()
    assert await client.ping() == b"PONG", "the client is the user's"
    assert config.request_timeout == 20 and config.pubsub_subscriptions is None, "and so is its configuration"
    await client.close()


async def test_a_configuration_is_a_source(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
    credentials = ServerCredentials("secret", "app")
    config = GlideClientConfiguration(
        [NodeAddress("127.0.0.1", own_server.port)], credentials=credentials, database_id=3
    )
    driver = GlideDriver(config)
    await driver.open()
    await driver.enqueue([job_of("a")])
    await operator.ask("SELECT", 3)
    assert await operator.ask("HLEN", "flowli:{default}:jobs") == 1
    await driver.close()


async def test_opening_twice_at_once_opens_once(valkey_server: ValkeyServer, prefix: str) -> None:
    driver = GlideDriver(valkey_server.url, prefix=prefix)
    await asyncio.gather(driver.open(), driver.open())
    assert await driver.get_jobs(["a"]) == [None]
    await driver.close()
    with pytest.raises(DriverClosed):
        await driver.get_jobs(["a"])


async def test_a_closed_driver_leaves_no_connection_and_no_task(own_server: ValkeyServer, operator: Outside) -> None:
    tasks, before = asyncio.all_tasks(), len(await operator.clients())
    driver = GlideDriver(own_server.url)
    await driver.open()
    waits = [asyncio.create_task(driver.exchange([], claim_of(wait=60_000))) for _ in range(3)]
    await driver.exchange([], claim_of(0))
    await driver.close()
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(item, DriverClosed) for item in found), "a wait ends with the driver"
    assert asyncio.all_tasks() == tasks

    async def disconnected() -> bool:
        return len(await operator.clients()) == before

    assert await eventually(disconnected, what="the end of its connections")
    await driver.open()
    assert await driver.get_jobs(["a"]) == [None], "a closed driver can be opened again"
    await driver.close()


async def test_a_fork_has_to_open_a_twin(driver: GlideDriver) -> None:
    child = os.fork()
    if child == 0:
        os._exit(_in_a_fork(driver))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "every verb raises DriverClosed, and no signal ends the child"
    await driver.enqueue([job_of("a")])
    assert (await driver.get_jobs(["a"]))[0] is not None, "the parent is served as before"


def _in_a_fork(driver: GlideDriver) -> int:
    """0 if the driver is closed in this process and its twin can be opened."""

    async def use_twin() -> bool:
        twin = driver.twin()
        await twin.open()
        found = await twin.get_jobs(["a"])
        await twin.close()
        return found == [None]

    async def get() -> None:
        await driver.get_jobs(["a"])

    try:
        asyncio.run(get())
    except DriverClosed:
        asyncio.run(driver.close())
        return 0 if asyncio.run(use_twin()) else 2
    return 1
