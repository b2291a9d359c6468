"""The record of what operators did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowli import StrategyError, ValidationError
from flowli.driver import Ability
from flowli.filters import JobFilter
from flowli.records import ActRecord
from flowli_memory import ManualClock, MemoryDriver
from tests.core.desk_kit import NOON, Repaired, desk, failed

pytestmark = pytest.mark.anyio


async def test_every_act_is_recorded_with_who_and_when() -> None:
    clock = ManualClock(NOON)
    flowli = desk(MemoryDriver(clock=clock))
    [first, second] = await failed(flowli, "bad", "bad")
    await flowli.tick.schedule("1h", key="hourly")
    await flowli.control.replay(first, "good", by="ada")
    clock.advance("1m")
    await flowli.control.replay(JobFilter(error=Repaired, meta={"tenant": "secret"}), by="bob", rate="1/s")
    clock.advance("1m")
    await flowli.control.delete([second, "nobody"], by="bob")
    clock.advance("1m")
    await flowli.control.pause(schedule="hourly", by="ada")
    clock.advance("1m")
    await flowli.control.delete(schedule="nobody", by="ada")

    acts = list(await flowli.inspect.get_acts())
    assert [(act.by, act.deed, act.asked, act.done, act.is_over) for act in reversed(acts)] == [
        ("ada", "replay", 1, 1, True),
        ("bob", "replay", 0, 0, True),
        ("bob", "delete", 2, 1, True),
        ("ada", "pause", 1, 1, True),
        ("ada", "delete", 1, 0, True),
    ]
    one, filtered, deleted, paused, unknown = reversed(acts)
    assert (one.at, one.ids, one.edited, one.where) == (NOON, (first,), True, None)
    assert (filtered.at, filtered.rate, filtered.edited) == (NOON + timedelta(minutes=1), "1/s", False)
    assert filtered.where == "state=failed error=tests.core.desk_kit.Repaired meta.tenant"
    assert deleted.ids == (second, "nobody")
    assert (paused.schedule, unknown.schedule) == ("hourly", "nobody")
    record = await flowli.inspect.get_job(first)
    assert record is not None and record.replay_id == one.id


async def test_who_acts_is_the_user_of_the_process_unless_it_is_said() -> None:
    flowli = desk()
    await flowli.control.cancel("nobody")

    [act] = await flowli.inspect.get_acts()
    assert "@" in act.by and act.deed == "cancel" and act.ids == ("nobody",)
    for wrong in ("", "a\nb", "x" * 300):
        with pytest.raises(ValidationError, match="by= says who acts"):
            await flowli.control.cancel("nobody", by=wrong)


async def test_acts_are_paged_the_latest_first() -> None:
    clock = ManualClock(NOON)
    flowli = desk(MemoryDriver(clock=clock))
    for number in range(5):
        await flowli.control.cancel(f"job-{number}")
        clock.advance("1s")

    first = await flowli.inspect.get_acts(limit=3)
    rest = await flowli.inspect.get_acts(limit=3, cursor=first.cursor)
    assert [act.ids[0] for act in (*first, *rest)] == [f"job-{number}" for number in (4, 3, 2, 1, 0)]
    assert rest.cursor is None


async def test_the_record_of_acts_is_bounded_in_time_and_names_twenty_jobs() -> None:
    clock = ManualClock(NOON)
    flowli = desk(MemoryDriver(clock=clock))
    await flowli.control.cancel([f"job-{number:02}" for number in range(30)])

    [act] = await flowli.inspect.get_acts()
    assert act.ids == tuple(f"job-{number:02}" for number in range(20)) and act.asked == 30
    clock.advance("90d")
    assert list(await flowli.inspect.get_acts()) == []


class WithoutNotes(MemoryDriver):
    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


async def test_a_store_that_keeps_no_record_is_acted_on_and_says_so_when_asked() -> None:
    flowli = desk(WithoutNotes())
    [id] = await failed(flowli, "bad")

    assert await flowli.control.replay(id) is True
    with pytest.raises(StrategyError, match="keeps no record of what operators did"):
        await flowli.inspect.get_acts()


async def test_an_act_that_is_cut_off_is_on_record_as_not_over() -> None:
    flowli = desk()
    [id] = await failed(flowli, "bad")

    def edit(_: object) -> object:
        raise RuntimeError("the operator's own mistake")

    with pytest.raises(RuntimeError):
        await flowli.control.replay([id], edit=edit, by="ada")
    [act] = await flowli.inspect.get_acts()
    assert act == ActRecord(id=act.id, at=act.at, by="ada", deed="replay", ids=(id,), edited=True)
