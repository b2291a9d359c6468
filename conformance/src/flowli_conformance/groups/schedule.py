"""What the verbs of schedules promise: one compare-and-set that puts, deletes and fires, and two ways to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from flowli.driver import Change, Changed, Disposition, Driver, Enqueued, Millis, NewJob, State, StoredSchedule
from flowli_conformance.bench import DAY, HOUR, MINUTE, Bench, new_job, paired, raises
from flowli_conformance.suite import Suite

__all__ = ["ScheduleSuite"]

_FOREIGN = "A cursor of elsewhere is refused: it would show another page than was asked for"


def _schedule(key: str, next_run_at: int | None, *, body: bytes = b"body", version: int = 0) -> StoredSchedule:
    return StoredSchedule(
        key=key, version=version, next_run_at=None if next_run_at is None else Millis(next_run_at), body=body
    )


def _put(key: str, expected: int, next_run_at: int | None, *jobs: NewJob, body: bytes = b"body") -> Change:
    return Change(key=key, expected=expected, successor=_schedule(key, next_run_at, body=body), jobs=jobs)


async def _change(bench: Bench, *changes: Change) -> list[Changed]:
    changed = paired(await bench.driver.change_schedules(changes, now=bench.now), changes, "change_schedules")
    return [replace(each, jobs=tuple(each.jobs)) for each in changed]


async def _get(bench: Bench, key: str) -> StoredSchedule | None:
    return paired(await bench.driver.get_schedules([key]), [key], "get_schedules")[0]


async def _keys(bench: Bench, *, limit: int = 100) -> list[str]:
    found = await bench.driver.list_schedules(limit=limit, now=bench.now)
    keys = [schedule.key for schedule in found.items]
    while found.cursor is not None:
        found = await bench.driver.list_schedules(limit=limit, cursor=found.cursor, now=bench.now)
        keys += [schedule.key for schedule in found.items]
    return keys


async def _due(bench: Bench, *, limit: int = 100) -> list[str]:
    return [
        schedule.key for schedule in (await bench.driver.list_schedules(due=True, limit=limit, now=bench.now)).items
    ]


class ScheduleSuite(Suite):
    """Whoever expects what stands may replace it, and store jobs in the same step; all others learn what stands."""

    async def test_a_schedule_is_put_where_none_stands(self, bench: Bench) -> None:
        stored = _schedule("daily", bench.at(HOUR), version=1)
        assert await _change(bench, _put("daily", 0, bench.at(HOUR))) == [Changed(applied=True, stands=stored)], (
            "0 expects that no schedule stands under this key; the first write is version 1"
        )
        assert await _get(bench, "daily") == stored, "and it is read as it was written"

    async def test_a_put_where_one_stands_is_refused(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR), body=b"first"))
        stands = await _get(bench, "daily")
        (changed,) = await _change(bench, _put("daily", 0, bench.at(MINUTE), new_job("a"), body=b"second"))
        assert changed == Changed(applied=False, stands=stands, jobs=()), "a caller that lost learns what stands"
        assert await _get(bench, "daily") == stands, "and has changed nothing"
        assert await bench.find("a") is None, "nor stored a job"

    async def test_a_schedule_is_replaced_at_its_version(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR)))
        (changed,) = await _change(bench, _put("daily", 1, bench.at(DAY), body=b"second"))
        assert changed == Changed(applied=True, stands=_schedule("daily", bench.at(DAY), body=b"second", version=2)), (
            "each write is the next version, so that nobody overwrites what he has not seen"
        )
        assert await _get(bench, "daily") == changed.stands, "what the change answers is what stands"

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    async def test_another_version_is_refused(self, bench: Bench, expected: int) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR)))
        await _change(bench, _put("daily", 1, bench.at(HOUR)))
        stands = await _get(bench, "daily")
        assert await _change(bench, _put("daily", expected, None)) == [Changed(applied=False, stands=stands)], (
            "only whoever saw the latest version may change it"
        )
        assert await _get(bench, "daily") == stands, "a refused change leaves the schedule as it was"

    async def test_the_version_of_a_successor_is_not_read(self, bench: Bench) -> None:
        change = Change(key="daily", expected=0, successor=_schedule("daily", None, version=77))
        (changed,) = await _change(bench, change)
        assert changed.stands is not None and changed.stands.version == 1, "versions are the store's"

    async def test_a_version_of_a_schedule_that_is_not_there_is_refused(self, bench: Bench) -> None:
        assert await _change(bench, _put("daily", 3, bench.at(HOUR))) == [Changed(applied=False, stands=None)], (
            "whoever fires a schedule that was deleted meanwhile learns that nothing stands"
        )
        assert await _get(bench, "daily") is None, "and does not bring it back"

    async def test_a_schedule_is_deleted_at_its_version(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR)))
        assert await _change(bench, Change(key="daily", expected=1, successor=None)) == [
            Changed(applied=True, stands=None)
        ], "without a successor the schedule goes"
        assert (await _get(bench, "daily"), await _keys(bench), (await bench.overview()).schedules) == (None, [], 0), (
            "and is in no reading"
        )

    async def test_a_delete_at_another_version_is_refused(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR)))
        (changed,) = await _change(bench, Change(key="daily", expected=2, successor=None))
        assert (changed.applied, changed.stands) == (False, await _get(bench, "daily")), (
            "a change made meanwhile stands"
        )

    async def test_a_deleted_schedule_may_be_put_again(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.at(HOUR)), Change(key="daily", expected=1, successor=None))
        (changed,) = await _change(bench, _put("daily", 0, bench.at(DAY)))
        assert changed.applied and changed.stands == await _get(bench, "daily"), "0 expects that none stands"
        bench.advance(HOUR)
        assert await _due(bench) == [], "and nothing of the first is left: its instant has no meaning any more"

    async def test_a_schedule_that_returns_is_another_one(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.now), _put("daily", 1, bench.now))
        await _change(bench, Change(key="daily", expected=2, successor=None))
        (changed,) = await _change(bench, _put("daily", 0, bench.at(DAY), body=b"new"))
        assert changed.stands is not None and changed.stands.version > 2, "a version is never given twice to one key"
        for seen in (1, 2):
            (late,) = await _change(bench, _put("daily", seen, bench.at(HOUR), new_job(f"late-{seen}"), body=b"old"))
            assert not late.applied, (
                "a runner that saw the schedule before it was deleted fires nothing: otherwise it would run the old "
                "input, and put it in the place of the new one"
            )
        assert await _get(bench, "daily") == changed.stands, "and what came after stands as it was put"
        assert await bench.lease_ids() == [], "without a job of what was deleted"

    async def test_changes_of_one_batch_are_made_in_order(self, bench: Bench) -> None:
        changed = await _change(
            bench,
            _put("daily", 0, bench.at(HOUR)),
            _put("other", 5, bench.at(HOUR)),
            _put("daily", 1, bench.at(DAY)),
            _put("daily", 1, bench.at(MINUTE)),
        )
        assert [(each.applied, each.stands and each.stands.version) for each in changed] == [
            (True, 1),
            (False, None),
            (True, 2),
            (False, 2),
        ], "each answer belongs to the change at its place, and one change sees what the one before it did"

    async def test_no_changes_have_no_answers(self, bench: Bench) -> None:
        assert await _change(bench) == [], "one answer for each change, so none for none"

    async def test_many_changes_are_made_in_one_call(self, bench: Bench) -> None:
        changed = await _change(bench, *(_put(f"key-{index:03}", 0, bench.at(HOUR)) for index in range(500)))
        assert all(each.applied for each in changed), "a batch of changes may be large"
        assert (await bench.overview()).schedules == 500, "and every one of it counts"

    async def test_a_fired_schedule_stores_its_jobs(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.now))
        jobs = [new_job("run-1"), new_job("run-2", queue="news"), new_job("later", delay=HOUR)]
        (changed,) = await _change(bench, _put("daily", 1, bench.at(DAY), *jobs))
        assert list(changed.jobs) == [
            Enqueued(Disposition.CREATED, "run-1", State.QUEUED, bench.now),
            Enqueued(Disposition.CREATED, "run-2", State.QUEUED, bench.now),
            Enqueued(Disposition.CREATED, "later", State.SCHEDULED, bench.at(HOUR)),
        ], "the jobs of an applied change are stored as an enqueue stores them, and answered in order"
        assert await bench.lease_ids(queues=["mail", "news"]) == ["run-1", "run-2"], "and are executed"

    async def test_a_change_that_lost_stores_no_jobs(self, bench: Bench) -> None:
        await _change(bench, _put("daily", 0, bench.now))
        await _change(bench, _put("daily", 1, bench.at(DAY), new_job("once")))
        (changed,) = await _change(bench, _put("daily", 1, bench.at(DAY), new_job("twice")))
        assert (changed.applied, list(changed.jobs)) == (False, []), (
            "two runners that fire one instant: one of them does"
        )
        assert await bench.lease_ids() == ["once"], "exactly one job for each instant"

    async def test_a_fired_job_with_a_known_id_is_existing(self, bench: Bench) -> None:
        await bench.enqueue(new_job("daily:1"))
        (changed,) = await _change(bench, _put("daily", 0, bench.at(DAY), new_job("daily:1")))
        assert changed.applied and [job.disposition for job in changed.jobs] == [Disposition.EXISTING], (
            "the id of an occurrence is known: it is not run a second time"
        )
        assert await bench.lease_ids() == ["daily:1"], "the id of an occurrence is known: it is not run a second time"

    async def test_a_deletion_may_store_jobs(self, bench: Bench) -> None:
        await _change(bench, _put("once", 0, bench.now))
        (changed,) = await _change(bench, Change(key="once", expected=1, successor=None, jobs=[new_job("last")]))
        assert (changed.applied, changed.stands) == (True, None), (
            "the last firing may end the schedule in the same step"
        )
        assert await bench.lease_ids() == ["last"], "and its job is executed"

    async def test_many_runners_that_fire_one_instant_store_one_set_of_jobs(self, bench: Bench) -> None:
        drivers = [bench.driver, await bench.second_driver(), await bench.second_driver()]
        await _change(bench, _put("daily", 0, bench.now))

        async def fire(driver: Driver, runner: int) -> Changed:
            jobs = [new_job(f"{runner}-one"), new_job(f"{runner}-two")]
            changes = [_put("daily", 1, bench.at(DAY), *jobs)]
            return paired(await driver.change_schedules(changes, now=bench.now), changes, "change_schedules")[0]

        changed = await asyncio.gather(*(fire(drivers[runner % 3], runner) for runner in range(30)))
        winners = [runner for runner, each in enumerate(changed) if each.applied]
        assert len(winners) == 1, "of all that expect one version, one may write"
        assert await bench.lease_ids(100) == [f"{winners[0]}-one", f"{winners[0]}-two"], (
            "any number of runners, one job for each (schedule, instant), without a leader"
        )
        assert {each.stands for each in changed} == {await _get(bench, "daily")}, "all others learn what stands now"

    async def test_schedules_are_read_in_the_order_asked(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(HOUR)), _put("b", 0, None))
        found = await bench.driver.get_schedules(["b", "nobody", "a", "b"])
        assert [each and each.key for each in found] == ["b", None, "a", "b"], "one answer for each key, None for none"
        assert list(await bench.driver.get_schedules([])) == [], "and none for none"

    async def test_schedules_are_listed_by_key(self, bench: Bench) -> None:
        for key, offset in (("m", 1), ("z", 2), ("a", 3), ("k", 4)):
            await _change(bench, _put(key, 0, bench.at(offset)))
        assert await _keys(bench) == ["a", "k", "m", "z"], "whatever their instants"

    async def test_a_listing_of_schedules_shows_them_whole(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(HOUR), body=b"one"), _put("b", 0, None, body=b"two"))
        found = await bench.driver.list_schedules(limit=10, now=bench.now)
        assert list(found.items) == [await _get(bench, "a"), await _get(bench, "b")], "paused ones too, bodies included"

    @pytest.mark.parametrize("limit", [1, 4, 30, 100])
    async def test_pieces_of_schedules_make_the_whole(self, bench: Bench, limit: int) -> None:
        keys = [f"key-{index:02}" for index in range(30)]
        await _change(bench, *(_put(key, 0, bench.at(HOUR)) for key in reversed(keys)))
        assert await _keys(bench, limit=limit) == keys, "every schedule is met exactly once"

    async def test_a_listing_of_schedules_survives_changes(self, bench: Bench) -> None:
        keys = [f"key-{index:02}" for index in range(0, 60, 2)]
        await _change(bench, *(_put(key, 0, bench.at(HOUR)) for key in keys))
        first = await bench.driver.list_schedules(limit=10, now=bench.now)
        met = [schedule.key for schedule in first.items]
        gone = {met[-1], keys[15]}
        await _change(bench, *(Change(key=key, expected=1, successor=None) for key in gone))
        await _change(bench, _put("key-01", 0, None), _put("key-33", 0, None), _put(keys[20], 1, bench.at(MINUTE)))
        rest = await bench.driver.list_schedules(limit=100, cursor=first.cursor, now=bench.now)
        met += [schedule.key for schedule in rest.items]
        assert [key for key in met if key in keys] == [key for key in keys if key != keys[15]], (
            "what is there throughout is met exactly once, whatever is added, changed or removed between two pieces"
        )

    async def test_a_foreign_cursor_of_schedules_is_refused(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, None), _put("b", 0, None))
        for cursor in ("nonsense", "\x00", "🦊"):
            with raises(ValueError, _FOREIGN, says="(?i)cursor"):
                await bench.driver.list_schedules(limit=1, cursor=cursor, now=bench.now)

    @pytest.mark.parametrize("limit", [0, -1])
    @pytest.mark.parametrize("due", [False, True])
    async def test_a_listing_of_less_than_one_schedule_is_refused(self, bench: Bench, due: bool, limit: int) -> None:
        await _change(bench, _put("a", 0, bench.now))
        with raises(ValueError, "A page of nothing never comes to an end: its reader would turn it for ever"):
            await bench.driver.list_schedules(due=due, limit=limit, now=bench.now)

    async def test_due_schedules_are_listed_longest_overdue_first(self, bench: Bench) -> None:
        for key, offset in (("a", 3_000), ("b", 1_000), ("c", 2_000), ("later", HOUR)):
            await _change(bench, _put(key, 0, bench.at(offset)))
        bench.advance(MINUTE)
        assert await _due(bench) == ["b", "c", "a"], "what should have run first is fired first"

    async def test_a_schedule_is_due_at_its_instant(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(MINUTE)))
        bench.advance(MINUTE - 1)
        assert await _due(bench) == [], "never before its instant"
        bench.advance(1)
        assert await _due(bench) == ["a"], "due at now is due"

    async def test_a_listing_of_due_schedules_keeps_its_limit(self, bench: Bench) -> None:
        await _change(bench, *(_put(f"key-{index:02}", 0, bench.at(index)) for index in range(20)))
        bench.advance(MINUTE)
        found = await bench.driver.list_schedules(due=True, limit=5, now=bench.now)
        assert [schedule.key for schedule in found.items] == [f"key-{index:02}" for index in range(5)], "five at a time"
        assert found.cursor is None, "and no cursor: firing moves them, so the next call begins again"

    async def test_a_paused_schedule_is_never_due(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(MINUTE)), _put("a", 1, None))
        bench.advance(DAY)
        assert await _due(bench) == [], "without an instant there is nothing to fire"

    async def test_a_fired_schedule_is_due_at_its_next_instant(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.now), _put("a", 1, bench.at(HOUR)))
        assert await _due(bench) == [], "the instant that was fired is over"
        bench.advance(HOUR)
        assert await _due(bench) == ["a"], "the next one has come"

    async def test_a_claim_tells_the_earliest_instant_of_a_schedule(self, bench: Bench) -> None:
        seen: list[Millis | None] = []
        for change in (
            _put("paused", 0, None),
            _put("late", 0, bench.at(DAY)),
            _put("soon", 0, bench.at(HOUR)),
            _put("soon", 1, None),
            Change(key="late", expected=1, successor=None),
        ):
            assert (await _change(bench, change))[0].applied, "a change that expects what stands is made"
            seen.append((await bench.exchange(bench.claim())).schedule_at)
        assert seen == [None, bench.at(DAY), bench.at(HOUR), bench.at(DAY), None], (
            "a runner knows from its claims when to fire, without asking"
        )

    async def test_a_claim_tells_of_a_schedule_that_is_overdue(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(MINUTE)))
        due = bench.advance(MINUTE)
        bench.advance(HOUR)
        assert (await bench.exchange(bench.claim(0))).schedule_at == due, "what nobody has fired yet is still to fire"

    async def test_a_schedule_is_the_same_through_every_driver(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(HOUR)))
        other = await bench.second_driver()
        found: Sequence[StoredSchedule | None] = await other.get_schedules(["a"])
        assert list(found) == [await _get(bench, "a")], "two drivers on one store see one schedule"

    async def test_schedules_are_counted(self, bench: Bench) -> None:
        await _change(bench, _put("a", 0, bench.at(HOUR)), _put("b", 0, None))
        assert (await bench.overview()).schedules == 2, "paused ones too"
