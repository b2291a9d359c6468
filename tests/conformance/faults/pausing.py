"""Faults of pauses: what is leased all the same, what is lost, and who is never woken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowli.driver import Claim, Exchanged, Millis, Pause, Paused
from flowli_memory.pauses import Pauses
from flowli_memory.store import Store
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by("test_nothing_paused_is_leased_and_all_else_is[queue]", "test_a_pause_stands_in_the_store[job]")
class PausesInItsOwnProcess(Faulty):
    """A pause is kept in the driver that was asked, and nobody keeps to it."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._own = Pauses()

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        self._own.add(what, now or Millis(0))

    async def get_pauses(self) -> Sequence[Pause]:
        return self._own.list()


@caught_by("test_what_was_paused_is_leased_in_its_order[job]", "test_thousands_are_set_aside_and_come_back")
class ForgetsWhatWasSetAside(Faulty):
    """The pause of a job ends, and what a claim has set aside for it stays where it is."""

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        self.store.pauses.remove(what, ())


@caught_by("test_a_resume_wakes_who_waits[queue]")
class ResumesInSilence(Faulty):
    """Who waits finds out at its next poll."""

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        self.store.pauses.remove(what, self.store.lanes.values())


@caught_by("test_nothing_paused_is_leased_and_all_else_is[queue]")
class AsksAgainAndAgain(Faulty):
    """Paused work counts as work: a runner comes back at once, for nothing, as long as the pause lasts."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, more=any(lane.queued.jobs for lane in self.store.named(claim.queues)))
