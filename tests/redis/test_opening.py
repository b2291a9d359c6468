"""What `open` refuses, what it bears, and whose connections are whose."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from flowli.errors import DefinitionError, DriverClosed, DriverError, DriverUnavailable
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, job_of
from tests.support.outside import Outside
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_a_server_that_evicts_is_refused(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    driver = RedisDriver(own_server.url)
    with pytest.raises(DriverError, match="allkeys-lru"):
        await driver.open()
    allowed = RedisDriver(own_server.url, allow_eviction=True)
    await allowed.open()
    assert await allowed.get_jobs(["a"]) == [None], "who accepts the loss is served"
    await allowed.close()


async def test_another_layout_is_refused(valkey_server: ValkeyServer, client: Outside, prefix: str) -> None:
    await client.ask("HSET", f"flowli:{{{prefix}}}:meta", "layout", "999")
    with pytest.raises(DriverError, match="layout 999"):
        await RedisDriver(valkey_server.url, prefix=prefix).open()


async def test_a_user_without_info_and_config_is_served(own_server: ValkeyServer, operator: Outside) -> None:
    rights = ["on", ">secret", "~flowli:{app}:*", "&flowli:{app}:*", "+@all", "-@admin", "-@dangerous"]
    await operator.ask("ACL", "SETUSER", "limited", *rights)
    driver = RedisDriver(f"redis://limited:secret@127.0.0.1:{own_server.port}", prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    assert [lease.id for lease in (await driver.exchange([], claim_of(queues=None))).leases] == ["a"]
    await driver.close()


async def test_a_wrong_password_is_refused_without_being_told(own_server: ValkeyServer) -> None:
    driver = RedisDriver(f"redis://nobody:hunter2@127.0.0.1:{own_server.port}")
    with pytest.raises(DriverError) as caught:
        await driver.open()
    assert not isinstance(caught.value, DriverUnavailable), "trying again does not help"
    assert "hunter2" not in str(caught.value) and "nobody" not in str(caught.value), "no secret is in a message"


async def test_a_server_that_is_not_there_is_unavailable(own_server: ValkeyServer) -> None:
    driver = RedisDriver(own_server.url)
    own_server.stop()
    with pytest.raises(DriverUnavailable) as caught:
        await driver.open()
    assert not caught.value.maybe_written, "nothing was sent"


@pytest.mark.parametrize("source", ["http://localhost", "localhost:6379", ""])
def test_a_foreign_url_is_refused(source: str) -> None:
    with pytest.raises(DefinitionError, match="redis://"):
        RedisDriver(source)


def test_the_name_of_a_driver_holds_no_secret() -> None:
    driver = RedisDriver("redis://user:hunter2@db.example:6380/3?client_name=x", prefix="app")
    assert str(driver) == "redis://db.example:6380/3 prefix=app"
    assert "hunter2" not in repr(driver)


@pytest.mark.slow
async def test_the_users_client_is_neither_used_nor_closed(valkey_server: ValkeyServer, prefix: str) -> None:
    client: Any = Redis.from_url(valkey_server.url, decode_responses=True, socket_timeout=0.5)  # pyright: ignore[reportUnknownMemberType]
    driver = RedisDriver(client, prefix=prefix)
    await driver.open()
    await driver.enqueue([job_of("a", body=b"\xff\x00")])
    assert [lease.body for lease in (await driver.exchange([], claim_of())).leases] == [b"\xff\x00"]
    assert (await driver.exchange([], claim_of(wait=600))).leases == [], (
        "a wait is not cut short by the client's timeout"
    )
    await driver.close()
    assert await client.ping() is True, "the client is the user's"
    await client.aclose()


async def test_opening_twice_at_once_opens_once(valkey_server: ValkeyServer, prefix: str) -> None:
    driver = RedisDriver(valkey_server.url, prefix=prefix)
    await asyncio.gather(driver.open(), driver.open())
    assert await driver.get_jobs(["a"]) == [None]
    await driver.close()
    with pytest.raises(DriverClosed):
        await driver.get_jobs(["a"])


async def test_a_closed_driver_can_be_opened_again(driver: RedisDriver) -> None:
    await driver.enqueue([job_of("a")])
    await driver.close()
    await driver.open()
    assert [job and job.id for job in await driver.get_jobs(["a"])] == ["a"]


async def test_a_fork_has_to_open_a_twin(driver: RedisDriver) -> None:
    assert _exit_status_of_a_fork(driver) == 0, "the sockets are the parent's: every verb raises DriverClosed"
    await driver.enqueue([job_of("a")])
    assert (await driver.get_jobs(["a"]))[0] is not None, "the parent is served as before"


def _exit_status_of_a_fork(driver: RedisDriver) -> int:
    child = os.fork()
    if child == 0:
        os._exit(_in_a_fork(driver))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _in_a_fork(driver: RedisDriver) -> int:
    """0 if the driver is closed in this process and its twin can be opened."""

    async def use_twin() -> bool:
        twin = driver.twin()
        await twin.open()
        found = await twin.get_jobs(["a"])
        await twin.close()
        return found == [None]

    try:
        asyncio.run(_get(driver))
    except DriverClosed:
        asyncio.run(driver.close())
        return 0 if asyncio.run(use_twin()) else 2
    return 1


async def _get(driver: RedisDriver) -> None:
    await driver.get_jobs(["a"])


async def test_a_unix_socket_is_a_way_in(prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/valkey.sock"
        server = ValkeyServer(Path(folder), options=["--unixsocket", path]).start()
        driver = RedisDriver(f"unix://{path}?db=2", prefix=prefix)
        await driver.open()
        await driver.enqueue([job_of("a")])
        assert (str(driver), len(await driver.get_jobs(["a"]))) == (f"unix://{path}?db=2 prefix={prefix}", 1)
        await driver.close()
        server.stop()
