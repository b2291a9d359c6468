"""From what a driver keeps to the records that users see.

It knows both forms. It refuses to fail on what it cannot read: a listing shows the rest.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flowli.driver import Millis, Pause, QueueView, RunnerNote, State, StoredJob, StoredSchedule
from flowli.durations import from_millis, millis_to_instant
from flowli.errors import SchedulingError
from flowli.ids import made_at, parent_ids, root_of
from flowli.instants import next_instants
from flowli.records import (
    JobRecord,
    PauseRecord,
    QueueRecord,
    RunnerRecord,
    ScheduleRecord,
    ScheduleRun,
    WaitingFor,
)
from flowli.settle import start_by
from flowli.wire import Head, Memo, Unreadable, decode_head, decode_memo, decode_note, decode_schedule, split_body

__all__ = ["preview", "read_job", "read_memo", "read_pause", "read_queue", "read_runner", "read_schedule"]


def read_memo(stored: StoredJob) -> Memo:
    """The memo, its attempts counting the crashes since the last settlement; an empty one where it cannot be read."""
    try:
        memo = decode_memo(stored.memo)
    except Unreadable:
        return Memo()
    crashed = stored.deliveries - memo.crashes
    under_way = 1 if stored.state is State.ACTIVE else 0
    return replace(memo, attempts=memo.attempts + max(0, crashed) + under_way)


def _read_head(stored: StoredJob) -> Head:
    try:
        return decode_head(stored.head)
    except Unreadable:
        return Head()


def read_job(stored: StoredJob) -> JobRecord:
    """The record of a stored job. What cannot be read has its default."""
    head, memo, state, due = _read_head(stored), read_memo(stored), stored.state, stored.due
    input_json, meta_json = (None, None) if stored.body is None else split_body(stored.body)
    ready = due if state in (State.SCHEDULED, State.QUEUED) else None
    return JobRecord(
        id=stored.id,
        name=stored.name,
        queue=stored.queue,
        state=state,
        priority=stored.priority,
        attempts_made=memo.attempts,
        failures=memo.failures,
        deliveries=stored.deliveries,
        max_attempts=head.options.max_attempts,
        token=stored.token,
        created_at=_instant(head.created_at or made_at(root_of(stored.id))),
        scheduled_for=_instant(ready),
        start_by=_instant(start_by(head.options, memo, stored.deliveries, ready or 0)),
        started_at=_instant(memo.started_at),
        finished_at=_instant(memo.finished_at),
        lease_until=_instant(due) if state is State.ACTIVE else None,
        expires_at=_instant(due) if state.is_terminal else None,
        waiting_for=_waiting_for(stored, head, memo),
        reason=memo.reason if state is State.FAILED else None,
        error=memo.error,
        schedule_key=head.schedule_key,
        parents=tuple(parent_ids(stored.id, head.parents)),
        unique_key=head.unique_key,
        replays=memo.replay[0] if memo.replay else 0,
        replay_id=memo.replay[1] if memo.replay else None,
        input_json=None if head.gather else input_json,
        meta_json=meta_json,
        result_json=memo.result if state is State.COMPLETED else None,
    )


def _waiting_for(stored: StoredJob, head: Head, memo: Memo) -> WaitingFor | None:
    if stored.state is not State.SCHEDULED:
        return None
    if stored.due is None:
        return WaitingFor.PARENTS if head.parents else WaitingFor.LIMIT
    return WaitingFor.RESUME if stored.due == 0 else memo.waiting_for or WaitingFor.DUE


def read_schedule(stored: StoredSchedule) -> ScheduleRecord:
    """The record of a stored schedule. One of a newer format shows its key and instant."""
    try:
        body = decode_schedule(stored.body)
    except Unreadable:
        return ScheduleRecord(
            key=stored.key,
            name="",
            when="",
            tz="",
            queue="",
            next_run_at=_instant(stored.next_run_at),
            last_run_at=None,
            last_job_id=None,
        )
    input_json, meta_json = split_body(body.body)
    return ScheduleRecord(
        key=stored.key,
        name=body.name,
        when=body.when,
        tz=body.tz,
        queue=body.queue,
        next_run_at=_instant(stored.next_run_at),
        last_run_at=_instant(body.last_run_at),
        last_job_id=body.last_job_id,
        is_paused=body.is_paused,
        is_declared=body.declared is not None,
        runs=body.runs,
        recent=tuple(ScheduleRun(instant=millis_to_instant(at), job_id=id) for at, id in body.recent),
        waiting=len(body.backlog),
        jitter=from_millis(body.rules.jitter),
        start=_instant(body.rules.start),
        end=_instant(body.rules.end),
        limit=body.rules.limit,
        misfire=body.rules.misfire,
        overlap=body.rules.overlap,
        input_json=input_json,
        meta_json=meta_json,
    )


def preview(stored: StoredSchedule, most: int) -> list[datetime]:
    """The next instants of a stored schedule, paused or not; none where it cannot be read."""
    try:
        return [millis_to_instant(at) for at in next_instants(decode_schedule(stored.body), most)]
    except (Unreadable, SchedulingError):
        return []


def read_queue(name: str, view: QueueView, now: Millis, *, is_paused: bool) -> QueueRecord:
    """The record of a queue."""
    oldest = view.oldest_ready or None
    return QueueRecord(
        name=name,
        **{state.value: getattr(view, state.value) for state in State},
        oldest_ready_at=_instant(oldest),
        oldest_age=None if oldest is None else from_millis(max(0, now - oldest)),
        is_paused=is_paused,
    )


def read_pause(pause: Pause) -> PauseRecord:
    """The record of a pause."""
    return PauseRecord(kind=pause.what.kind, name=pause.what.name, since=millis_to_instant(pause.since))


def read_runner(note: RunnerNote) -> RunnerRecord:
    """The record of an announced runner."""
    try:
        host, pid, jobs = decode_note(note.note)
    except Unreadable:
        host, pid, jobs = "", 0, ()
    queues = None if note.queues is None else tuple(note.queues)
    alive_until = millis_to_instant(note.alive_until)
    return RunnerRecord(id=note.id, host=host, pid=pid, queues=queues, jobs=jobs, alive_until=alive_until)


def _instant(millis: int | None) -> datetime | None:
    return millis_to_instant(Millis(millis)) if millis else None
