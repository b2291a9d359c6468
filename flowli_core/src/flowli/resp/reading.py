"""Reads of jobs over RESP: by id, by state, their outcomes, and counts; it writes nothing but whom to tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flowli.driver import Millis, Overview, QueueView, RunnerNote, Slice, State, StoredJob
from flowli.resp.cursors import Cursor, check_limit, decode, encode
from flowli.resp.namespace import Namespace, Plain, cut, instant
from flowli.resp.records import LETTERS, job_of
from flowli.resp.scripts import Arg, Call, script

__all__ = ["LOOK_AGAIN", "ended", "get_jobs", "list_jobs", "overview"]

LOOK_AGAIN = 5.0
"""Seconds after which a waiter reads again, should a message have been lost."""


async def get_jobs(
    space: Namespace, ids: Sequence[str], *, now: Millis | None, bodies: bool = True
) -> Sequence[StoredJob | None]:
    """Driver.get_jobs."""
    found: list[StoredJob | None] = []
    for chunk in cut(ids):

        def build(names: Sequence[str], chunk: Sequence[str] = chunk) -> Call:
            args: list[Arg] = [instant(now), len(names), *names, "B" if bodies else "H", *chunk]
            return script("get").call(space.keys, names, args)

        reply = await space.complete(list(space.met), build, writes=False)
        for job_id, item in zip(chunk, reply, strict=True):
            found.append(None if item is None else job_of(job_id, tuple(item), body=bodies))
    return found


async def ended(
    space: Namespace, ids: Sequence[str], *, now: Millis | None, channel: str | None = None
) -> Sequence[StoredJob | State | None]:
    """Those that are terminal; ACTIVE for what is still to come, None for an id without a record.

    With a ``channel`` the store notes in the same flight to tell there of what is still to come.
    """
    chunks = list(cut(ids))
    reads = [script("get").call(space.keys, [], [instant(now), 0, "T", *chunk]) for chunk in chunks]
    if channel is None:
        replies = await space.transport.run(reads, writes=False)
    else:
        notes = [script("watch").call(space.keys, [], [instant(now), 0, channel, *chunk]) for chunk in chunks]
        replies = (await space.transport.run([*notes, *reads], writes=True))[len(notes) :]
    items: list[Any] = [item for reply in replies for item in reply]
    return [_ended(job_id, item) for job_id, item in zip(ids, items, strict=True)]


def _ended(job_id: str, item: Any) -> StoredJob | State | None:
    if item is None:
        return None
    return State.ACTIVE if item == 0 else job_of(job_id, tuple(item), body=True)


async def list_jobs(
    space: Namespace, state: State, *, queue: str | None, limit: int, cursor: str | None, now: Millis | None
) -> Slice[StoredJob]:
    """Driver.list_jobs: queue by queue in the order of their names, each in the order of its index."""
    check_limit(limit)
    kind = LETTERS[state]
    place = Cursor(kind, queue, "", "", "", "") if cursor is None else decode(cursor, kind, queue)
    names = [queue] if queue is not None else await space.learn()
    items: list[StoredJob] = []
    for name in (name for name in names if name >= place.queue):
        at = place if name == place.queue else Cursor(kind, queue, name, "", "", "")
        while True:
            if len(items) >= limit:
                return Slice(items, encode(place if at.key == "" else at))
            page = await _page(space, at, limit - len(items), now)
            if not page:
                break
            items += await _standing(space, page, state, now, {job.id for job in items})
            at = place = page[-1]
    return Slice(items, None)


async def _standing(
    space: Namespace, page: Sequence[Cursor], state: State, now: Millis | None, met: set[str]
) -> list[StoredJob]:
    """The jobs of a page that are still what it says. An element that a deleted id left behind has another instant, or
    its job stands behind it."""
    jobs = await get_jobs(space, [_id_at(place) for place in page], now=now, bodies=False)
    kept: list[StoredJob] = []
    for place, job in zip(page, jobs, strict=True):
        if job is None or job.state is not state or job.queue != place.queue or job.id in met:
            continue
        if place.lane[:1] == "L" and (place.lane != "L" or job.due != int(place.score)):
            continue
        met.add(job.id)
        kept.append(job)
    return kept


def _id_at(place: Cursor) -> str:
    """Of one that has turns: behind queue, digits of priority, round and instant, and its group."""
    if place.lane != "G":
        return place.key
    member = place.key.encode()
    rest = member[len(b"%d:" % len(place.queue.encode())) + len(place.queue.encode()) + 26 :]
    size, _, behind = rest.partition(b":")
    return behind[int(size) :].decode()


async def _page(space: Namespace, at: Cursor, limit: int, now: Millis | None) -> list[Cursor]:
    if at.kind == "A":
        return await _active_page(space, at, limit)
    if at.kind == "Q":
        args: list[Arg] = [instant(now), 1, at.queue, limit, at.lane, at.score, at.key]
        flat = await space.one(script("queued").call(space.keys, [at.queue], args), writes=False)
        return [
            at._replace(lane=flat[i].decode(), score=flat[i + 1].decode(), key=flat[i + 2].decode())
            for i in range(0, len(flat), 3)
        ]
    args = [instant(now), 0, at.kind, limit, at.score, at.key]
    flat = await space.one(script("page").call(space.keys, [at.queue], args), writes=False)
    return [at._replace(score=str(int(float(flat[i + 1]))), key=flat[i].decode()) for i in range(0, len(flat), 2)]


async def _active_page(space: Namespace, at: Cursor, limit: int) -> list[Cursor]:
    """By id: the deadlines that the index is sorted by move with each renewal. Leases are few, as runners are."""
    command = Plain(("ZRANGE", space.keys.of_queue("lease", at.queue), 0, -1))
    ids = sorted(job_id.decode() for job_id in await space.one(command, writes=False))
    return [at._replace(key=job_id) for job_id in ids if job_id > at.key][:limit]


async def overview(space: Namespace, queues: Sequence[str] | None, *, now: Millis | None) -> Overview:
    """Driver.overview."""
    names = await space.learn() if queues is None else list(dict.fromkeys(queues))
    call = script("counts").call(space.keys, names, [instant(now), len(names), *names])
    at, schedules, views, runners = await space.one(call, writes=False)
    notes = [_note(*runners[i : i + 3]) for i in range(0, len(runners), 3)]
    return Overview(
        queues={name: _view(*view) for name, view in zip(names, views, strict=True)},
        schedules=schedules,
        runners=notes,
        now=Millis(at),
    )


def _view(
    scheduled: int, queued: int, active: int, completed: int, failed: int, cancelled: int, oldest: int | bytes
) -> QueueView:
    return QueueView(
        scheduled=scheduled,
        queued=queued,
        active=active,
        completed=completed,
        failed=failed,
        cancelled=cancelled,
        oldest_ready=None if isinstance(oldest, bytes) else Millis(oldest),
    )


def _note(runner: bytes, until: bytes, note: bytes) -> RunnerNote:
    queues, _, text = note.partition(b"\n")
    names: list[str] | None = json.loads(queues)
    return RunnerNote(id=runner.decode(), queues=names, note=text, alive_until=Millis(int(float(until))))
