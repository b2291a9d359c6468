"""Chains in the store: what is kept and for how long, in which order it is stored, crashes, lost replies, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from flowli import (
    DefinitionError,
    EnqueueUnknown,
    LimitExceeded,
    Runner,
    StrategyError,
    ValidationError,
)
from flowli.codec import HmacCodec
from flowli.driver import MOST_PARENTS, Ability, Enqueued, Millis, NewJob, State, StoredJob, Turn
from flowli.errors import DriverUnavailable
from flowli.options import BUILT_IN
from flowli.records import FailureReason, WaitingFor
from flowli.wire import Gather, encode_head
from flowli_memory import ManualClock, MemoryDriver
from tests.core.chain_work import Work, calls, finished, step
from tests.core.runner_kit import lost_runner, raw_job, record, store_raw

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def flowli(clock: ManualClock) -> Work:
    return Work(context=None, driver=MemoryDriver(clock=clock))


async def test_a_step_that_keeps_nothing_is_kept_until_the_next_has_read_it(flowli: Work, clock: ManualClock) -> None:
    handle = await flowli.fetch_once.then(flowli.parse, queue="later").enqueue("abc", id="two")
    await Runner(flowli, queues=["default"]).run_until_idle()
    clock.advance("3d")
    await Runner(flowli).run_until_idle()

    assert await handle.result(timeout=0) == "xxx"
    clock.advance("10m")
    assert await flowli.inspect.get_job("two~0") is None, "and not much longer"


async def test_a_chain_with_a_known_id_is_the_one_that_stands(flowli: Work, clock: ManualClock) -> None:
    chain = flowli.fetch_once.then(flowli.parse)
    first = await chain.enqueue("abc", id="page-1")
    again = await chain.enqueue("other", id="page-1")
    assert (again.id, again.deduplicated, again.state) == (first.id, True, State.SCHEDULED)
    await finished(flowli)
    clock.advance("30m")
    assert await flowli.inspect.get_job("page-1~0") is None

    late = await chain.enqueue("other", id="page-1")
    assert (late.deduplicated, late.state, late.attempts_made) == (True, State.COMPLETED, 1)
    await finished(flowli)
    assert calls == {"parse": 1}, "what is over and gone does not run again for a chain that stands"


async def test_a_result_that_the_next_step_does_not_take_fails_it(flowli: Work) -> None:
    handle = await flowli.anything.then(flowli.parse).enqueue("no number")
    await finished(flowli)

    found = await step(flowli, handle)
    assert (found.state, found.reason, found.attempts_made) == (State.FAILED, FailureReason.VALIDATION, 0)
    assert "no number" not in str(found)


async def test_a_step_is_retried_with_the_same_input(flowli: Work, clock: ManualClock) -> None:
    handle = await flowli.anything.then(flowli.fetch_flaky).enqueue("abc")
    await finished(flowli)
    clock.advance("2h")
    await finished(flowli)

    assert await handle.result(timeout=0) == 3
    assert (await step(flowli, handle)).attempts_made == 2


async def test_a_step_whose_runner_is_lost_is_executed_by_another(flowli: Work, clock: ManualClock) -> None:
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await Runner(flowli).run_once()
    await lost_runner(flowli, clock)
    await finished(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert (await step(flowli, handle)).deliveries == 1


async def test_a_step_whose_parent_is_gone_fails_and_says_so(flowli: Work) -> None:
    head = encode_head(BUILT_IN, gather=Gather.RESULT, parents=1)
    await store_raw(flowli, raw_job("lonely", name="parse", head=head, body=b""))
    await finished(flowli)

    found = await record(flowli, "lonely")
    assert (found.state, found.reason) == (State.FAILED, FailureReason.PARENT)
    assert found.error is not None and "(lonely~0) is gone" in found.error.message


async def test_a_step_whose_parent_is_executed_again_waits_for_it(flowli: Work, clock: ManualClock) -> None:
    head = encode_head(BUILT_IN, gather=Gather.RESULT, parents=1)
    await store_raw(flowli, raw_job("early", name="parse", head=head, body=b""))
    await flowli.fetch.delay("5s", "abc", id="early~0")
    await finished(flowli)
    waiting = await record(flowli, "early")
    assert (waiting.state, waiting.waiting_for) == (State.SCHEDULED, WaitingFor.PARENTS)

    for _ in range(3):
        clock.advance("5s")
        await finished(flowli)
    assert (await record(flowli, "early")).result_json == b'"xxx"'
    assert calls == {"fetch": 1, "parse": 1}


@pytest.mark.parametrize("parents", ["-1", str(MOST_PARENTS + 1), '"x"'])
async def test_a_damaged_head_is_parked(flowli: Work, parents: str) -> None:
    head = b'1{"g":"r","n":%b}' % parents.encode()
    await store_raw(flowli, raw_job("damaged", name="parse", head=head, body=b""))
    await finished(flowli)

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
    flowli = Work(context=None, driver=driver)
    await flowli.fetch.then(flowli.parse).map(["a", "bb"]).then(flowli.join).enqueue(id="all")

    assert [one.id for one in driver.stored] == ["all~0~0", "all~0", "all~1~0", "all~1", "all"]
    known: set[str] = set()
    for one in driver.stored:
        assert one.bonds is not None and set(one.bonds.after) <= known, "a cut anywhere leaves no orphan"
        known.add(one.id)


async def test_a_lost_reply_is_repeated_and_makes_no_second_chain(clock: ManualClock) -> None:
    driver = _Recording(clock=clock)
    driver.losses = 1
    flowli = Work(context=None, driver=driver)
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await finished(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert calls == {"fetch": 1, "parse": 1}


async def test_whoever_hears_no_reply_is_told_the_id_to_repeat_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.PATIENCE", 0.0)
    monkeypatch.setattr("flowli.repeat.repeat.__kwdefaults__", {"within": 0.0})
    driver = _Recording()
    driver.losses = 1
    flowli = Work(context=None, driver=driver)
    with pytest.raises(EnqueueUnknown, match=r"Repeat the call with id='page-1' \(\.job_ids\)") as raised:
        await flowli.fetch.then(flowli.parse).enqueue("abc", id="page-1")
    assert raised.value.job_ids == ("page-1",)

    handle = await flowli.fetch.then(flowli.parse).enqueue("abc", id="page-1")
    assert handle.deduplicated
    await finished(flowli)
    assert calls == {"fetch": 1, "parse": 1}


async def test_a_step_whose_parents_cannot_be_read_goes_back_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowli.repeat.repeat.__kwdefaults__", {"within": 0.0})
    driver = _Recording()
    flowli = Work(context=None, driver=driver)
    handle = await flowli.fetch.then(flowli.parse).enqueue("abc")
    await Runner(flowli).run_once()
    driver.blind = 1
    await Runner(flowli).run_once()
    assert (await step(flowli, handle)).state is State.QUEUED
    await finished(flowli)

    assert await handle.result(timeout=0) == "xxx"
    assert (await step(flowli, handle)).attempts_made == 1, "only a start of the handler is one"


async def test_chains_go_through_a_codec(clock: ManualClock) -> None:
    flowli = Work(context=None, driver=MemoryDriver(clock=clock), codec=HmacCodec({"one": b"k" * 32}, sign_with="one"))
    handle = await flowli.fetch.map(["a", "bb"]).then(flowli.merge).then(flowli.parse).enqueue()
    await finished(flowli)

    assert await handle.result(timeout=0) == "xxx"


async def test_a_chain_is_enqueued_without_an_event_loop() -> None:
    flowli = Work(context=None, driver=MemoryDriver())
    chain = flowli.fetch.then(flowli.parse)
    handle = await asyncio.to_thread(lambda: chain.sync.enqueue("abc"))
    await finished(flowli)

    assert (await record(flowli, handle.id)).result_json == b'"xxx"'


async def test_one_invalid_input_refuses_the_whole_group(flowli: Work) -> None:
    group = flowli.fetch.map(["a", 1, "c", None])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValidationError) as raised:
        await group.then(flowli.merge).enqueue()

    assert [issue["loc"][:2] for issue in raised.value.issues] == [("input", 1), ("input", 3)]
    assert (
        await flowli.inspect.get_queue_counts()
        == await Work(context=None, driver=MemoryDriver()).inspect.get_queue_counts()
    )


async def test_the_meta_of_every_step_is_checked_before_anything_is_stored(flowli: Work) -> None:
    wrong: Any = {"actor": 5}
    with pytest.raises(ValidationError, match="sign"):
        await flowli.fetch.then(flowli.parse).then(flowli.sign, meta=wrong).enqueue("abc")
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_what_cannot_be_meant_is_refused(flowli: Work) -> None:
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
        flowli.fetch.then(Work(context=None, driver=MemoryDriver()).parse)
    with pytest.raises(LimitExceeded, match=r"map\(\) got 10001 inputs, and 10000 are the most"):
        await flowli.fetch.map(["a"] * 10_001).then(flowli.merge).enqueue()
    with pytest.raises(StrategyError, match="without a driver"):
        await (bare := Work(context=None)).fetch.then(bare.parse).enqueue("abc")


class _Plain(MemoryDriver):
    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


async def test_a_driver_that_keeps_no_chains_is_named() -> None:
    flowli = Work(context=None, driver=_Plain())
    with pytest.raises(StrategyError, match="memory keeps no chains. Enqueue the next job in the handler"):
        await flowli.fetch.then(flowli.parse).enqueue("abc")


def test_chains_and_groups_say_what_they_are(flowli: Work) -> None:
    group = flowli.fetch.map(["a", "bb"])
    assert repr(group) == "<Group of 2 on Work>"
    assert repr(group.then(flowli.merge)) == "<Chain to 'merge' on Work>"
