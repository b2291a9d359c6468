"""A wait sleeps in the server, on a client of its own, and can be taken back whole."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest

from flowli.driver import Driver, Hold, Millis, Renewal, Settled
from flowli_glide import GlideDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio


async def _asleep(client: Outside, number: int = 1) -> None:
    async def enough() -> bool:
        return sum(item["cmd"] == "bzpopmin" and "b" in item["flags"] for item in await client.clients()) == number

    await eventually(enough, what=f"{number} waiting claims")


async def test_a_cancelled_wait_takes_no_job_and_no_wake_up(driver: GlideDriver, client: Outside) -> None:
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await _asleep(client, 0)
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(driver.exchange([], claim_of(wait=60_000)), 20)
    assert [lease.id for lease in found.leases] == ["a"], "nobody leased the job for a caller that is gone"


async def test_a_cancelled_wait_leaves_the_wake_up_to_another(driver: GlideDriver, client: Outside) -> None:
    cancelled = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    other = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client, 2)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(other, 20)
    assert [lease.id for lease in found.leases] == ["a"]


async def test_a_settlement_does_not_wait_behind_a_wait(driver: GlideDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a")])
    (lease,) = (await driver.exchange([], claim_of())).leases
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    settled = await asyncio.wait_for(driver.exchange([ended(lease)]), 20)
    assert settled.settled == [Settled.WRITTEN] and not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_waits_do_not_use_up_the_connections_of_other_calls(driver: GlideDriver, client: Outside) -> None:
    queues = [f"q{number}" for number in range(24)]
    waits = [asyncio.create_task(driver.exchange([], claim_of(queues=(queue,), wait=60_000))) for queue in queues]
    await _asleep(client, 24)
    await asyncio.wait_for(driver.enqueue([job_of(queue, queue=queue) for queue in queues]), 20)
    found = await asyncio.wait_for(asyncio.gather(*waits), 20)
    assert [item.leases[0].id for item in found] == queues


async def test_a_wait_reuses_its_client(driver: GlideDriver, client: Outside) -> None:
    await driver.exchange([], claim_of(wait=1))
    before = await client.connections_received()
    for _ in range(5):
        await driver.exchange([], claim_of(wait=1))
    assert await client.connections_received() == before, "waiting again opens no further connection"


async def test_a_cancelled_subscription_leaves_nothing_behind(own_server: ValkeyServer, operator: Outside) -> None:
    await operator.ask("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "allchannels", "+@all")
    loop, said = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: said.append(str(context)))
    driver = GlideDriver(f"redis://deaf:secret@127.0.0.1:{own_server.port}")
    await driver.open()
    await driver.enqueue([job_of("a")])
    await operator.ask("ACL", "SETUSER", "deaf", "resetchannels")
    waiting = asyncio.create_task(driver.outcomes(["a"], wait=Millis(60_000)))

    async def subscribing() -> bool:
        return bool(await operator.ask("ACL", "LOG"))

    await eventually(subscribing, what="a subscription that is refused, and so never confirmed")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await driver.close()
    gc.collect()
    loop.set_exception_handler(None)
    assert said == [], "no failure of a call that nobody waits for is reported as forgotten"


async def test_more_calls_than_the_client_library_allows_are_served(driver: GlideDriver) -> None:
    await driver.enqueue([job_of("a")])
    found = await asyncio.gather(*(driver.get_jobs(["a"]) for _ in range(3_000)))
    assert all(jobs[0] is not None for jobs in found), "what is too much at once waits for its turn"


async def test_cancelled_calls_leave_a_driver_that_answers_right(driver: GlideDriver) -> None:
    ids = [f"j{number}" for number in range(50)]
    await driver.enqueue([job_of(id) for id in ids])

    async def ask(id: str) -> str | None:
        return next((job.id for job in await driver.get_jobs([id]) if job), None)

    for round in range(20):
        tasks = {id: asyncio.create_task(ask(id)) for id in ids}
        for _ in range(round % 5):
            await asyncio.sleep(0)
        for id in ids[round % 3 :: 3]:
            tasks[id].cancel()
        answers = await asyncio.gather(*tasks.values(), return_exceptions=True)
        kept = [(id, answer) for id, answer in zip(ids, answers, strict=True) if isinstance(answer, str)]
        assert kept and all(id == answer for id, answer in kept), "every answer belongs to its question"


async def test_a_blocked_loop_does_not_withhold_replies_from_another_thread(driver: GlideDriver) -> None:
    await driver.enqueue([job_of("a")])
    (lease,) = (await driver.exchange([], claim_of())).leases
    renewals: list[Renewal] = []
    renewing, release = threading.Event(), threading.Event()
    hold = Hold(lease.queue, lease.id, lease.token)
    arguments = (driver.twin(), hold, renewals, renewing, release)
    thread = threading.Thread(target=lambda: asyncio.run(_renew(*arguments)))
    thread.start()
    renewing.wait(20)
    release.set()
    deadline = time.monotonic() + 20
    while len(renewals) < 20 and time.monotonic() < deadline:
        release.wait(0.001)  # this loop runs nothing else meanwhile, as under a handler that blocks
    assert renewals == [Renewal.RENEWED] * 20
    thread.join(20)


async def _renew(
    twin: Driver, hold: Hold, renewals: list[Renewal], renewing: threading.Event, release: threading.Event
) -> None:
    await twin.open()
    renewing.set()
    release.wait(20)
    for _ in range(20):
        renewals += await twin.renew([hold], Millis(30_000))
    await twin.close()
