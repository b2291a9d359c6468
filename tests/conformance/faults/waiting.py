"""Faults of waiting and of the life of a driver: wake-ups that are lost, waits that do not wait, doors left open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from flowli.driver import Claim, Exchanged, Millis, Settlement, StoredJob
from flowli_memory import MemoryDriver
from flowli_memory.presence import Presence
from flowli_memory.shelves import Lane
from flowli_memory.store import Store
from flowli_memory.waiting import Lounge
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by("test_an_idle_claim_sleeps")
class NeverWaits(Faulty):
    """A claim with nothing to lease comes back at once, so that a runner polls."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, wait=Millis(0))


class _Deaf(Lounge):
    def wake_one(self, queue: str) -> None:
        """Nobody."""


class _DeafStore(Store):
    def __init__(self) -> None:
        super().__init__()
        self.lounge = _Deaf()


@caught_by("test_an_enqueue_wakes_a_waiting_claim", "test_a_job_of_a_schedule_wakes_a_waiting_claim")
class LosesWakeUps(Faulty):
    """A new job waits until its runner looks by itself."""

    def make_store(self) -> Store:
        return _DeafStore()


class _HardOfHearing(Lounge):
    deaf = False

    def wake_one(self, queue: str) -> None:
        if not self.deaf:
            super().wake_one(queue)


@caught_by("test_a_hand_back_wakes_a_waiting_claim")
class HandsBackInSilence(Faulty):
    """What a runner hands back as it stops is not noticed by the others."""

    def make_store(self) -> Store:
        store = Store()
        store.lounge = _HardOfHearing()
        return store

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        lounge = self.store.lounge
        assert isinstance(lounge, _HardOfHearing)
        lounge.deaf = claim is None
        return await super().exchange(settlements, claim, now=now)


class _SelfishStore(Store):
    def pass_on(self, lanes: Iterable[Lane]) -> None:
        """To nobody."""


@caught_by("test_what_a_woken_runner_leaves_wakes_the_next")
class WakesOneAndNoMore(Faulty):
    """What the runner that was woken leaves waits for the next enqueue."""

    def make_store(self) -> Store:
        return _SelfishStore()


class _Mute(Lounge):
    def ended(self, id: str) -> None:
        """Nobody is told."""


class _MuteStore(Store):
    def __init__(self) -> None:
        super().__init__()
        self.lounge = _Mute()


@caught_by("test_a_settlement_wakes_a_waiter", "test_a_cancellation_wakes_a_waiter")
class EndsInSilence(Faulty):
    """Whoever waits for a result hears of it when its wait is over."""

    def make_store(self) -> Store:
        return _MuteStore()


@caught_by(
    "test_a_missing_job_is_answered_with_none", "test_a_record_kept_until_now_is_gone_for_every_reader[outcomes-failed]"
)
class SaysNothingOfMissingJobs(Faulty):
    """Whoever waits for a job that left nothing waits for ever."""

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = Millis(0), now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        found = await super().outcomes(ids, wait=wait, now=now)
        return {id: job for id, job in found.items() if job is not None}


@caught_by("test_close_ends_a_waiting_claim", "test_close_ends_a_wait_for_outcomes")
class ClosesOverSleepers(Faulty):
    """A shutdown hangs on whoever waits."""

    async def close(self) -> None:
        self._presence = Presence(self.store, self._presence.time)


@caught_by("test_a_verb_before_open_is_refused[exchange]", "test_a_verb_after_close_is_refused[exchange]")
class OpensByItself(Faulty):
    """A verb of a closed driver connects again."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        await self.open()
        return await super().exchange(settlements, claim, now=now)


@caught_by("test_a_twin_is_on_the_same_store", "test_an_enqueue_on_another_loop_wakes_a_waiting_claim")
class TwinsElsewhere(Faulty):
    """A twin has a store of its own."""

    def twin(self) -> MemoryDriver:
        return type(self)()


@caught_by("test_closing_a_twin_leaves_its_driver_open", "test_closing_a_driver_leaves_its_twin_open")
class IsItsOwnTwin(Faulty):
    """A twin shares its connections."""

    def twin(self) -> MemoryDriver:
        return self
