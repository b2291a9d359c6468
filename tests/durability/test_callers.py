"""NotDurable on its way to who called: with the ids to repeat with, from every strategy, and never out of a runner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from flowli import Flowli, Runner, job
from flowli.driver import Disposition, Enqueued, Millis, State
from flowli.errors import NotDurable
from tests.durability.drivers import make
from tests.support.polling import eventually
from tests.support.replication import Replication, stalled

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ran: list[int] = []


@job
async def remember(number: int) -> int:
    ran.append(number)
    return number


class App(Flowli[None]):
    remember = remember


@pytest.fixture
async def app(client: str, pair: Replication, prefix: str) -> AsyncIterator[App]:
    ran.clear()
    async with App(
        context=None, driver=make(client, pair.first.url, prefix=prefix, durability="replica", within="200ms")
    ) as app:
        yield app


@contextmanager
def unconfirmed(pair: Replication) -> Generator[list[NotDurable], None, None]:
    """A block that has to raise NotDurable, while the replica stands still."""
    found: list[NotDurable] = []
    with stalled(pair.replicas[0]):
        with pytest.raises(NotDurable) as caught:
            yield found
        found.append(caught.value)


async def test_enqueue_tells_the_id_and_its_repeat_confirms_the_one_job(app: App, pair: Replication) -> None:
    with unconfirmed(pair) as found:
        await app.remember.enqueue(1)
    (job_id,) = found[0].job_ids
    handle = await app.remember.enqueue(1, id=job_id)
    assert (handle.id, handle.deduplicated, handle.state) == (job_id, True, State.QUEUED)
    await Runner(app).run_until_idle()
    assert ran == [1], "two calls, one job"


async def test_enqueue_many_tells_all_ids_in_order(app: App, pair: Replication) -> None:
    with unconfirmed(pair) as found:
        await app.remember.enqueue_many([1, 2, 3], ids=["a", "b", "c"])
    assert found[0].job_ids == ("a", "b", "c")
    handles = await app.remember.enqueue_many([1, 2, 3], ids=found[0].job_ids)
    assert [(handle.id, handle.deduplicated) for handle in handles] == [("a", True), ("b", True), ("c", True)]


async def test_delay_tells_when_it_is_due(app: App, pair: Replication) -> None:
    with unconfirmed(pair) as found:
        await app.remember.delay("1h", 1)
    (outcome,) = found[0].outcomes
    assert outcome.state is State.SCHEDULED
    later = datetime.fromtimestamp(outcome.due / 1000, UTC) - datetime.now(UTC)
    assert timedelta(minutes=55) < later <= timedelta(hours=1)


async def test_schedule_is_stored_and_its_repeat_confirms_it(app: App, pair: Replication) -> None:
    with unconfirmed(pair):
        await app.remember.schedule("0 8 * * *", 1, key="digest")
    with unconfirmed(pair):
        await app.remember.schedule("0 8 * * *", 1, key="digest")
    handle = await app.remember.schedule("0 8 * * *", 1, key="digest")
    assert handle.key == "digest"
    assert len(await app.inspect.get_schedules()) == 1


async def test_a_runner_fires_and_settles_while_nothing_is_confirmed(
    app: App, pair: Replication, caplog: pytest.LogCaptureFixture
) -> None:
    await app.remember.schedule("1s", 7, key="tick")
    with stalled(pair.replicas[0]):
        async with Runner(app, poll_interval="100ms"):

            async def fired() -> bool:
                return len(ran) >= 2

            await eventually(fired, what="two instants")
    assert "schedules were fired, and that is not confirmed" in caplog.text


def test_callers_whose_jobs_were_stored_together_are_each_told_of_their_own() -> None:
    outcomes = [Enqueued(Disposition.CREATED, name, State.QUEUED, Millis(1)) for name in "abc"]
    whole = NotDurable("too few", outcomes=outcomes)
    parts = [whole.part(0, 1), whole.part(1, 3)]
    assert [part.job_ids for part in parts] == [("a",), ("b", "c")]
    assert [str(part) for part in parts] == ["too few", "too few"]
