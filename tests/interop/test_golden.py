"""A store that layout 1 wrote is read, listed and executed through both client libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from flowli import JobFailedError, Runner
from flowli.driver import Driver, State
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.interop.golden import PREFIX, Archive, put_up
from tests.interop.work import Request
from tests.support.outside import outside
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

STATES = {
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
    "retried": State.SCHEDULED,
    "later": State.SCHEDULED,
    "left": State.ACTIVE,
    "urgent": State.QUEUED,
    "{odd}:\x00 ж": State.QUEUED,
    "elsewhere": State.QUEUED,
}
ADA = Request(by="Ada äß\x00")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture(params=[RedisDriver, GlideDriver], ids=["redis-py", "glide"])
async def archive(request: pytest.FixtureRequest, own_server: ValkeyServer) -> AsyncIterator[Archive]:
    make: Callable[..., Driver] = request.param
    async with outside(own_server.url) as operator:
        await put_up(operator)
    async with Archive(context=None, driver=make(own_server.url, prefix=PREFIX)) as archive:
        yield archive


async def test_every_record_of_layout_1_is_read(archive: Archive) -> None:
    found = {id: await archive.inspect.get_job(id) for id in STATES}
    assert {id: record and record.state for id, record in found.items()} == STATES
    for state in State:
        listed = {record.id for record in await archive.inspect.get_jobs_by_state(state, limit=100)}
        assert listed == {id for id, its in STATES.items() if its is state}
    retried = found["retried"]
    assert retried is not None and (retried.attempts_made, retried.failures) == (1, 1)
    assert retried.error is not None and retried.error.message == "no -3"


async def test_outcomes_of_layout_1_are_heard(archive: Archive) -> None:
    assert await archive.weigh.handle("completed").result(timeout=5) == ADA.model_copy(update={"weight": 1})
    with pytest.raises(JobFailedError, match="no -2"):
        await archive.weigh.handle("failed").result(timeout=5)


async def test_schedules_of_layout_1_are_read(archive: Archive) -> None:
    leap, odd = [await archive.inspect.get_schedule(key) for key in ("leap", "ж:{a}")]
    assert leap is not None and (leap.when, leap.tz) == ("0 8 29 2 *", "Europe/Berlin") and leap.next_run_at
    assert odd is not None and (odd.name, odd.when) == ("weigh", "3650d")


async def test_work_of_layout_1_is_executed(archive: Archive) -> None:
    await Runner(archive).run_until_idle()
    for id, weight in (("urgent", 7), ("{odd}:\x00 ж", 8)):
        assert await archive.weigh.handle(id).result(timeout=10) == ADA.model_copy(update={"weight": weight})
    left = await archive.inspect.get_job("left")
    assert left is not None and left.state is State.COMPLETED, "whose runner went away is recovered"
    failed = await archive.inspect.get_job("retried")
    assert failed is not None and (failed.state, failed.failures) == (State.FAILED, 2), "its second failure is the last"
    counts = await archive.inspect.get_queue_counts()
    assert (counts.queued, counts.active, counts.scheduled, counts.schedules) == (0, 0, 1, 2)
