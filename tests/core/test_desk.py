"""The dead-letter desk: replaying, deleting and cancelling one job, many, or all that match."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from flowli import Flowli, Job, Runner, ValidationError
from flowli.driver import Act, Acted, Millis
from flowli.errors import DriverUnavailable
from flowli.filters import JobFilter
from flowli.records import Tally
from flowli_memory import ManualClock, MemoryDriver
from tests.core.desk_kit import NOON, Repaired, desk, failed, states
from tests.core.work import Email, RequestMeta, app

pytestmark = pytest.mark.anyio


async def test_a_failed_job_is_replayed_under_its_id_and_counts_failures_anew() -> None:
    flowli = desk()
    handle = await flowli.stubborn.enqueue(-1, meta=RequestMeta(request_id="r"))
    runner = Runner(flowli)
    await runner.run_until_idle()
    before = await handle.record()
    assert (before.state, before.reason, before.failures, before.attempts_made) == ("failed", "attempts", 2, 2)

    assert await flowli.control.replay(handle.id) is True
    record = await handle.record()
    assert (record.state, record.failures, record.attempts_made, record.reason) == ("queued", 0, 2, None)
    assert (record.replays, record.error, record.token) == (1, before.error, before.token)
    assert (record.input_json, record.meta_json) == (before.input_json, before.meta_json)

    await runner.run_until_idle()
    after = await handle.record()
    assert (after.state, after.failures, after.attempts_made, after.replays) == ("failed", 2, 4, 1)
    assert after.token > before.token and after.replay_id == record.replay_id


async def test_an_edited_input_is_what_runs() -> None:
    flowli = desk()
    [id] = await failed(flowli, "bad")

    assert await flowli.control.replay(id, "good") is True
    await Runner(flowli).run_until_idle()
    assert await flowli.fragile.handle(id).result(timeout=0) == "good"


async def test_an_edit_makes_the_new_input_from_the_stored_one_and_meta_stays() -> None:
    flowli = desk()
    handles = [await flowli.stubborn.enqueue(number, meta=RequestMeta(request_id="r")) for number in (-1, -2)]
    runner = Runner(flowli)
    await runner.run_until_idle()

    tally = await flowli.control.replay(JobFilter(job="stubborn"), edit=lambda number: -number)
    await runner.run_until_idle()
    assert tally == Tally(asked=2, done=2)
    assert sorted([await handle.result(timeout=0) for handle in handles]) == [1, 2]


def nothing(_: object) -> None:
    """An edit that makes no input."""


def number(_: object) -> float:
    """An edit that makes an input of another type."""
    return 3.5


@pytest.mark.parametrize("new", [{"input": ["no", "text"]}, {"edit": nothing}, {"edit": number}])
async def test_a_new_input_is_validated_and_nothing_is_done_where_it_is_wrong(new: Any) -> None:
    flowli = desk()
    ids = await failed(flowli, "bad", "bad too")

    with pytest.raises(ValidationError, match="'fragile': the new input does not validate"):
        await flowli.control.replay(ids, **new)
    assert set((await states(flowli, ids)).values()) == {"failed"}


async def test_an_input_for_a_job_that_is_not_registered_here_is_refused() -> None:
    driver = MemoryDriver()
    [id] = await failed(desk(driver), "bad")
    elsewhere: Flowli[None] = Flowli(context=None, driver=driver)

    with pytest.raises(ValidationError, match="'fragile' .* is not registered on Flowli"):
        await elsewhere.control.replay(id, "good")
    assert await elsewhere.control.replay(id) is True


async def test_what_waits_and_what_is_unknown_is_not_replayed() -> None:
    flowli = desk()
    waits = await flowli.fragile.enqueue("good")
    later = await flowli.fragile.delay("1h", "good")

    assert await flowli.control.replay(waits.id) is False
    assert await flowli.control.replay("nobody") is False
    tally = await flowli.control.replay([waits.id, later.id, "nobody"])
    assert tally == Tally(asked=3, done=0, not_done=(waits.id, later.id, "nobody"))


async def test_a_completed_and_a_cancelled_job_are_replayed() -> None:
    flowli = desk()
    completed = await flowli.fragile.enqueue("good")
    await Runner(flowli).run_until_idle()
    cancelled = await flowli.fragile.enqueue("good")
    await cancelled.cancel()

    assert await flowli.control.replay([completed.id, cancelled.id]) == Tally(asked=2, done=2)
    await Runner(flowli).run_until_idle()
    assert [await handle.result(timeout=0) for handle in (completed, cancelled)] == ["good", "good"]


async def test_a_rate_spreads_replays_over_time() -> None:
    clock = ManualClock(NOON)
    flowli = desk(MemoryDriver(clock=clock))
    ids = await failed(flowli, *("bad" for _ in range(6)))

    assert await flowli.control.replay(ids, rate="2/s") == Tally(asked=6, done=6)
    records = [await flowli.inspect.get_job(id) for id in ids]
    waits = [record and record.scheduled_for and record.scheduled_for - NOON for record in records]
    assert waits == [timedelta(milliseconds=500 * place) for place in range(6)]

    executed = [await Runner(flowli).run_once()]
    for _ in range(3):
        clock.advance("1s")
        executed.append(await Runner(flowli).run_once())
    assert executed == [1, 2, 2, 1]


@pytest.mark.parametrize("rate", ["", "fast", "0/s", "-1/s", "10", "10/", "/s", "10/s/s", "1.5/s", "10/0s"])
async def test_a_rate_that_cannot_be_meant_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError):
        await desk().control.replay(["a"], rate=rate)


async def test_all_that_match_are_replayed_and_nothing_else() -> None:
    flowli = desk()
    mail = await failed(flowli, "bad", "bad")
    other = await flowli.boom.enqueue("x")
    await Runner(flowli).run_until_idle()

    assert await flowli.control.replay(JobFilter(error=Repaired)) == Tally(asked=2, done=2)
    assert set((await states(flowli, mail)).values()) == {"queued"}
    assert (await other.record()).state == "failed"


async def test_a_job_that_fails_again_at_once_is_replayed_once_by_one_act() -> None:
    flowli = desk()
    calls = list[str]()
    driver = await flowli.__flowli__.driver("the test")
    await failed(flowli, *(f"bad {number}" for number in range(3)))
    act = driver.act

    async def and_fail_again(acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        calls.extend(one.id for one in acts)
        answers = await act(acts, now=now)
        await Runner(flowli).run_until_idle()
        return answers

    driver.act = and_fail_again  # type: ignore[method-assign]
    tally = await flowli.control.replay(JobFilter())
    assert tally == Tally(asked=3, done=3) and len(calls) == len(set(calls)) == 3


async def test_jobs_are_deleted_one_many_and_by_filter() -> None:
    flowli = desk()
    ids = await failed(flowli, *("bad" for _ in range(5)))
    waits = await flowli.fragile.enqueue("good")

    assert await flowli.control.delete(ids[0]) is True
    assert await flowli.control.delete(ids[0]) is False
    assert await flowli.control.delete([ids[1], "nobody"]) == Tally(asked=2, done=1, not_done=("nobody",))
    assert await flowli.control.delete(JobFilter()) == Tally(asked=3, done=3)
    assert set((await states(flowli, ids)).values()) == {None}
    assert await flowli.control.delete(waits.id) is True
    assert await Runner(flowli).run_until_idle() == 0


async def test_who_acts_on_many_is_told_how_far_it_is() -> None:
    flowli = desk()
    handles = await flowli.fragile.enqueue_many(["good"] * 501)
    told: list[Tally] = []
    await flowli.control.cancel([handle.id for handle in handles], on_progress=told.append)
    assert [(tally.asked, tally.done) for tally in told] == [(500, 500), (501, 501)]
    told.clear()
    await flowli.control.delete(JobFilter(state="cancelled"), on_progress=told.append)
    assert [(tally.asked, tally.done) for tally in told] == [(500, 500), (501, 501)]


async def test_many_are_cancelled_by_ids_and_by_filter() -> None:
    flowli = desk()
    handles = await flowli.fragile.enqueue_many(["good"] * 4)
    ids = [handle.id for handle in handles]

    assert await flowli.control.cancel({ids[0], ids[1]}) == Tally(asked=2, done=2)
    assert await flowli.control.cancel(tuple(ids[:3])) == Tally(asked=3, done=1, not_done=(ids[0], ids[1]))
    assert await flowli.control.cancel(JobFilter(state="queued")) == Tally(asked=1, done=1)
    assert set((await states(flowli, ids)).values()) == {"cancelled"}


class LosesReplies(MemoryDriver):
    """Every second act is done, and its reply lost."""

    losses = 0
    meanwhile: Any = None

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        answers = await super().act(acts, now=now)
        self.losses += 1
        if self.losses % 2:
            if self.meanwhile:
                await self.meanwhile()
            raise DriverUnavailable("the reply was lost", maybe_written=True)
        return answers


@pytest.mark.parametrize("runs_meanwhile", [False, True])
@pytest.mark.parametrize("text", ["bad again", "good"])
async def test_an_act_whose_reply_was_lost_is_found_done_and_done_once(runs_meanwhile: bool, text: str) -> None:
    driver = LosesReplies()
    flowli = desk(driver)
    [id] = await failed(flowli, "bad")
    runs = list[str]()

    async def run() -> None:
        runs.append(str(await Runner(flowli).run_until_idle()))

    driver.meanwhile = run if runs_meanwhile else None
    assert await flowli.control.replay(id, text) is True
    await run()
    assert driver.losses == 2 and sum(map(int, runs)) == 1
    record = await flowli.inspect.get_job(id)
    assert record is not None and record.replays == 1

    driver.meanwhile = None
    assert await flowli.control.delete([id]) == Tally(asked=1, done=1)
    waits = await flowli.fragile.enqueue("good")
    assert await flowli.control.cancel(waits.id) is True


async def test_a_job_whose_input_was_refused_is_repaired_at_the_desk() -> None:
    """The handler's model changed: what was stored does not validate any more."""
    driver = MemoryDriver()
    old: Job[object, str, None, str] = Job(_echo, name="charge")
    new: Job[object, Email, None, str] = Job(_to, name="charge")
    before = Flowli(context=None, jobs=[old], driver=driver)
    handle = await before.use(old).enqueue("ada@example.org")
    after = Flowli(context=None, jobs=[new], driver=driver)
    await Runner(after).run_until_idle()
    assert (await handle.record()).reason == "validation"

    tally = await after.control.replay(JobFilter(reason="validation"), edit=lambda to: {"to": to})
    await Runner(after).run_until_idle()
    assert tally.done == 1
    assert await after.use(new).handle(handle.id).result(timeout=0) == "ada@example.org"


async def _echo(text: str) -> str:
    return text


async def _to(email: Email) -> str:
    return email.to


async def test_control_needs_something_to_act_on() -> None:
    control: Any = app().control
    with pytest.raises(ValidationError, match="takes an id, several, a JobFilter, or schedule="):
        await control.delete()


async def test_a_replay_waits_for_a_runner_anew() -> None:
    """A job nobody knew for a week failed; replayed, it has its week again."""
    clock = ManualClock(NOON)
    driver = MemoryDriver(clock=clock)
    flowli = app(driver)
    stranger: Job[object, None, None, None] = Job(_nothing, name="stranger")
    other = Flowli(context=None, jobs=[stranger], driver=driver)
    handle = await other.use(stranger).enqueue()
    runner = Runner(flowli)
    await runner.run_once()
    clock.advance("8d")
    await runner.run_once()
    assert (await handle.record()).reason == "unknown"

    assert await flowli.control.replay(handle.id) is True
    await runner.run_once()
    record = await handle.record()
    assert (record.state, record.waiting_for, record.replays) == ("scheduled", "runner", 1)


async def _nothing() -> None: ...
