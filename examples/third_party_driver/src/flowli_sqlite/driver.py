"""The verbs of the protocol over one SQLite file. It knows which verb is which step, and how to wait; no statement."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
    Millis,
    NewJob,
    Note,
    Overview,
    Pause,
    Paused,
    Renewal,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.errors import DriverClosed, DriverUnavailable
from flowli_sqlite import claims, deeds, examining, pauses, records, schedules, views
from flowli_sqlite.connection import Connection
from flowli_sqlite.session import Session
from flowli_sqlite.session import pauses as intervals

__all__ = ["SQLiteDriver"]

_NO_WAIT = Millis(0)


class SQLiteDriver:
    """Jobs in one file, for the processes of one machine; the directory has to be on a local disk.

    What is answered is on the disk. A waiting call looks at the file every 20 to 100 ms. Enqueues that would make the
    file larger than ``max_bytes`` raise QueueFull, while settlements go on. A file that other processes hold locked for
    ``patience`` seconds is DriverUnavailable.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int | None = None, patience: float = 5.0) -> None:
        name = os.fspath(path)
        if not name or name == ":memory:":
            raise ValueError("A database in memory is reached by no second connection. Name a file.")
        self._path = os.path.abspath(name)
        self._max_bytes = max_bytes
        self._patience = patience
        self._session: Session | None = None

    def __str__(self) -> str:
        return f"sqlite {self._path}"

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset({Ability.AUDIT, Ability.EXAMINE, Ability.PAUSES, Ability.UNIQUE})

    @property
    def process_local(self) -> bool:
        return False

    async def open(self) -> None:
        session = self._session
        if session is None:
            session = self._session = Session(Connection(self._path, self._max_bytes, self._patience))
        elif session.is_inherited:
            raise DriverClosed(f"{self} was opened by the parent of this process. Open a twin() of it.")
        try:
            await session.open()
        except Exception:
            await self.close()
            raise

    async def close(self) -> None:
        session = self._session
        if session is not None and not session.is_inherited:
            self._session = None
            await session.end()

    def twin(self) -> SQLiteDriver:
        return SQLiteDriver(self._path, max_bytes=self._max_bytes, patience=self._patience)

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await self._use().write(lambda db, at: records.enqueue(db, at, jobs, turn), now, grows=True)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        session = self._use()
        if claim is None:
            return await session.write(lambda db, at: claims.settle_only(db, at, settlements), now)
        found, answered = await session.write(lambda db, at: claims.exchange(db, at, settlements, claim), now)
        if found.leases or answered or claim.limit <= 0 or claim.wait <= 0:
            return found
        waited = await self._wait_to_lease(session, claim, now)
        return found if waited is None else replace(waited, settled=found.settled)

    async def _wait_to_lease(self, session: Session, claim: Claim, now: Millis | None) -> Exchanged | None:
        """What could be leased in time, or how things stand at the end. None if the file cannot be reached: the
        settlements were written before, so that this call must not be told as one that wrote nothing."""
        try:
            for interval in intervals(claim.wait):
                await session.pause(interval)
                if await session.read(lambda db, at: claims.beckons(db, at, claim.queues), now):
                    found, _ = await session.write(lambda db, at: claims.exchange(db, at, [], claim), now)
                    if found.leases:
                        return found
            found, _ = await session.write(lambda db, at: claims.exchange(db, at, [], claim), now)
        except DriverUnavailable as error:
            if error.maybe_written:
                raise
            return None
        return found

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        if lease_for is None:
            return await self._use().read(lambda db, _: [records.look(db, hold) for hold in holds], now)
        return await self._use().write(lambda db, at: [records.renew(db, at, hold, lease_for) for hold in holds], now)

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        return await self._use().write(lambda db, at: [deeds.act(db, at, act) for act in acts], now)

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = _NO_WAIT, now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        session = self._use()
        found = await session.read(lambda db, at: records.outcomes(db, at, ids), now)
        for interval in intervals(wait if ids else _NO_WAIT):
            if found:
                break
            await session.pause(interval)
            found = await session.read(lambda db, at: records.outcomes(db, at, ids), now)
        return found

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return await self._use().read(lambda db, at: records.get(db, at, ids), now)

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        return await self._use().read(lambda db, at: views.list_jobs(db, at, state, queue, limit, cursor), now)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        return await self._use().read(lambda db, at: views.overview(db, at, queues), now)

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await self._use().write(lambda db, at: pauses.pause(db, at, what), now)

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await self._use().write(lambda db, _: pauses.resume(db, what), now)

    async def get_pauses(self) -> Sequence[Pause]:
        return await self._use().read(lambda db, _: pauses.get_pauses(db), None)

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await self._use().write(lambda db, at: views.announce(db, at, note), now)

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return await self._use().write(
            lambda db, at: [schedules.change(db, at, change) for change in changes], now, grows=True
        )

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        return await self._use().read(lambda db, _: [schedules.get_schedule(db, key) for key in keys], None)

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        if due:
            return await self._use().read(lambda db, at: schedules.list_due(db, at, limit), now)
        return await self._use().read(lambda db, _: schedules.list_schedules(db, limit, cursor), now)

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        await self._use().write(lambda db, at: deeds.note(db, at, id, body, keep_for, most), now)

    async def list_notes(self, *, limit: int, cursor: str | None = None, now: Millis | None = None) -> Slice[Note]:
        return await self._use().read(lambda db, at: deeds.list_notes(db, at, limit, cursor), now)

    async def examine(self, *, now: Millis | None = None) -> Examination:
        return await self._use().read(examining.examine, now)

    def _use(self) -> Session:
        if self._session is None:
            raise DriverClosed(f"{self} is not open. Await open() first.")
        if self._session.is_inherited:
            raise DriverClosed(f"{self} was opened by the parent of this process. Open a twin() of it.")
        return self._session
