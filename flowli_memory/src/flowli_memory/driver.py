"""Knows the verbs of a driver and who answers each. Refuses to know how a job moves and how a call waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowli.driver import (
    Ability,
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Enqueued,
    Examination,
    Exchanged,
    Hold,
    LimitView,
    Millis,
    NewJob,
    Note,
    Overview,
    Pause,
    Paused,
    Renewal,
    Report,
    Rule,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli_memory import deeds, examining, leases, listing
from flowli_memory.claims import ClaimCall, settle_only
from flowli_memory.clock import Clock, Timekeeper
from flowli_memory.outcomes import OutcomeCall
from flowli_memory.presence import Presence
from flowli_memory.store import Store

__all__ = ["MemoryDriver"]

_NO_WAIT = Millis(0)


class MemoryDriver:
    """Keeps jobs in the memory of this process, with the complete semantics of a driver and no durability.

    It may be used from any thread and any event loop. ``clock`` tells the time where a verb is not given one; None is
    the wall clock. Under a `ManualClock` a wait is over only when a test has advanced the clock far enough.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock
        self._presence = Presence(Store(), Timekeeper(clock))

    def __str__(self) -> str:
        return "memory"

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset(
            {
                Ability.AUDIT,
                Ability.EXAMINE,
                Ability.FAIRNESS,
                Ability.LIMITS,
                Ability.PAUSES,
                Ability.PROGRESS,
                Ability.UNIQUE,
                Ability.WORKFLOWS,
            }
        )

    @property
    def process_local(self) -> bool:
        return True

    async def open(self) -> None:
        self._presence.begin()

    async def close(self) -> None:
        self._presence.end()

    def twin(self) -> MemoryDriver:
        twin = MemoryDriver(clock=self._clock)
        twin._presence = self._twin_presence()
        return twin

    def _twin_presence(self) -> Presence:
        return Presence(self._presence.store, self._presence.time)

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        store = await self._presence.enter()
        with store.lock:
            return store.enqueue(jobs, turn, self._presence.instant(now))

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        store = await self._presence.enter()
        if claim is not None:
            return await self._presence.run(ClaimCall(store, settlements, claim), now)
        with store.lock:
            return settle_only(store, settlements, self._presence.instant(now))

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        store = await self._presence.enter()
        with store.lock:
            return leases.renew(store, holds, lease_for, self._presence.instant(now))

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        store = await self._presence.enter()
        with store.lock:
            return deeds.act(store, acts, self._presence.instant(now))

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = _NO_WAIT, now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        store = await self._presence.enter()
        return await self._presence.run(OutcomeCall(store, ids, wait), now)

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        store = await self._presence.enter()
        with store.lock:
            instant = self._presence.instant(now)
            jobs = [store.find(id, instant) for id in ids]
            return [None if job is None else job.stored(with_body=True) for job in jobs]

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        store = await self._presence.enter()
        with store.lock:
            lanes = store.named(None if queue is None else [queue])
            store.sweep(lanes, self._presence.instant(now))
            return listing.page([lane.shelves[state] for lane in lanes], state, limit, cursor)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        store = await self._presence.enter()
        with store.lock:
            return store.overview(queues, self._presence.instant(now))

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            store.announce(note, self._presence.instant(now))

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        store = await self._presence.enter()
        with store.lock:
            instant = self._presence.instant(now)
            return [store.change(change, instant) for change in changes]

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        store = await self._presence.enter()
        with store.lock:
            return [store.book.get(key) for key in keys]

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        store = await self._presence.enter()
        with store.lock:
            return store.book.due(limit, self._presence.instant(now)) if due else store.book.page(limit, cursor)

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            store.pauses.add(what, self._presence.instant(now))

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            store.resume(what)

    async def get_pauses(self) -> Sequence[Pause]:
        store = await self._presence.enter()
        with store.lock:
            return store.pauses.list()

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        store = await self._presence.enter()
        with store.lock:
            return leases.report(store, notes, self._presence.instant(now))

    async def get_reports(self, ids: Sequence[str]) -> Sequence[Report | None]:
        store = await self._presence.enter()
        with store.lock:
            return [store.reports.get(id) for id in ids]

    async def examine(self, *, now: Millis | None = None) -> Examination:
        store = await self._presence.enter()
        with store.lock:
            return examining.examine(store, self._presence.instant(now))

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            store.notes.put(id, body, keep_for, most, self._presence.instant(now))

    async def list_notes(self, *, limit: int, cursor: str | None = None, now: Millis | None = None) -> Slice[Note]:
        store = await self._presence.enter()
        with store.lock:
            return store.notes.page(limit, cursor, self._presence.instant(now))

    async def set_rules(self, rules: Sequence[Rule], *, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            instant = self._presence.instant(now)
            store.reopen(store.throttle.replace(rules), instant)

    async def get_rules(self) -> Sequence[Rule]:
        store = await self._presence.enter()
        with store.lock:
            return sorted(store.throttle.rules.values())

    async def hold(self, limit: str, key: str | None, until: Millis | None, *, now: Millis | None = None) -> None:
        store = await self._presence.enter()
        with store.lock:
            store.throttle.close((limit, key), until)
            store.reopen([(limit, key)], self._presence.instant(now))

    async def get_limit(self, limit: str, key: str = "", *, now: Millis | None = None) -> LimitView:
        store = await self._presence.enter()
        with store.lock:
            return store.throttle.view(limit, key, self._presence.instant(now))

    async def get_keys(self, limit: str, *, most: int = 100) -> Sequence[str]:
        store = await self._presence.enter()
        with store.lock:
            return store.throttle.keys(limit, most)
