"""What goes wrong on the way becomes an error of Flowli's that says what was written, and never what was sent."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback

import pytest
from glide import RequestError

from flowli.driver import Act, Deed, Hold, Millis, Settled
from flowli.errors import DriverError, DriverUnavailable, QueueFull
from flowli.resp.refusals import Denied
from flowli_glide import GlideDriver
from flowli_glide.failures import refusal
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside, outside
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio

CANARY = "CANARY-4711"
SAID = "An error was signalled by the server: - "


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("OOM: command not allowed when used memory > 'maxmemory'. script: ...", QueueFull, "memory"),
        (f"{SAID}ResponseError: Error running script: @user_script: 1: -OOM command not allowed", QueueFull, "memory"),
        (f"{SAID}ReadOnly: You can't write against a read only replica.", DriverUnavailable, "READONLY"),
        (f"{SAID}BusyLoadingError: {CANARY}", DriverUnavailable, "LOADING"),
        (f"{SAID}ClusterDown: {CANARY}", DriverUnavailable, "CLUSTERDOWN"),
        (f"{SAID}MasterDown: {CANARY}", DriverUnavailable, "MASTERDOWN"),
        (f"{SAID}TryAgain: {CANARY}", DriverUnavailable, "TRYAGAIN"),
        (f"MISCONF: {CANARY}", DriverUnavailable, "MISCONF"),
        ("WAIT cannot be used with replica instances.", DriverUnavailable, "READONLY"),
        (f"BrokenPipe: Cluster: Failed to receive command response {CANARY}", DriverUnavailable, "BrokenPipe"),
        (f"{SAID}PermissionDenied: User {CANARY} has no permissions", Denied, "NOPERM"),
        (f"WRONGTYPE: {CANARY}", DriverError, "WRONGTYPE"),
        (f"{SAID}ResponseError: unknown command, with args beginning with: '{CANARY}'", DriverError, "ERR"),
    ],
)
def test_a_refusal_is_known_by_its_code(text: str, kind: type[DriverError], code: str) -> None:
    error = refusal("redis://localhost:6379/0", RequestError(text), maybe_written=False)
    assert type(error) is kind and code in str(error)
    assert CANARY not in str(error)


async def test_no_payload_is_in_the_text_of_a_refusal(driver: GlideDriver, client: Outside, prefix: str) -> None:
    await client.ask("SET", f"flowli:{{{prefix}}}:line:mail", CANARY)
    with pytest.raises(DriverError, match="WRONGTYPE") as caught:
        await driver.enqueue([job_of("a", body=CANARY.encode())])
    assert CANARY not in "".join(traceback.format_exception(caught.value)), "an exception is logged: no payload in it"


async def test_no_payload_is_in_the_text_of_a_missing_right(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("ACL", "SETUSER", "reader", "on", ">x", "~*", "&*", "+@all")
    driver = GlideDriver(f"redis://reader:x@127.0.0.1:{own_server.port}", prefix="app")
    await driver.open()
    await operator.ask("ACL", "SETUSER", "reader", "-eval", "-evalsha")
    with pytest.raises(DriverError, match="NOPERM") as caught:
        await driver.enqueue([job_of("a", body=CANARY.encode())])
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    await driver.close()


async def test_a_full_server_refuses_new_jobs_and_executes_those_it_has(
    own_server: ValkeyServer, operator: Outside
) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a"), job_of("b")])
    await operator.ask("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(QueueFull):
        await driver.enqueue([job_of("new", body=CANARY.encode())])
    leases = (await driver.exchange([], claim_of())).leases
    settled = await driver.exchange([ended(lease, keep_for=60_000) for lease in leases])
    assert settled.settled == [Settled.WRITTEN] * 2
    await driver.close()


@pytest.mark.slow
async def test_a_reply_that_is_lost_may_have_been_written(
    own_server: ValkeyServer, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    own_server.kill()
    with pytest.raises(DriverUnavailable) as caught:
        await driver.enqueue([job_of("b", body=CANARY.encode())])
    assert caught.value.maybe_written, "it may have been sent; whether it was written is unknown"
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(DriverUnavailable) as caught:
        await driver.enqueue([job_of("b", body=CANARY.encode())])
    assert not caught.value.maybe_written, "the dead client was dropped: now nothing was sent"
    await driver.close()
    assert CANARY not in "".join(capfd.readouterr()), "nor does the client library log what was sent"


@pytest.mark.slow
async def test_a_driver_finds_a_server_that_came_back(own_server: ValkeyServer) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    await driver.enqueue([job_of("a")])
    await driver.exchange([], claim_of(wait=1, queues=("other",)))
    own_server.stop()
    own_server.start()

    async def served() -> bool:
        try:
            await driver.enqueue([job_of("a")])
            return [lease.id for lease in (await driver.exchange([], claim_of(wait=1))).leases] == ["a"]
        except DriverUnavailable:
            return False

    assert await eventually(served, within=40, what="a claim after the restart")
    await driver.close()


@pytest.mark.slow
async def test_a_server_that_hangs_is_given_up_and_found_again(own_server: ValkeyServer) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=100)))
    await driver.enqueue([job_of("a", queue="other")])
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(40):
            with pytest.raises(DriverUnavailable) as caught:
                await driver.enqueue([job_of("b")])
            assert caught.value.maybe_written, "the server may execute it as soon as it goes on"
            await asyncio.gather(waiting, return_exceptions=True)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert waiting.done(), "no call waits for ever: GLIDE may forget its own time-out (valkey-glide #6673)"

    async def served() -> bool:
        try:
            return (await driver.get_jobs(["a"]))[0] is not None
        except DriverUnavailable:
            return False

    assert await eventually(served, within=40, what="a reply after the pause")
    await driver.close()


async def test_a_busy_server_is_unavailable_and_nothing_is_written(own_server: ValkeyServer, operator: Outside) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    await operator.ask("CONFIG", "SET", "busy-reply-threshold", 1)
    async with outside(own_server.url) as other:
        busy = asyncio.create_task(other.ask("EVAL", "while true do end", 0))

        async def refuses() -> bool:
            try:
                await driver.get_jobs(["a"])
            except DriverUnavailable as error:
                return "BUSY" in str(error)
            return False

        assert await eventually(refuses, what="a server that is busy with a script")
        with pytest.raises(DriverUnavailable, match="BUSY") as caught:
            await driver.enqueue([job_of("a")])
        assert not caught.value.maybe_written, "a refusal is an answer"
        await operator.ask("SCRIPT", "KILL")
        await asyncio.gather(busy, return_exceptions=True)
    await driver.enqueue([job_of("a")])
    assert (await driver.get_jobs(["a"]))[0] is not None
    await driver.close()


async def test_a_replica_is_unavailable_and_nothing_is_written(own_server: ValkeyServer, operator: Outside) -> None:
    driver = GlideDriver(own_server.url, prefix="app")
    await driver.open()
    await operator.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(DriverUnavailable, match="READONLY") as caught:
        await driver.enqueue([job_of("a")])
    assert not caught.value.maybe_written, "a refusal is an answer"
    await driver.close()


async def test_every_verb_survives_a_server_that_forgot_the_scripts(driver: GlideDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a"), job_of("b")])
    leases = (await driver.exchange([], claim_of())).leases
    await client.ask("SCRIPT", "FLUSH")
    assert (await driver.exchange([ended(leases[0])], claim_of())).settled == [Settled.WRITTEN]
    await client.ask("SCRIPT", "FLUSH")
    assert len(await driver.renew([Hold("mail", "b", leases[1].token)], Millis(1_000))) == 1
    await client.ask("SCRIPT", "FLUSH")
    await driver.enqueue([job_of("c")])
    await client.ask("SCRIPT", "FLUSH")
    assert (await driver.act([Act(id="c", deed=Deed.CANCEL)]))[0].done
    await client.ask("SCRIPT", "FLUSH")
    assert [job and job.id for job in await driver.get_jobs(["a", "b", "c"])] == [None, "b", None]
    await client.ask("SCRIPT", "FLUSH")
    await driver.enqueue([job_of("d")])
    assert [lease.id for lease in (await driver.exchange([], claim_of(wait=5_000))).leases] == ["d"]


async def test_outcomes_are_heard_through_a_broken_subscription(driver: GlideDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a"), job_of("b")])
    one, two = (await driver.exchange([], claim_of())).leases
    await driver.exchange([ended(one, keep_for=60_000)])
    assert list(await driver.outcomes(["a"], wait=Millis(5_000))) == ["a"]
    await driver.outcomes(["b"], wait=Millis(1))
    await client.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await driver.exchange([ended(two, keep_for=60_000)])
    assert list(await driver.outcomes(["b"], wait=Millis(20_000))) == ["b"]
