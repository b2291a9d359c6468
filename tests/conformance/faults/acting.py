"""Faults of replays, deletions and the notes of acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowli.driver import Act, Acted, Deed, Millis
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by(
    "test_what_was_seen_has_to_stand_to_be_replayed",
    "test_two_operators_replay_one_failure_once",
    "test_what_was_seen_has_to_stand_to_be_deleted",
)
class ActsOnWhateverStands(Faulty):
    """What an operator saw is not compared: a purge deletes what somebody replayed."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        return await super().act([replace(one, seen=None) for one in acts], now=now)


@caught_by("test_deliveries_count_from_zero_again")
class RemembersCrashes(Faulty):
    """A repaired job is poison at its first crash."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        counted = {one.id: job.deliveries for one in acts if (job := self.job(one.id)) is not None}
        answers = await super().act(acts, now=now)
        for id, deliveries in counted.items():
            if (job := self.job(id)) is not None:
                job.deliveries = deliveries
        return answers


@caught_by("test_an_edited_body_is_what_runs[]")
class ReplaysTheOldBody(Faulty):
    """The edited input is lost."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        return await super().act([replace(one, body=None) for one in acts], now=now)


@caught_by("test_a_repeated_replay_has_the_effect_of_one[0]")
class RefusesItsOwnRepeat(Faulty):
    """Whoever lost the reply is told that nothing was done."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        answers = await super().act(acts, now=now)
        return [
            Acted(answer.found, answer.done and (answer.found is None or answer.found.is_terminal))
            if one.deed is Deed.REPLAY
            else answer
            for one, answer in zip(acts, answers, strict=True)
        ]


@caught_by("test_what_is_leased_stands")
class DeletesWhatRuns(Faulty):
    """A runner writes to nothing."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        for one in acts:
            job = self.job(one.id)
            if one.deed is Deed.DELETE and job is not None and job.shelf is job.lane.active:
                job.shelf.remove(job)
                self.store.hand_back(job)
        return await super().act(acts, now=now)


@caught_by("test_only_the_last_ones_are_kept")
class KeepsEveryNote(Faulty):
    """The record of acts fills the store."""

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        await super().note(id, body, keep_for=keep_for, most=10**9, now=now)


@caught_by("test_a_note_is_replaced_at_its_place")
class NotesAnew(Faulty):
    """An act that ended late looks as if it had begun late."""

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        await super().note(id, body, keep_for=Millis(0), most=0, now=now)
        await super().note(id, body, keep_for=keep_for, most=most, now=now)
