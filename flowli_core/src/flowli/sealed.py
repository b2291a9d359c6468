"""A driver whose payloads pass through a codec: bodies, results, and the inputs of schedules.

It knows where payloads are in what core and store exchange. It refuses to know how they are encoded (`flowli.codec`).
Who has no codec never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from flowli.codec import Binding, PayloadCodec, PayloadRefused
from flowli.driver import (
    Ability,
    Act,
    Acted,
    Audits,
    Change,
    Changed,
    Claim,
    Driver,
    Enqueued,
    Exchanged,
    Hold,
    KeepsPauses,
    KeepsReports,
    Lease,
    Millis,
    NewJob,
    Note,
    Overview,
    Pause,
    Paused,
    Renewal,
    Report,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.journal import logger
from flowli.wire import FORMAT, Unreadable, decode_head, decode_schedule, encode_schedule

__all__ = ["Sealed", "seal_result"]

_REFUSED = b"\x00"
"""Stands in front of what was refused: it is no JSON and of no format, so that core takes it for unreadable."""
_NO_WAIT = Millis(0)


def seal_result(codec: PayloadCodec, job: str, id: str, result: bytes) -> bytes:
    """A result as it is stored. It is sealed where it is made, so that one that cannot be is that job's failure, and
    not that of the call which would have carried it beside others."""
    return codec.encode(result, _binding("result", job, id))


class Sealed:
    """What core talks to instead of a driver. It is opened and closed by whoever opens and closes the driver. The
    results in settlements are sealed already."""

    def __init__(self, driver: Driver, codec: PayloadCodec) -> None:
        self._driver = driver
        self._codec = codec

    def __str__(self) -> str:
        return str(self._driver)

    @property
    def abilities(self) -> frozenset[Ability]:
        return self._driver.abilities

    @property
    def process_local(self) -> bool:
        return self._driver.process_local

    async def open(self) -> None:
        await self._driver.open()

    async def close(self) -> None:
        await self._driver.close()

    def twin(self) -> Driver:
        return Sealed(self._driver.twin(), self._codec)

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await self._driver.enqueue([self._sealed(job) for job in jobs], turn=turn, now=now)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await self._driver.exchange(settlements, claim, now=now)
        return replace(found, leases=[self._leased(lease) for lease in found.leases]) if found.leases else found

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        return await self._driver.renew(holds, lease_for, now=now)

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        edited = [one.id for one in acts if one.body is not None]
        if edited:  # what seals a body binds it to its job, whose name an act does not say
            found = {job.id: job for job in await self._driver.get_jobs(edited, now=now) if job is not None}
            acts = [self._edited(one, found.get(one.id)) for one in acts]
        return await self._driver.act(acts, now=now)

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = _NO_WAIT, now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        found = await self._driver.outcomes(ids, wait=wait, now=now)
        return {id: None if job is None else self._read(job) for id, job in found.items()}

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]:
        return [None if job is None else self._read(job) for job in await self._driver.get_jobs(ids, now=now)]

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        found = await self._driver.list_jobs(state, queue=queue, limit=limit, cursor=cursor, now=now)
        return Slice([self._read(job) for job in found.items], found.cursor)

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        return await self._driver.overview(queues, now=now)

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        await self._driver.announce(note, now=now)

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        sealed = [
            replace(
                change,
                successor=change.successor and self._planned(change.successor),
                jobs=tuple(self._sealed(job) for job in change.jobs),
            )
            for change in changes
        ]
        changed = await self._driver.change_schedules(sealed, now=now)
        return [replace(one, stands=one.stands and self._plan(one.stands)) for one in changed]

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
        return [one and self._plan(one) for one in await self._driver.get_schedules(keys)]

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        found = await self._driver.list_schedules(due=due, limit=limit, cursor=cursor, now=now)
        return Slice([self._plan(one) for one in found.items], found.cursor)

    async def note(self, id: str, body: bytes, *, keep_for: Millis, most: int, now: Millis | None = None) -> None:
        await cast("Audits", self._driver).note(id, body, keep_for=keep_for, most=most, now=now)

    async def list_notes(self, *, limit: int, cursor: str | None = None, now: Millis | None = None) -> Slice[Note]:
        return await cast("Audits", self._driver).list_notes(limit=limit, cursor=cursor, now=now)

    async def pause(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await cast("KeepsPauses", self._driver).pause(what, now=now)

    async def resume(self, what: Sequence[Paused], *, now: Millis | None = None) -> None:
        await cast("KeepsPauses", self._driver).resume(what, now=now)

    async def get_pauses(self) -> Sequence[Pause]:
        return await cast("KeepsPauses", self._driver).get_pauses()

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        return await cast("KeepsReports", self._driver).report(notes, now=now)

    async def get_reports(self, ids: Sequence[str]) -> Sequence[Report | None]:
        return await cast("KeepsReports", self._driver).get_reports(ids)

    def _edited(self, one: Act, job: StoredJob | None) -> Act:
        if one.body is None or job is None:
            return one
        return replace(one, body=self._codec.encode(one.body, _binding("body", job.name, job.id)))

    def _sealed(self, job: NewJob) -> NewJob:
        return job._replace(body=self._codec.encode(job.body, _binding("body", job.name, _owner(job))))

    def _leased(self, lease: Lease) -> Lease:
        return lease._replace(body=self._opened(lease.body, _binding("body", lease.name, _owner(lease))))

    def _read(self, job: StoredJob) -> StoredJob:
        if job.body is not None:
            body = self._opened(job.body, _binding("body", job.name, _owner(job)))
            job = replace(job, body=None if body[:1] == _REFUSED else body)
        text, line, result = job.memo.partition(b"\n")
        if job.state is not State.COMPLETED or not line:
            return job
        return replace(job, memo=text + line + self._opened(result, _binding("result", job.name, job.id)))

    def _planned(self, schedule: StoredSchedule) -> StoredSchedule:
        if schedule.body[:1] == _REFUSED:  # put off by a core that could not read it
            return replace(schedule, body=schedule.body[1:])
        try:
            body = decode_schedule(schedule.body)
        except Unreadable:
            return schedule
        sealed = self._codec.encode(body.body, _binding("schedule", body.name, schedule.key))
        return replace(schedule, body=encode_schedule(replace(body, body=sealed)))

    def _plan(self, schedule: StoredSchedule) -> StoredSchedule:
        try:
            body = decode_schedule(schedule.body)
        except Unreadable:
            return schedule
        opened = self._opened(body.body, _binding("schedule", body.name, schedule.key))
        if opened[:1] == _REFUSED:
            return replace(schedule, body=_REFUSED + schedule.body)
        return replace(schedule, body=encode_schedule(replace(body, body=opened)))

    def _opened(self, data: bytes, binding: Binding) -> bytes:
        try:
            return self._codec.decode(data, binding)
        except Exception as exc:
            why = str(exc) if isinstance(exc, PayloadRefused) else type(exc).__name__
            logger.warning("the %s of job %r (%s) is refused: %s", binding.kind, binding.job, binding.id, why)
            return _REFUSED + data


def _owner(job: NewJob | Lease | StoredJob) -> str:
    """What a body is bound to: the id of its job, or, where it may take the place of another job, its unique key."""
    if len(job.head) == len(FORMAT):
        return job.id
    try:
        head = decode_head(job.head)
    except Unreadable:
        return job.id
    return f"unique key {head.unique_key}" if head.is_replaceable else job.id


def _binding(kind: str, job: str, id: str) -> Binding:
    return Binding(kind, job, id, FORMAT.decode())
