"""Verbs by id over the partitions of a namespace: each item goes to where its id lives, all partitions at once.

With one partition they are the verbs of `writing` and `reading`, with not a command more. It knows no script.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from flowli.driver import Act, Acted, Deed, Enqueued, Hold, Millis, NewJob, Renewal, State, StoredJob, Turn
from flowli.errors import DriverError
from flowli.resp import acting, reading, writing
from flowli.resp.namespace import Namespace, Plain
from flowli.resp.partitions import Division, Partitions, together

__all__ = ["act", "by_id", "enqueue", "get_jobs", "outcomes", "renew"]

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


async def by_id(
    parts: Partitions,
    items: Sequence[_Item],
    id_of: Callable[[_Item], str],
    call: Callable[[Namespace, Sequence[_Item]], Awaitable[Sequence[_Answer]]],
    missed: Callable[[_Answer], bool],
) -> list[_Answer]:
    """The answers of the partitions in which the ids may be; a later place of an id is asked only if it was missed.

    What was missed everywhere is asked for again if the namespace has been divided further meanwhile.
    """
    found: dict[int, _Answer] = {}
    while True:
        places = [parts.division.places(id_of(item)) for item in items]
        for depth in range(max(map(len, places), default=0)):
            groups: dict[int, list[int]] = {}
            for at, chain in enumerate(places):
                if depth < len(chain) and (at not in found or missed(found[at])):
                    groups.setdefault(chain[depth], []).append(at)
            calls = [call(parts.all[number], [items[at] for at in group]) for number, group in groups.items()]
            with parts.home.after_writes(bool(found)):
                batches = await together(calls)
            for group, answers in zip(groups.values(), batches, strict=True):
                found.update(zip(group, answers, strict=True))
        if not any(map(missed, found.values())) or not await parts.look_if_old():
            return [found[at] for at in range(len(items))]


async def enqueue(
    parts: Partitions, jobs: Sequence[NewJob], *, turn: Turn | None, now: Millis | None
) -> Sequence[Enqueued]:
    """Driver.enqueue. A call that is repeated goes where it went, also when the namespace was divided further since.

    All is stored, everywhere, before it is said that some is not confirmed."""
    lacks: list[str] = []
    sender, number = turn or ("", 0)
    again = parts.unsure.get(sender)
    division = again[1] if again and again[0] == number else parts.division
    try:
        if division.writes == 1:
            answers = await writing.enqueue(parts.home, jobs, turn=turn, now=now, lacks=lacks)
        else:
            answers = await _enqueue(parts, jobs, await _places(parts, division, jobs, now), turn, now, lacks)
    except BaseException:
        if turn:
            parts.unsure[sender] = number, division
        raise
    if again:
        del parts.unsure[sender]
    if lacks and parts.home.confirmation:
        raise parts.home.confirmation.refuse(lacks[0], answers)
    return answers


async def _places(parts: Partitions, division: Division, jobs: Sequence[NewJob], now: Millis | None) -> Sequence[int]:
    """Where each job goes: for an id that may have been stored before the last doubling, where it is found."""
    places = [division.place(job.id) for job in jobs]
    for job, place in zip(jobs, places, strict=True):
        if job.bonds is not None and place:
            message = (
                f"Job {job.id!r} is bound to others and so has to live at home, and its id, which has the form of ids "
                "that Flowli makes, lives in another partition. Give it an id of another form, or none."
            )
            raise DriverError(message)
    older = [at for at, job in enumerate(jobs) if len(division.places(job.id)) > 1 and division.may_be_older(job.id)]

    async def locate(space: Namespace, ids: Sequence[str]) -> Sequence[int | None]:
        stored = await reading.get_jobs(space, ids, now=now, bodies=False)
        return [None if job is None else space.keys.number for job in stored]

    found = await by_id(parts, [jobs[at].id for at in older], str, locate, _is_none)
    for at, number in zip(older, found, strict=True):
        places[at] = places[at] if number is None else number
    return places


async def _enqueue(
    parts: Partitions,
    jobs: Sequence[NewJob],
    places: Sequence[int],
    turn: Turn | None,
    now: Millis | None,
    lacks: list[str],
) -> Sequence[Enqueued]:
    groups: dict[int, list[int]] = {}
    for at, number in enumerate(places):
        groups.setdefault(number, []).append(at)
    away = {job.queue for job, number in zip(jobs, places, strict=True) if number}
    await _introduce(parts, away - parts.introduced)
    calls = [
        writing.enqueue(parts.all[number], [jobs[at] for at in group], turn=turn, now=now, lacks=lacks)
        for number, group in groups.items()
    ]
    found: dict[int, Enqueued] = {}
    for (number, group), answers in zip(groups.items(), await together(calls), strict=True):
        found.update(zip(group, answers, strict=True))
        parts.pusher.push({jobs[at].queue for at in group}, number)
    return [found[at] for at in range(len(jobs))]


async def _introduce(parts: Partitions, queues: Collection[str]) -> None:
    """Have home know these queues, and a runner that serves all queues hear of them: names are read there."""
    if queues:
        keys = parts.home.keys
        names = [Plain(("HSETNX", keys.fixed("queues"), queue, "")) for queue in sorted(queues)]
        await parts.home.transport.run([*names, Plain(("ZADD", keys.call, 0, "0"))], writes=True)
        parts.introduced.update(queues)


async def renew(
    parts: Partitions, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None
) -> Sequence[Renewal]:
    """Driver.renew."""
    if parts.is_one:
        return await writing.renew(parts.home, holds, lease_for, now=now)

    async def call(space: Namespace, some: Sequence[Hold]) -> Sequence[Renewal]:
        return await writing.renew(space, some, lease_for, now=now)

    return await by_id(parts, holds, lambda hold: hold.id, call, lambda answer: answer is Renewal.LOST)


async def act(parts: Partitions, acts: Sequence[Act], *, now: Millis | None) -> Sequence[Acted]:
    """Driver.act."""

    async def call(space: Namespace, some: Sequence[Act]) -> Sequence[Acted]:
        answers = await acting.act(space, some, now=now)
        if any(item.deed is not Deed.CANCEL for item in some):
            parts.pusher.push(tuple(space.met), space.keys.number)
        return answers

    return await by_id(parts, acts, lambda item: item.id, call, lambda answer: answer.found is None)


async def get_jobs(parts: Partitions, ids: Sequence[str], *, now: Millis | None) -> Sequence[StoredJob | None]:
    """Driver.get_jobs."""

    async def call(space: Namespace, some: Sequence[str]) -> Sequence[StoredJob | None]:
        return await reading.get_jobs(space, some, now=now)

    return await by_id(parts, ids, str, call, _is_none)


async def outcomes(
    parts: Partitions, ids: Sequence[str], *, wait: Millis, now: Millis | None
) -> Mapping[str, StoredJob | None]:
    """Driver.outcomes: the partitions note whom to tell, and tell over one channel."""
    deadline = time.monotonic() + wait / 1000
    ids = list(dict.fromkeys(ids))
    found = await _ended(parts, ids, now, None)
    if found or not ids or wait <= 0:
        return found
    async with parts.home.transport.listen(ids) as ear:
        while True:
            found = await _ended(parts, ids, now, ear.channel)
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            await ear.wait(min(left, reading.LOOK_AGAIN))


async def _ended(
    parts: Partitions, ids: Sequence[str], now: Millis | None, channel: str | None
) -> dict[str, StoredJob | None]:
    async def call(space: Namespace, some: Sequence[str]) -> Sequence[StoredJob | State | None]:
        return await reading.ended(space, some, now=now, channel=channel)

    answers = await by_id(parts, ids, str, call, _is_none)
    return {id: job for id, job in zip(ids, answers, strict=True) if not isinstance(job, State)}


def _is_none(answer: object) -> bool:
    return answer is None
