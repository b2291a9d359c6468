"""``flowli.inspect.explain``: every reason for which a job does not run, as its store shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowli import Backoff, Flowli, Runner, ValidationError, job
from flowli.driver import Millis, RunnerNote
from flowli.explaining import Cause, Explanation
from flowli.limiting import Concurrency, Rate
from flowli.wire import encode_note
from flowli_memory import ManualClock, MemoryDriver
from tests.support.jobs import claim_of

pytestmark = pytest.mark.anyio

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@job(max_attempts=3, backoff=Backoff(delay="1m", jitter=False))
async def plain(number: int) -> int:
    if number < 0:
        raise RuntimeError("negative")
    return number


@job(limits=[Concurrency(1, key=lambda input: f"k{input}", name="gate")])
async def gated(input: int) -> int:
    return input


@job(limits=[Rate(1, per="1h", name="tap")])
async def metered(input: int) -> int:
    return input


class App(Flowli[None]):
    plain = plain
    gated = gated
    metered = metered


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def flowli(clock: ManualClock) -> App:
    return App(context=None, driver=MemoryDriver(clock=clock))


def causes(found: Explanation) -> list[Cause]:
    return [reason.cause for reason in found.reasons]


async def alive(flowli: App, *jobs: str, queues: tuple[str, ...] | None = None) -> None:
    """Somebody says that a runner lives which registers these jobs."""
    driver = await flowli.__flowli__.driver("a test")
    now = (await driver.overview(())).now
    note = encode_note(host="here", pid=1, jobs=jobs)
    await driver.announce(RunnerNote(id="one", queues=queues, note=note, alive_until=Millis(now + 30_000)))


async def test_an_unknown_id_is_said_to_be_unknown(flowli: App) -> None:
    found = await flowli.inspect.explain("nobody")
    assert (found.state, causes(found)) == (None, [Cause.UNKNOWN])
    assert str(found).startswith("There is no record of 'nobody'")
    with pytest.raises(ValidationError):
        await flowli.inspect.explain("")


async def test_without_a_runner_that_is_what_is_lacking(flowli: App) -> None:
    handle = await flowli.plain.enqueue(1)
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.UNSERVED, Cause.NEXT]
    assert "No runner is alive" in str(found)


@pytest.mark.parametrize(
    ("jobs", "queues", "said"),
    [(("other",), None, "registers the job 'plain'"), (("plain",), ("mail",), "serves the queue 'default'")],
)
async def test_a_runner_that_cannot_take_it_is_not_enough(
    flowli: App, jobs: tuple[str, ...], queues: tuple[str, ...] | None, said: str
) -> None:
    handle = await flowli.plain.enqueue(1)
    await alive(flowli, *jobs, queues=queues)
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.UNSERVED, Cause.NEXT] and said in str(found)


async def test_those_before_it_are_counted(flowli: App) -> None:
    handles = await flowli.plain.enqueue_many(range(700))
    await alive(flowli, "plain")
    first, last = [await flowli.inspect.explain(handles[at].id) for at in (0, -1)]
    assert causes(first) == [Cause.NEXT]
    assert causes(last) == [Cause.BEHIND] and "behind 699 others" in str(last)


async def test_what_is_due_later_says_when(flowli: App, clock: ManualClock) -> None:
    handle = await flowli.plain.delay("1h", 1)
    await alive(flowli, "plain")
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.NOT_DUE] and found.reasons[0].until == NOON + HOUR


async def test_the_wait_after_a_failure_says_when(flowli: App) -> None:
    handle = await flowli.plain.enqueue(-1)
    await Runner(flowli).run_once()
    await alive(flowli, "plain")
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.RETRY] and found.reasons[0].until == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(("way", "name"), [("queue", "default"), ("job", "plain")])
async def test_a_pause_says_how_to_end_it(flowli: App, way: str, name: str) -> None:
    handle = await flowli.plain.enqueue(1)
    pause: Callable[..., Any] = flowli.control.pause
    await pause(**{way: name})
    await Runner(flowli).run_once()
    await alive(flowli, "plain")
    found = await flowli.inspect.explain(handle.id)
    assert causes(found)[0] is Cause.PAUSED
    assert f"flowli.control.resume({way}='{name}')" in str(found)


async def test_a_full_limit_names_who_holds_it(flowli: App) -> None:
    holder, other = [await flowli.gated.enqueue(number) for number in (1, 1)]
    free = await flowli.gated.enqueue(2)
    driver = await flowli.__flowli__.driver("a test")
    leased = (await driver.exchange([], claim_of(queues=("default",)))).leases
    assert {lease.id for lease in leased} == {holder.id, free.id}
    await alive(flowli, "gated")
    found = await flowli.inspect.explain(other.id)
    assert causes(found) == [Cause.LIMIT] and found.reasons[0].ids == (holder.id,)
    assert "limit 'gate', key 'k1' lends no more: 1 of 1 are in use" in str(found)
    assert causes(await flowli.inspect.explain(holder.id)) == [Cause.RUNNING]


async def test_a_spent_rate_and_a_hold_are_limits_too(flowli: App, clock: ManualClock) -> None:
    for number in (1, 2):
        await flowli.metered.enqueue(number)
    await Runner(flowli).run_once()
    waiting = (await flowli.inspect.get_jobs_by_state("scheduled"))[0]
    await alive(flowli, "metered")
    assert "limit 'tap' lends no more: 1 of 1" in str(await flowli.inspect.explain(waiting.id))
    await flowli.control.hold("tap", "2h")
    found = await flowli.inspect.explain(waiting.id)
    assert causes(found) == [Cause.LIMIT] and found.reasons[0].until == NOON + 2 * HOUR


async def test_a_step_of_a_chain_names_its_parents(flowli: App) -> None:
    handle = await flowli.plain.then(flowli.plain).enqueue(1)
    await alive(flowli, "plain")
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.PARENTS] and len(found.reasons[0].ids) == 1


async def test_what_is_over_says_how_it_ended(flowli: App) -> None:
    handle = await flowli.plain.enqueue(-1, max_attempts=1)
    await Runner(flowli).run_once()
    found = await flowli.inspect.explain(handle.id)
    assert causes(found) == [Cause.OVER] and str(found) == "It is failed, reason attempts."
