"""Faults of what is read: records, counts, listings, runners, and schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowli.driver import (
    Ability,
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Deed,
    Examination,
    Exchanged,
    Finding,
    Millis,
    Overview,
    RunnerNote,
    Severity,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
)
from flowli_memory.schedules import Book
from flowli_memory.shelves import Lane
from tests.conformance.faults.faulty import FAR, Faulty, caught_by

__all__: list[str] = []


@caught_by(
    "test_a_record_kept_until_now_is_gone_for_every_reader[get_jobs-completed]",
    "test_a_cancelled_record_expires",
)
class ShowsWhatHasExpired(Faulty):
    """A record is seen until it is swept."""

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return await super().get_jobs(ids, now=Millis(0))


@caught_by("test_records_are_returned_in_the_order_asked")
class LeavesOutWhatIsMissing(Faulty):
    """Ids without a record have no answer."""

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return [job for job in await super().get_jobs(ids, now=now) if job is not None] or [None] * len(ids)


@caught_by(
    "test_a_cancelled_job_is_counted_as_cancelled[queued]",
    "test_an_id_cancelled_and_enqueued_many_times_runs_once",
)
class CountsDrift(Faulty):
    """What is cancelled is never taken off the count of its queue."""

    _drift = 0

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        answers = await super().act(acts, now=now)
        self._drift += sum(one.done and one.found is State.QUEUED for one in answers)
        return answers

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        found = await super().overview(queues, now=now)
        views = {name: replace(view, queued=view.queued + self._drift) for name, view in found.queues.items()}
        return replace(found, queues=views)


@caught_by("test_counts_take_no_longer_for_many_jobs")
class CountsByWalking(Faulty):
    """Counting reads every job."""

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        for state in State:
            await self.list_jobs(state, limit=100_000, now=now)
        return await super().overview(queues, now=now)


@caught_by("test_asking_for_a_queue_does_not_make_it_known")
class MakesQueuesByAsking(Faulty):
    """Every name that was asked for is a queue from then on."""

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        for name in queues or ():
            self.store.lanes.setdefault(name, Lane(name))
        return await super().overview(queues, now=now)


@caught_by("test_the_age_of_a_queue_is_that_of_its_head", "test_the_age_of_a_queue_with_a_job_handed_back_is_0")
class KnowsNoAges(Faulty):
    """How far behind a queue is cannot be seen."""

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        found = await super().overview(queues, now=now)
        return replace(found, queues={name: replace(view, oldest_ready=None) for name, view in found.queues.items()})


@caught_by("test_a_runner_is_gone_when_its_time_has_come", "test_a_runner_takes_itself_off_the_list[-1]")
class ListsDeadRunners(Faulty):
    """A runner that was seen once is seen for ever."""

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await super().announce(replace(note, alive_until=FAR), now=now)


@caught_by(
    "test_a_listing_survives_what_is_cancelled[one-queue-scheduled]",
    "test_a_listing_of_a_queue_survives_what_is_leased[one-queue]",
    "test_a_listing_of_running_jobs_survives_what_is_settled[one-queue]",
)
class CountsCursors(Faulty):
    """A cursor is an offset: what goes away before it takes others along."""

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        found = await super().list_jobs(state, queue=queue, limit=10_000, now=now)
        start = int(cursor or 0)
        end = start + limit
        return Slice(found.items[start:end], str(end) if len(found.items) > end else None)


@caught_by("test_a_foreign_cursor_is_refused[nonsense-queued]")
class BeginsAgainForAnyCursor(Faulty):
    """A cursor of elsewhere shows the first page."""

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        known = cursor if cursor and cursor.startswith(state.value) else None
        return await super().list_jobs(state, queue=queue, limit=limit, cursor=known, now=now)


@caught_by("test_a_listing_shows_records_without_their_bodies[queued]")
class ListsBodies(Faulty):
    """A page of jobs is as large as their inputs."""

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        found = await super().list_jobs(state, queue=queue, limit=limit, cursor=cursor, now=now)
        return Slice([replace(job, body=b"body") for job in found.items], found.cursor)


@caught_by("test_a_change_that_lost_stores_no_jobs", "test_many_runners_that_fire_one_instant_store_one_set_of_jobs")
class FiresTwice(Faulty):
    """A change applies to whatever version stands."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return [self._apply(change, now) for change in changes]

    def _apply(self, change: Change, now: Millis | None) -> Changed:
        stands = self.store.book.get(change.key)
        forged = replace(change, expected=0 if stands is None else stands.version)
        return self.store.change(forged, Millis(0) if now is None else now)


@caught_by("test_a_schedule_that_returns_is_another_one")
class BeginsVersionsAnew(Faulty):
    """A schedule that was deleted and put again cannot be told from the one before."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        if not len(self.store.book):
            self.store.book = Book()
        return await super().change_schedules(changes, now=now)


@caught_by("test_a_fired_schedule_stores_its_jobs", "test_a_deletion_may_store_jobs")
class FiresNothing(Faulty):
    """A schedule goes on, and its jobs are lost."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return await super().change_schedules([replace(change, jobs=()) for change in changes], now=now)


@caught_by("test_another_version_is_refused[1]", "test_a_put_where_one_stands_is_refused")
class SaysNotWhatStands(Faulty):
    """A caller that lost does not learn what stands."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        changed = await super().change_schedules(changes, now=now)
        return [each if each.applied else replace(each, stands=None) for each in changed]


@caught_by("test_due_schedules_are_listed_longest_overdue_first", "test_a_listing_of_due_schedules_keeps_its_limit")
class FiresTheYoungestFirst(Faulty):
    """A schedule that is long overdue is fired last."""

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        found = await super().list_schedules(due=due, limit=1_000 if due else limit, cursor=cursor, now=now)
        return Slice(found.items[::-1][:limit], None) if due else found


@caught_by("test_a_claim_tells_the_earliest_instant_of_a_schedule", "test_a_claim_tells_of_a_schedule_that_is_overdue")
class TellsOfNoSchedule(Faulty):
    """No runner knows when a schedule is due."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, schedule_at=None)


@caught_by(
    "test_the_driver_and_its_test_class_declare_the_same_abilities", "test_every_ability_is_one_that_the_suite_proves"
)
class BoastsOfJoins(Faulty):
    """An ability is declared that no test has seen."""

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset({Ability.JOIN})


@caught_by("test_an_empty_store_is_sound", "test_a_store_with_jobs_in_every_state_is_sound")
class CriesWolf(Faulty):
    """An examination that is never content."""

    async def examine(self, *, now: Millis | None = None) -> Examination:
        return Examination(findings=[Finding("wolf", Severity.ERROR, "everything", "it may be there")], facts={})


@caught_by("test_an_examination_changes_nothing")
class RepairsWhatItLooksAt(Faulty):
    """An examination that cancels what it sees."""

    async def examine(self, *, now: Millis | None = None) -> Examination:
        found = await super().examine(now=now)
        await self.act([Act(id=job.id, deed=Deed.CANCEL) for job in list(self.store.records())], now=now)
        return found


@caught_by(
    "test_every_ability_is_one_of_the_protocol",
    "test_every_ability_is_one_that_the_suite_proves",
    "test_the_driver_and_its_test_class_declare_the_same_abilities",
)
class BoastsOfTelepathy(Faulty):
    """An ability is declared that does not exist."""

    @property
    def abilities(self) -> frozenset[Ability]:
        misspelt: Any = "telepathy"
        return frozenset({misspelt})
