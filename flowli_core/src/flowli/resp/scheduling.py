"""Schedules over RESP: compare-and-set with the jobs they make, and their reads; it knows no cron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowli.driver import Change, Changed, Millis, Slice, StoredSchedule
from flowli.resp.cursors import Cursor, check_limit, decode, encode
from flowli.resp.namespace import Namespace, Plain, cut, instant
from flowli.resp.scripts import Arg, Call, script
from flowli.resp.writing import bound, enqueued, job_args

__all__ = ["change_schedules", "get_schedules", "list_schedules"]


async def change_schedules(space: Namespace, changes: Sequence[Change], *, now: Millis | None) -> Sequence[Changed]:
    """Driver.change_schedules, in steps of some MB; one change with its jobs is never cut."""
    answers: list[Changed] = []
    lacks: list[str] = []
    if not changes:
        await space.confirmed([], lacks)
    for chunk in cut(changes, _size):
        is_bound = any(job.bonds is not None for change in chunk for job in change.jobs)
        with space.after_writes(bool(answers)):
            at, replies = await _change(space, chunk, now, lacks, is_bound=is_bound)
        for change, (applied, stands, *said) in zip(chunk, replies, strict=True):
            jobs = tuple(bound(said) if is_bound else enqueued(change.jobs, at, *said)) if applied and said else ()
            answers.append(Changed(applied=applied == 1, stands=_schedule(change.key, stands), jobs=jobs))
    if lacks and space.confirmation and (not changes or any(answer.applied for answer in answers)):
        raise space.confirmation.refuse(lacks[0], [job for answer in answers for job in answer.jobs])
    return answers


def _size(change: Change) -> int:
    jobs = sum(4_000 + len(job.head) + len(job.body) for job in change.jobs)
    return jobs + (len(change.successor.body) if change.successor else 0)


async def _change(
    space: Namespace, changes: Sequence[Change], now: Millis | None, lacks: list[str], *, is_bound: bool
) -> Any:
    queues = list(dict.fromkeys([job.queue for change in changes for job in change.jobs]))
    number = {queue: place for place, queue in enumerate(queues, 1)}
    args: list[Arg] = []
    for change in changes:
        after = change.successor
        due: Arg = "" if after is None or after.next_run_at is None else after.next_run_at
        args += (change.key, change.expected, "P" if after else "D", due, after.body if after else b"")
        args += (len(change.jobs), *job_args(change.jobs, number, with_bonds=is_bound))

    def build(names: Sequence[str]) -> Call:
        return script("change_bound" if is_bound else "change").call(
            space.keys, names, [instant(now), len(names), *names, *args]
        )

    return await space.complete(queues, build, writes=True, lacks=lacks)


def _schedule(key: str, stored: bytes | None) -> StoredSchedule | None:
    if not stored:
        return None
    front, _, body = stored.partition(b"\n")
    version, _, due = front.partition(b" ")
    next_run_at = Millis(int(due)) if due else None
    return StoredSchedule(key=key, version=int(version), next_run_at=next_run_at, body=body)


async def get_schedules(space: Namespace, keys: Sequence[str]) -> Sequence[StoredSchedule | None]:
    """Driver.get_schedules."""
    found: list[StoredSchedule | None] = []
    for chunk in cut(keys):
        stored = await space.one(Plain(("HMGET", space.keys.fixed("plan"), *chunk)), writes=False)
        found += [_schedule(key, value) for key, value in zip(chunk, stored, strict=True)]
    return found


async def list_schedules(
    space: Namespace, *, due: bool, limit: int, cursor: str | None, now: Millis | None
) -> Slice[StoredSchedule]:
    """Driver.list_schedules. By key it reads all names and sorts them: schedules are some thousands at most."""
    check_limit(limit)
    after = "" if cursor is None else decode(cursor, "P", None).key
    if due:
        call = script("ticks").call(space.keys, [], [instant(now), 0, limit])
        flat = await space.one(call, writes=False)
        pairs = [(flat[i].decode(), flat[i + 1]) for i in range(0, len(flat), 2)]
        return Slice([item for key, value in pairs if (item := _schedule(key, value))], None)
    names = await space.one(Plain(("HKEYS", space.keys.fixed("plan"))), writes=False)
    keys = sorted(key for name in names if (key := name.decode()) > after)
    page = keys[:limit]
    items = [item for item in await get_schedules(space, page) if item]
    end = len(keys) <= limit
    return Slice(items, None if end else encode(Cursor("P", None, "", "", "", page[-1])))
