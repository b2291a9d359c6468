"""Enqueue, renew and announce over RESP; it knows their scripts' arguments and replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flowli.driver import (
    Disposition,
    Enqueued,
    Hold,
    Millis,
    NewJob,
    Renewal,
    RunnerNote,
    State,
    Turn,
)
from flowli.errors import DriverError
from flowli.resp.namespace import Namespace, cut, instant
from flowli.resp.records import ASIDE, STATES, pack, pack_bonds
from flowli.resp.scripts import Arg, Call, script

__all__ = ["announce", "bound", "enqueue", "enqueued", "job_args", "renew"]

_DEEDS = {
    b"c": Disposition.CREATED,
    b"e": Disposition.EXISTING,
    b"p": Disposition.REPLACED,
    b"r": Disposition.RESCHEDULED,
}
_RENEWALS = {ord("R"): Renewal.RENEWED, ord("L"): Renewal.LOST, ord("C"): Renewal.CANCEL}


_BOUND = 20_000
"""Bytes that a bound job counts for: some 200 of them keep a server as busy as thousands of plain ones."""


def _size(job: NewJob) -> int:
    size = len(job.head) + len(job.body)
    return size if job.bonds is None else size + _BOUND


def job_args(jobs: Sequence[NewJob], number: dict[str, int], *, with_bonds: bool = False) -> list[Arg]:
    """Queue number, due, id, record and, if asked for, bonds of each job; ``number`` has the numbers of the queues."""
    args: list[Arg] = []
    for job in jobs:
        if job.due is not None:
            due: Arg = job.due
        else:
            due = "" if job.delay is None else f"+{max(job.delay, 0)}"
        args += (number[job.queue], due, job.id, pack(job))
        if with_bonds:
            args.append(pack_bonds(job.bonds))
    return args


def enqueued(jobs: Sequence[NewJob], now: int, letters: bytes, instants: bytes) -> list[Enqueued]:
    """What became of jobs: a letter (small: created) and an instant for each, or nothing if all are new and queued."""
    created, queued, ready = Disposition.CREATED, State.QUEUED, Millis(now)
    if not letters:
        return [Enqueued(created, job.id, queued, ready) for job in jobs]
    answers: list[Enqueued] = []
    for job, letter, due in zip(jobs, letters.decode(), instants.split(b","), strict=True):
        how = created if letter.islower() else Disposition.EXISTING
        answers.append(Enqueued(how, job.id, STATES[letter.upper().encode()], _due(due)))
    return answers


def _due(instant: bytes) -> Millis:
    due = int(instant)
    return Millis(0 if due >= ASIDE else due)


async def enqueue(
    space: Namespace, jobs: Sequence[NewJob], *, turn: Turn | None, now: Millis | None, lacks: list[str]
) -> Sequence[Enqueued]:
    """Driver.enqueue, in steps of 1,000 jobs, 200 bound ones, or 4 MB. What did not confirm is put into ``lacks``."""
    answers: list[Enqueued] = []
    for number, chunk in enumerate(cut(jobs, _size)):
        is_bound = any(job.bonds is not None for job in chunk)
        with space.after_writes(number > 0):
            reply = await _enqueue(space, chunk, number, turn, now, lacks, is_bound=is_bound)
        answers += bound(reply[1:]) if is_bound else enqueued(chunk, *reply)
    return answers


async def _enqueue(
    space: Namespace,
    jobs: Sequence[NewJob],
    chunk: int,
    turn: Turn | None,
    now: Millis | None,
    lacks: list[str],
    *,
    is_bound: bool,
) -> Any:
    queues = list(dict.fromkeys([job.queue for job in jobs]))
    args = job_args(jobs, {queue: place for place, queue in enumerate(queues, 1)}, with_bonds=is_bound)
    store = script("enqueue_bound" if is_bound else "enqueue")
    place = f"bound-{chunk}" if is_bound else chunk
    sent = {"sent": space.keys.sent(turn.sender, place) if turn else space.keys.fixed("none")}

    def build(names: Sequence[str]) -> Call:
        head: list[Arg] = [instant(now), len(names), *names, turn.number if turn else ""]
        return store.call(space.keys, names, head + args, sent)

    reply = await space.complete(queues, build, writes=True, lacks=lacks)
    if reply[0] == b"old":
        message = "An enqueue was repeated after its sender had made a later one; its outcome is no longer remembered."
        raise DriverError(message)
    return reply


def bound(said: Sequence[Any]) -> list[Enqueued]:
    """What became of jobs of which some are bound: deed, letter of the state, instant and id of each."""
    return [
        Enqueued(_DEEDS[deed], id.decode(), STATES.get(letter), _due(due))
        for deed, letter, due, id in zip(said[::4], said[1::4], said[2::4], said[3::4], strict=True)
    ]


async def renew(
    space: Namespace, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None
) -> Sequence[Renewal]:
    """Driver.renew."""
    answers: list[Renewal] = []
    for chunk in cut(holds):
        number = {queue: place for place, queue in enumerate(dict.fromkeys([hold.queue for hold in chunk]), 1)}
        args: list[Arg] = [instant(now), 0, "" if lease_for is None else lease_for]
        for hold in chunk:
            args += (number[hold.queue], hold.id, hold.token)
        call = script("renew").call(space.keys, list(number), args)
        with space.after_writes(bool(answers)):
            reply: bytes = await space.one(call, writes=lease_for is not None)
        answers += [_RENEWALS[letter] for letter in reply]
    return answers


async def announce(space: Namespace, note: RunnerNote, *, now: Millis | None) -> None:
    """Driver.announce. The queues are kept as JSON, on a line in front of the note."""
    queues = json.dumps(None if note.queues is None else list(note.queues))
    args: list[Arg] = [instant(now), 0, note.id, note.alive_until, queues.encode() + b"\n" + note.note]
    await space.one(script("announce").call(space.keys, [], args), writes=True)
