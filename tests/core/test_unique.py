"""`Unique`: what calls under one key come to, as users see it, on virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from flowli import Flowli, JobHandle, Runner, StrategyError, Unique, ValidationError, job
from flowli.codec import HmacCodec
from flowli.driver import Ability
from flowli.errors import JobExistsError
from flowli.records import Disposition, State
from flowli_memory import ManualClock, MemoryDriver

pytestmark = pytest.mark.anyio

done: list[str] = []


class Invoice(BaseModel):
    number: str
    cents: int = 0


@job
async def write(text: str) -> str:
    done.append(text)
    return text


@job(unique=Unique(lambda invoice: invoice.number, within="10m"))
async def bill(invoice: Invoice) -> int:
    done.append(invoice.number)
    return invoice.cents


class App(Flowli):
    write = write
    bill = bill


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def _app(driver: MemoryDriver | None = None, **rest: Any) -> tuple[App, ManualClock]:
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    return App(context=None, driver=driver or MemoryDriver(clock=clock), **rest), clock


async def test_the_second_call_is_told_of_the_first() -> None:
    flowli, _ = _app()
    first = await flowli.write.enqueue("one", unique=Unique("key"))
    second = await flowli.write.enqueue("two", unique=Unique("key"))
    assert (first.disposition, first.deduplicated) == (Disposition.CREATED, False)
    assert (second.disposition, second.deduplicated, second.id) == (Disposition.EXISTING, True, first.id)
    await Runner(flowli).run_until_idle()
    assert await second.result(timeout=0) == "one"
    third = await flowli.write.enqueue("three", unique=Unique("key"))
    assert not third.deduplicated, "what is settled stands in nobody's way"


async def test_a_key_belongs_to_the_jobs_of_one_name() -> None:
    flowli, _ = _app()
    await flowli.write.enqueue("one", unique=Unique("7"))
    other = await flowli.bill.enqueue(Invoice(number="7"))
    assert not other.deduplicated, "a handle of another job would promise a result of another type"


async def test_a_handle_from_an_id_knows_no_disposition() -> None:
    flowli, _ = _app()
    handle = flowli.write.handle("id")
    assert (handle.disposition, handle.deduplicated) == (None, False)


async def test_the_key_is_made_of_the_validated_input() -> None:
    flowli, clock = _app()
    given: Any = {"number": "n-1", "cents": 5}
    first = await flowli.bill.enqueue(given)
    second = await flowli.bill.enqueue(Invoice(number="n-1"))
    other = await flowli.bill.enqueue(Invoice(number="n-2"))
    assert (second.id, second.deduplicated, other.deduplicated) == (first.id, True, False)
    record = await first.record()
    assert record.unique_key == "n-1"
    clock.advance("10m")
    assert not (await flowli.bill.enqueue(Invoice(number="n-1"))).deduplicated


async def test_each_input_of_a_batch_has_its_own_key() -> None:
    flowli, _ = _app()
    handles = await flowli.bill.enqueue_many([Invoice(number=number) for number in "aba"])
    assert [handle.disposition for handle in handles] == [
        Disposition.CREATED,
        Disposition.CREATED,
        Disposition.EXISTING,
    ]
    assert handles[2].id == handles[0].id


async def test_a_call_may_leave_the_key_of_its_job_out() -> None:
    flowli, _ = _app()
    handles = [await flowli.bill.enqueue(Invoice(number="1"), unique=None) for _ in range(2)]
    assert not any(handle.deduplicated for handle in handles)


async def test_a_throttle_runs_once_in_each_span() -> None:
    flowli, clock = _app()
    runner, unique = Runner(flowli), Unique("sync", within="10m")
    for minute in range(25):
        await flowli.write.enqueue(f"{minute}", unique=unique)
        await runner.run_once()
        clock.advance("1m")
    assert done == ["0", "10", "20"]


async def test_a_debounce_runs_once_after_the_last_call() -> None:
    flowli, clock = _app()
    runner, unique = Runner(flowli), Unique("page", until="started", on_conflict="replace")
    handles: list[JobHandle[str]] = []
    for second in range(5):
        handles.append(await flowli.write.delay("3s", f"{second}", unique=unique))
        clock.advance("1s")
        await runner.run_once()
    assert done == []
    clock.advance("2s")
    await runner.run_once()
    assert done == ["4"]
    assert {await handle.result(timeout=0) for handle in handles} == {"4"}, "every caller waits for the job that ran"
    assert [handle.disposition for handle in handles[1:]] == [Disposition.REPLACED] * 4


async def test_a_debounce_waits_no_longer_than_its_span() -> None:
    flowli, clock = _app()
    runner, unique = Runner(flowli), Unique("page", until="started", within="10s", on_conflict="replace")
    for second in range(25):
        await flowli.write.delay("3s", f"{second}", unique=unique)
        clock.advance("1s")
        await runner.run_once()
    assert done == ["9", "19"]


async def test_a_job_is_rescheduled() -> None:
    flowli, _ = _app()
    first = await flowli.write.delay("1h", "one", unique=Unique("key"))
    second = await flowli.write.delay("2h", "two", unique=Unique("key", on_conflict="reschedule"))
    assert (second.disposition, second.id) == (Disposition.RESCHEDULED, first.id)
    assert first.scheduled_for is not None and second.scheduled_for == first.scheduled_for + timedelta(hours=1)
    assert (await first.record()).input_json == b'"one"'


async def test_a_held_key_is_an_error_where_that_is_asked_for() -> None:
    flowli, _ = _app()
    unique = Unique("key", on_conflict="raise")
    first = await flowli.write.enqueue("one", unique=unique)
    with pytest.raises(JobExistsError, match="another job holds its unique key") as caught:
        await flowli.write.enqueue("two", unique=unique)
    assert caught.value.job_ids == (first.id,)
    assert caught.value.code == "FLOWLI_JOB_EXISTS_ERROR"


async def test_the_same_id_again_is_no_conflict() -> None:
    flowli, _ = _app()
    unique = Unique("key", on_conflict="raise")
    await flowli.write.enqueue("one", id="mine", unique=unique)
    again = await flowli.write.enqueue("one", id="mine", unique=unique)
    assert (again.id, again.disposition) == ("mine", Disposition.EXISTING)


async def test_a_conflict_in_a_batch_names_what_stands_and_stores_the_others() -> None:
    flowli, _ = _app()
    first = await flowli.bill.enqueue(Invoice(number="1"))
    unique = Unique(lambda invoice: invoice.number, on_conflict="raise")
    with pytest.raises(JobExistsError, match="1 of 3 inputs") as caught:
        await flowli.bill.enqueue_many([Invoice(number=number) for number in "123"], unique=unique)
    assert caught.value.job_ids == (first.id,)
    assert (await flowli.inspect.get_queue_counts()).queued == 3


async def test_a_key_that_outlived_its_record_has_a_handle_without_a_state() -> None:
    flowli, _ = _app()
    await flowli.write.enqueue("one", unique=Unique("key", within="1h"), result_ttl="0s")
    await Runner(flowli).run_once()
    second = await flowli.write.enqueue("two", unique=Unique("key", within="1h"))
    assert (second.state, second.deduplicated) == (None, True)


async def test_concurrent_calls_under_one_key_make_one_job() -> None:
    flowli, _ = _app()
    handles = await asyncio.gather(*(flowli.write.enqueue(f"{n}", unique=Unique("key")) for n in range(64)))
    assert len({handle.id for handle in handles}) == 1
    assert [handle.deduplicated for handle in handles].count(False) == 1


async def test_a_sealed_input_that_replaces_another_is_opened() -> None:
    flowli, clock = _app(codec=HmacCodec({"k": b"0" * 32}, sign_with="k"))
    unique = Unique("key", until="started", on_conflict="replace")
    await flowli.write.delay("1s", "one", unique=unique)
    handle = await flowli.write.delay("1s", "two", unique=unique)
    assert (await handle.record()).input_json == b'"two"'
    clock.advance("1s")
    await Runner(flowli).run_once()
    assert await handle.result(timeout=0) == "two"


async def test_the_jobs_of_a_schedule_are_unique_too() -> None:
    flowli, clock = _app()
    await flowli.write.schedule("10s", "tick", key="ticks", unique=Unique("tick"))
    runner = Runner(flowli, max_jobs_per_tick=1)
    by_hand = await flowli.write.enqueue("by hand", unique=Unique("tick"))
    clock.advance("10s")
    await runner.run_once()
    assert await by_hand.result(timeout=0) == "by hand"
    clock.advance("10s")
    await runner.run_until_idle()
    assert done == ["by hand", "tick"]
    found = await flowli.inspect.get_jobs_by_state(State.COMPLETED, limit=10)
    assert [record.unique_key for record in found] == ["tick", "tick"]


class _WithoutKeys(MemoryDriver):
    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


async def test_a_driver_without_unique_keys_is_refused() -> None:
    flowli, _ = _app(_WithoutKeys())
    with pytest.raises(StrategyError, match="'write' is to be unique, and memory knows no unique keys"):
        await flowli.write.enqueue("one", unique=Unique("key"))
    with pytest.raises(StrategyError, match="knows no unique keys"):
        await flowli.write.enqueue_many(["one"], unique=Unique("key"))
    with pytest.raises(StrategyError, match="knows no unique keys"):
        await flowli.write.schedule("1h", "one", key="k", unique=Unique("key"))
    assert not (await flowli.write.enqueue("one")).deduplicated


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"key": ""}, "1 to 200 bytes"),
        ({"key": "k" * 201}, "1 to 200 bytes"),
        ({"key": "k", "until": "done"}, "until of Unique is one of started, settled"),
        ({"key": "k", "on_conflict": "ignore"}, "on_conflict of Unique is one of"),
        ({"key": "k", "within": 5}, "bare number"),
        ({"key": "k", "within": "0s"}, "longer than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Unique(**given)


async def test_what_is_no_unique_and_what_makes_no_key_is_refused() -> None:
    flowli, _ = _app()
    key: Any = "key"
    with pytest.raises(ValidationError, match="unique is a Unique"):
        await flowli.write.enqueue("one", unique=key)
    number: Any = len
    with pytest.raises(ValidationError, match="a unique key that its function made must be a str, not int"):
        await flowli.write.enqueue("one", unique=Unique(number))


async def test_a_step_of_a_chain_cannot_be_unique() -> None:
    flowli, _ = _app()
    with pytest.raises(ValidationError, match="'write' is unique, and a step of a chain cannot be"):
        await flowli.write.then(flowli.write, unique=Unique("key")).enqueue("one")
    assert (await flowli.inspect.get_queue_counts()).queued == 0
