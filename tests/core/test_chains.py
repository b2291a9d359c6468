"""Chains and groups: what a step gets of those before it, how failures and cancellations travel, what is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from flowli import (
    Backoff,
    Cancel,
    DefinitionError,
    EnqueueUnknown,
    Flowli,
    JobCancelledError,
    JobFailedError,
    JobHandle,
    LimitExceeded,
    Runner,
    StrategyError,
    ValidationError,
    job,
)
from flowli.chains import Outcome
from flowli.codec import HmacCodec
from flowli.driver import MOST_PARENTS, Ability, Enqueued, Millis, NewJob, State, StoredJob, Turn
from flowli.errors import DriverUnavailable
from flowli.events import JobFailed, JobStarted
from flowli.options import BUILT_IN
from flowli.records import FailureReason, JobRecord, WaitingFor
from flowli.wire import Gather, encode_head
from flowli_memory import ManualClock, MemoryDriver
from tests.core.runner_kit import bare_lease, driver_of, hearing, lost_runner, raw_job, record, store_raw

pytestmark = pytest.mark.anyio

calls: Counter[str] = Counter()


class Meta(BaseModel):
    actor: str


@job
async def fetch(url: str) -> int:
    calls["fetch"] += 1
    if url == "bad":
        raise ValueError("no such host")
    if url == "unwanted":
        raise Cancel("not wanted")
    return len(url)


@job(result_ttl="0s", failed_ttl="0s")
async def fetch_once(url: str) -> int:
    return len(url)


@job(max_attempts=2, backoff=Backoff(delay="1s", max_delay="1s", jitter=False))
async def fetch_flaky(url: str) -> int:
    calls["flaky"] += 1
    if calls["flaky"] == 1:
        raise ValueError("not yet")
    return len(url)


@job
async def parse(number: int) -> str:
    calls["parse"] += 1
    return "x" * number


@job
async def sign(text: str, *, meta: Meta) -> str:
    return f"{text} by {meta.actor}"


@job
async def merge(numbers: list[int]) -> int:
    calls["merge"] += 1
    return sum(numbers)


@job
async def join(texts: list[str]) -> str:
    return " ".join(texts)


@job
async def report(outcome: Outcome[int]) -> str:
    error = outcome.error
    return f"{outcome.name} {outcome.state} {outcome.result} {error and error.message}"


@job
async def reports(outcomes: list[Outcome[int]]) -> list[str]:
    return [f"{one.state} {one.result} {one.error and one.error.message}" for one in outcomes]


@job
async def anything(url: str) -> Any:
    return url


class App(Flowli):
    fetch = fetch
    fetch_once = fetch_once
    fetch_flaky = fetch_flaky
    parse = parse
    sign = sign
    merge = merge
    join = join
    report = report
    reports = reports
    anything = anything


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def flowli(clock: ManualClock) -> App:
    return App(context=None, driver=MemoryDriver(clock=clock))


async def _run(flowli: App) -> None:
    await Runner(flowli).run_until_idle()


async def _of(flowli: App, handle: JobHandle[Any]) -> JobRecord:
    return await record(flowli, handle.id)


async def test_the_result_of_one_job_is_the_input_of_the_next(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")

    waiting = await _of(flowli, handle)
    assert (handle.state, handle.scheduled_for, waiting.waiting_for) == (State.SCHEDULED, None, WaitingFor.PARENTS)
    assert waiting.parents == (f"{handle.id}~0",) and waiting.input_json is None
    await _run(flowli)
    assert await handle.result(timeout=0) == "xxx"
    assert calls == {"fetch": 1, "parse": 1}


async def test_each_step_is_a_record_of_its_own(flowli: App) -> None:
    chain = flowli.fetch.then(flowli.parse, queue="texts", priority=3).then(flowli.sign, meta=Meta(actor="ann"))
    handle = await chain.enqueue("abc", id="page-1", queue="crawl", max_attempts=2)

    steps = [await record(flowli, id) for id in ("page-1~0~0", "page-1~0", "page-1")]
    assert [(step.name, step.queue, step.priority) for step in steps] == [
        ("fetch", "crawl", 0),
        ("parse", "texts", 3),
        ("sign", "default", 0),
    ]
    assert [step.max_attempts for step in steps] == [2, 1, 1]
    assert [step.parents for step in steps] == [(), ("page-1~0~0",), ("page-1~0",)]
    await _run(flowli)
    assert await handle.result(timeout=0) == "xxx by ann"


async def test_a_group_is_gathered_in_the_order_of_its_inputs(flowli: App, clock: ManualClock) -> None:
    handle = await flowli.fetch_flaky.map(["a", "bb", "ccc"]).then(flowli.merge).then(flowli.parse).enqueue()
    gathered: list[list[int]] = []

    @job(name="merge")
    async def look(numbers: list[int]) -> int:
        gathered.append(numbers)
        return sum(numbers)

    other = Flowli(context=None, jobs=[fetch_flaky, look, parse], driver=(await driver_of(flowli)).twin())
    async with other:
        await Runner(other).run_until_idle()
        assert gathered == [], "one of them is tried again"
        clock.advance("1s")
        await Runner(other).run_until_idle()
    assert gathered == [[1, 2, 3]]
    assert await handle.result(timeout=0) == "xxxxxx"


async def test_a_chain_is_mapped_as_a_job_is(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"], queue="crawl").then(flowli.join).enqueue()

    assert (await record(flowli, f"{handle.id}~1~0")).queue == "crawl"
    await _run(flowli)
    assert await handle.result(timeout=0) == "x xx"


async def test_a_group_of_none_is_gathered_at_once(flowli: App) -> None:
    handle = await flowli.fetch.map([]).then(flowli.merge).enqueue()

    assert handle.state is State.QUEUED
    await _run(flowli)
    assert await handle.result(timeout=0) == 0


@pytest.mark.slow
async def test_a_thousand_are_gathered(flowli: App) -> None:
    handle = await flowli.fetch.map(["ab"] * 1_000).then(flowli.merge).enqueue()

    await _run(flowli)
    assert await handle.result(timeout=0) == 2_000
    assert calls == {"fetch": 1_000, "merge": 1}


async def test_a_step_after_one_that_failed_fails_for_its_reason(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("bad")
    runner = Runner(flowli)
    failed, started = hearing(runner, JobFailed), hearing(runner, JobStarted)
    await runner.run_until_idle()

    last = await _of(flowli, handle)
    assert (last.state, last.reason, last.attempts_made) == (State.FAILED, FailureReason.PARENT, 0)
    assert last.error is not None and last.error.message == (
        f"The step before it, 'fetch' ({handle.id}~0~0) failed: ValueError: no such host"
    )
    assert [event.job_name for event in failed] == ["fetch", "parse", "sign"]
    assert [event.job_name for event in started] == ["fetch"], "what is not called does not start"
    assert calls == {"fetch": 1}
    with pytest.raises(JobFailedError, match="no such host"):
        await handle.result(timeout=0)


async def test_a_step_after_one_that_was_cancelled_is_cancelled(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("unwanted")
    await _run(flowli)

    assert [(await record(flowli, id)).state for id in (f"{handle.id}~0", handle.id)] == [State.CANCELLED] * 2
    with pytest.raises(JobCancelledError, match=r"'fetch' \(.+\) was cancelled: flowli.attempt.Cancel: not wanted"):
        await handle.result(timeout=0)


async def test_a_failure_among_a_group_counts_more_than_a_cancellation(flowli: App) -> None:
    handle = await flowli.fetch.map(["unwanted", "bad", "ccc"]).then(flowli.merge).enqueue()
    await _run(flowli)

    assert (await _of(flowli, handle)).reason is FailureReason.PARENT
    assert calls == {"fetch": 3}, "the members know nothing of each other"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("abc", "fetch completed 3 None"),
        ("bad", "fetch failed None no such host"),
        ("unwanted", "fetch cancelled None not wanted"),
    ],
)
async def test_a_step_that_wants_the_outcome_is_called_whatever_it_is(flowli: App, url: str, said: str) -> None:
    handle = await flowli.fetch.then(flowli.report, when="settled").enqueue(url)
    await _run(flowli)

    assert await handle.result(timeout=0) == said


async def test_a_callback_gets_the_outcomes_of_all(flowli: App) -> None:
    handle = await flowli.fetch.map(["a", "bad", "unwanted"]).then(flowli.reports, when="settled").enqueue()
    await _run(flowli)

    assert await handle.result(timeout=0) == [
        "completed 1 None",
        "failed None no such host",
        "cancelled None not wanted",
    ]


async def test_an_outcome_after_a_broken_chain_is_that_of_its_last_step(flowli: App) -> None:
    chain = flowli.fetch.then(flowli.parse).then(flowli.fetch)
    handle = await chain.then(flowli.report, when="settled").enqueue("bad")
    await _run(flowli)

    assert (await handle.result(timeout=0)).startswith("fetch failed None The step before it, 'fetch' (")


async def test_cancelling_a_chain_cancels_every_step_that_waits(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue()

    assert await handle.cancel() is True
    counts = await flowli.inspect.get_queue_counts()
    assert (counts.cancelled, counts.scheduled, counts.queued) == (5, 0, 0)
    await _run(flowli)
    assert calls == {}


async def test_cancelling_a_chain_asks_what_runs_and_lets_stand_what_is_over(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue(id="all")
    await Runner(flowli, max_jobs_per_tick=1).run_once()
    (running, *_) = await bare_lease(flowli)

    assert await handle.cancel() is True
    assert (await record(flowli, "all~0~0")).state is State.COMPLETED
    states = Counter([(await record(flowli, id)).state for id in ("all~0", "all~1", "all~1~0")])
    assert running.id in ("all~1~0", "all~0") and states[State.ACTIVE] >= 1
    assert (await record(flowli, "all")).state is State.CANCELLED


async def test_cancelling_a_step_in_the_middle_cancels_what_comes_after_it(flowli: App) -> None:
    handle = await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=Meta(actor="ann")).enqueue("abc")
    await flowli.control.cancel(f"{handle.id}~0")
    await _run(flowli)

    assert (await _of(flowli, handle)).state is State.CANCELLED
    assert (await record(flowli, f"{handle.id}~0~0")).state is State.CANCELLED, "nobody needs it any more"


async def test_a_step_that_keeps_nothing_is_kept_until_the_next_has_read_it(flowli: App, clock: ManualClock) -> None:
    handle = await flowli.fetch_once.then(flowli.parse, queue="later").enqueue("abc", id="two")
    await Runner(flowli, queues=["default"]).run_until_idle()
    clock.advance("3d")
    await Runner(flowli).run_until_idle()

    assert await handle.result(timeout=0) == "xxx"
    clock.advance("10m")
    assert await flowli.inspect.get_job("two~0") is None, "and not much longer"


async def test_a_chain_with_a_known_id_is_the_one_that_stands(flowli: App, clock: ManualClock) -> None:
    chain = flowli.fetch_once.then(flowli.parse)
    first = await chain.enqueue("abc", id="page-1")
    again = await chain.enqueue("other", id="page-1")
    assert (again.id, again.deduplicated, again.state) == (first.id, True, State.SCHEDULED)
    await _run(flowli)
    clock.advance("30m")
    assert await flowli.inspect.get_job("page-1~0") is None

    late = await chain.enqueue("other", id="page-1")
    assert (late.deduplicated, late.state, late.attempts_made) == (True, State.COMPLETED, 1)
    await _run(flowli)
    assert calls == {"parse": 1}, "what is over and gone does not run again for a chain that stands"


async def test_a_result_that_the_next_step_does_not_take_fails_it(flowli: App) -> None:
    handle = await flowli.anything.then(flowli.parse).enqueue("no number")
    await _run(flowli)

    found = await _of(flowli, handle)
    assert (found.state, found.reason, found.attempts_made) == (State.FAILED, FailureReason.VALIDATION, 0)
    assert "no number" not in str(found)


async def test_a_step_is_retried_with_the_same_input(flowli: App, clock: ManualClock) -> None:
    handle = await flowli.anything.then(flowli.fetch_flaky).enqueue("abc")
    await _run(flowli)
    clock.advance("2h")
    await _run(flowli)

    assert await handle.result(timeout=0) == 3
    assert (await _of(flowli, handle)).attempts_made == 2


async def test_a_step_whose_runner_is_lost_is_executed_by_another(flowli: App, clock: ManualClock) -> None:
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await Runner(flowli).run_once()
    await lost_runner(flowli, clock)
    await _run(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert (await _of(flowli, handle)).deliveries == 1


async def test_a_step_whose_parent_is_gone_fails_and_says_so(flowli: App) -> None:
    head = encode_head(BUILT_IN, gather=Gather.RESULT, parents=1)
    await store_raw(flowli, raw_job("lonely", name="parse", head=head, body=b""))
    await _run(flowli)

    found = await record(flowli, "lonely")
    assert (found.state, found.reason) == (State.FAILED, FailureReason.PARENT)
    assert found.error is not None and "(lonely~0) is gone" in found.error.message


async def test_a_step_whose_parent_is_executed_again_waits_for_it(flowli: App, clock: ManualClock) -> None:
    head = encode_head(BUILT_IN, gather=Gather.RESULT, parents=1)
    await store_raw(flowli, raw_job("early", name="parse", head=head, body=b""))
    await flowli.fetch.delay("5s", "abc", id="early~0")
    await _run(flowli)
    waiting = await record(flowli, "early")
    assert (waiting.state, waiting.waiting_for) == (State.SCHEDULED, WaitingFor.PARENTS)

    for _ in range(3):
        clock.advance("5s")
        await _run(flowli)
    assert (await record(flowli, "early")).result_json == b'"xxx"'
    assert calls == {"fetch": 1, "parse": 1}


@pytest.mark.parametrize("parents", ["-1", str(MOST_PARENTS + 1), '"x"'])
async def test_a_damaged_head_is_parked(flowli: App, parents: str) -> None:
    head = b'1{"g":"r","n":%b}' % parents.encode()
    await store_raw(flowli, raw_job("damaged", name="parse", head=head, body=b""))
    await _run(flowli)

    assert (await record(flowli, "damaged")).waiting_for is WaitingFor.RUNNER


class _Recording(MemoryDriver):
    """Notes what is stored, and loses the reply to it as often as a test wants."""

    stored: Sequence[NewJob] = ()
    losses = 0
    blind = 0

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        self.stored = jobs
        answers = await super().enqueue(jobs, turn=turn, now=now)
        if self.losses:
            self.losses -= 1
            raise DriverUnavailable("the line is cut", maybe_written=True)
        return answers

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        if self.blind:
            self.blind -= 1
            raise DriverUnavailable("the line is cut")
        return await super().get_jobs(ids, now=now)


async def test_steps_are_stored_by_one_call_parents_first(clock: ManualClock) -> None:
    driver = _Recording(clock=clock)
    flowli = App(context=None, driver=driver)
    await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue(id="all")

    assert [one.id for one in driver.stored] == ["all~0~0", "all~0", "all~1~0", "all~1", "all"]
    known: set[str] = set()
    for one in driver.stored:
        assert one.bonds is not None and set(one.bonds.after) <= known, "a cut anywhere leaves no orphan"
        known.add(one.id)


async def test_a_lost_reply_is_repeated_and_makes_no_second_chain(clock: ManualClock) -> None:
    driver = _Recording(clock=clock)
    driver.losses = 1
    flowli = App(context=None, driver=driver)
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await _run(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert calls == {"fetch": 1, "parse": 1}


async def test_whoever_hears_no_reply_is_told_the_id_to_repeat_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.PATIENCE", 0.0)
    monkeypatch.setattr("flowli.repeat.repeat.__kwdefaults__", {"within": 0.0})
    driver = _Recording()
    driver.losses = 1
    flowli = App(context=None, driver=driver)
    with pytest.raises(EnqueueUnknown, match=r"Repeat the call with id='page-1' \(\.job_ids\)") as raised:
        await flowli.fetch.then(flowli.parse).enqueue("abc", id="page-1")
    assert raised.value.job_ids == ("page-1",)

    handle = await flowli.fetch.then(flowli.parse).enqueue("abc", id="page-1")
    assert handle.deduplicated
    await _run(flowli)
    assert calls == {"fetch": 1, "parse": 1}


async def test_a_step_whose_parents_cannot_be_read_goes_back_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.repeat.__kwdefaults__", {"within": 0.0})
    driver = _Recording()
    flowli = App(context=None, driver=driver)
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await Runner(flowli).run_once()
    driver.blind = 1
    await Runner(flowli).run_once()
    assert (await _of(flowli, handle)).state is State.QUEUED
    await _run(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert (await _of(flowli, handle)).attempts_made == 1, "only a start of the handler is one"


async def test_chains_go_through_a_codec(clock: ManualClock) -> None:
    flowli = App(context=None, driver=MemoryDriver(clock=clock), codec=HmacCodec({"one": b"k" * 32}, sign_with="one"))
    handle = await flowli.fetch.map(["a", "bb"]).then(flowli.merge).then(flowli.parse).enqueue()
    await _run(flowli)

    assert await handle.result(timeout=0) == "xxx"


async def test_a_chain_is_enqueued_without_an_event_loop() -> None:
    flowli = App(context=None, driver=MemoryDriver())
    chain = flowli.fetch.then(flowli.parse)
    handle = await asyncio.to_thread(lambda: chain.sync.enqueue("abc"))
    await _run(flowli)

    assert (await record(flowli, handle.id)).result_json == b'"xxx"'


async def test_one_invalid_input_refuses_the_whole_group(flowli: App) -> None:
    group = flowli.fetch.map(["a", 1, "c", None])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValidationError) as raised:
        await group.then(flowli.merge).enqueue()

    assert [issue["loc"][:2] for issue in raised.value.issues] == [("input", 1), ("input", 3)]
    assert (
        await flowli.inspect.get_queue_counts()
        == await App(context=None, driver=MemoryDriver()).inspect.get_queue_counts()
    )


async def test_the_meta_of_every_step_is_checked_before_anything_is_stored(flowli: App) -> None:
    wrong: Any = {"actor": 5}
    with pytest.raises(ValidationError, match="sign"):
        await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=wrong).enqueue("abc")
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_what_cannot_be_meant_is_refused(flowli: App) -> None:
    when: Any = "failed"
    with pytest.raises(ValidationError, match="when is 'completed' or 'settled'; got 'failed'"):
        flowli.fetch.then(flowli.parse, when=when)
    with pytest.raises(ValidationError, match=r"then\(\) takes no id=: the id of a chain is given to its enqueue"):
        flowli.fetch.then(flowli.parse, id="one")
    with pytest.raises(ValidationError, match=r"map\(\) takes no id="):
        flowli.fetch.map(["a"], id="one")
    with pytest.raises(ValidationError, match=r"enqueue\(\) takes id= alone"):
        await flowli.fetch.map(["a"]).then(flowli.merge).enqueue(queue="other")
    with pytest.raises(DefinitionError, match="is of another one"):
        flowli.fetch.then(App(context=None, driver=MemoryDriver()).parse)
    with pytest.raises(LimitExceeded, match=r"map\(\) got 10001 inputs, and 10000 are the most"):
        await flowli.fetch.map(["a"] * 10_001).then(flowli.merge).enqueue()
    with pytest.raises(StrategyError, match="without a driver"):
        await (bare := App(context=None)).fetch.then(bare.parse).enqueue("abc")


class _Plain(MemoryDriver):
    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


async def test_a_driver_that_keeps_no_chains_is_named() -> None:
    flowli = App(context=None, driver=_Plain())
    with pytest.raises(StrategyError, match="memory keeps no chains. Enqueue the next job in the handler"):
        await flowli.fetch.then(flowli.parse).enqueue("abc")


def test_chains_and_groups_say_what_they_are(flowli: App) -> None:
    group = flowli.fetch.map(["a", "bb"])
    assert repr(group) == "<Group of 2 on App>"
    assert repr(group.then(flowli.merge)) == "<Chain to 'merge' on App>"
