"""What goes wrong on the way becomes an error of Flowli's that says what was written, and never what was sent."""

from __future__ import annotations

import traceback

import pytest
from redis.exceptions import (
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from flowli.driver import Millis
from flowli.errors import DriverError, DriverUnavailable, QueueFull
from flowli.resp.refusals import Denied
from flowli_redis import RedisDriver
from flowli_redis.failures import refusal
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

CANARY = "CANARY-4711"


async def test_no_payload_is_in_the_text_of_a_refusal(driver: RedisDriver, client: Outside, prefix: str) -> None:
    await client.ask("SET", f"flowli:{{{prefix}}}:line:mail", CANARY)
    with pytest.raises(DriverError) as caught:
        await driver.enqueue([job_of("a", body=CANARY.encode())])
    assert CANARY not in "".join(traceback.format_exception(caught.value)), "an exception is logged: no payload in it"


async def test_no_payload_is_in_the_text_of_a_missing_right(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("ACL", "SETUSER", "reader", "on", ">x", "~*", "&*", "+@all")
    driver = RedisDriver(f"redis://reader:x@127.0.0.1:{own_server.port}", prefix="app")
    await driver.open()
    await operator.ask("ACL", "SETUSER", "reader", "-eval", "-evalsha")
    with pytest.raises(DriverError, match="NOPERM") as caught:
        await driver.enqueue([job_of("a", body=CANARY.encode())])
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    await driver.close()


async def test_a_reply_that_is_lost_may_have_been_written(own_server: ValkeyServer) -> None:
    driver = RedisDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    own_server.kill()
    with pytest.raises(DriverUnavailable) as caught:
        await driver.enqueue([job_of("b", body=CANARY.encode())])
    assert caught.value.maybe_written, "it was sent; whether it was written is unknown"
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(DriverUnavailable) as caught:
        await driver.enqueue([job_of("b")])
    assert not caught.value.maybe_written, "the dead connection was dropped: now nothing was sent"
    await driver.close()


async def test_a_driver_finds_a_server_that_came_back(own_server: ValkeyServer) -> None:
    driver = RedisDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    own_server.stop()
    own_server.start()

    async def enqueued() -> bool:
        try:
            await driver.enqueue([job_of("a")])
        except DriverUnavailable:
            return False
        return True

    assert await eventually(enqueued, what="an enqueue after the restart")
    await driver.close()


async def test_a_busy_server_is_unavailable_and_nothing_is_written(own_server: ValkeyServer, operator: Outside) -> None:
    leader = RedisDriver(own_server.url, prefix="app")
    await leader.open()
    await operator.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(DriverUnavailable, match="READONLY") as caught:
        await leader.enqueue([job_of("a")])
    assert not caught.value.maybe_written, "a refusal is an answer"
    await leader.close()


async def test_outcomes_are_heard_through_a_broken_subscription(driver: RedisDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a"), job_of("b")])
    one, two = (await driver.exchange([], claim_of())).leases
    await driver.exchange([ended(one, keep_for=60_000)])
    assert list(await driver.outcomes(["a"], wait=Millis(5_000))) == ["a"]
    await driver.outcomes(["b"], wait=Millis(1))
    await client.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await driver.exchange([ended(two, keep_for=60_000)])
    found = await driver.outcomes(["b"], wait=Millis(20_000))
    assert list(found) == ["b"], "a waiter looks again when its subscription ended"


OOM = "command not allowed when used memory > 'maxmemory'."


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (OutOfMemoryError(OOM), QueueFull, "memory"),
        (ResponseError(f"OOM {OOM}"), QueueFull, "memory"),
        (
            ResponseError(f"Error running script (call to f_1): @user_script:1: @user_script: 1: -OOM {OOM}"),
            QueueFull,
            "memory",
        ),
        (ResponseError("BUSY Redis is busy running a script."), DriverUnavailable, "BUSY"),
        (BusyLoadingError("Redis is loading the dataset in memory"), DriverUnavailable, "LOADING"),
        (ReadOnlyError("You can't write against a read only replica."), DriverUnavailable, "READONLY"),
        (ResponseError("CLUSTERDOWN The cluster is down"), DriverUnavailable, "CLUSTERDOWN"),
        (ResponseError("MASTERDOWN Link with MASTER is down"), DriverUnavailable, "MASTERDOWN"),
        (NoPermissionError(f"{CANARY} is not allowed"), Denied, "NOPERM"),
        (ResponseError(f"unknown command, with args beginning with: '{CANARY}'"), DriverError, "ERR"),
    ],
)
def test_a_refusal_is_known_by_its_code(error: RedisError, kind: type[DriverError], code: str) -> None:
    found = refusal("redis://localhost:6379/0", error, maybe_written=False)
    assert type(found) is kind and code in str(found)
    assert CANARY not in str(found)
