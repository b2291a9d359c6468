"""Pauses over RESP: rules in every partition, and what claims have set aside for them; it leases nothing."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Millis, Pause, Paused
from flowli.resp.namespace import Namespace, Plain, instant
from flowli.resp.partitions import Partitions, together
from flowli.resp.records import ASIDE
from flowli.resp.scripts import Arg, script

__all__ = ["copy_pauses", "get_pauses", "pause", "resume"]

_PIECE = 500
_LETTERS = {"queue": "q", "job": "j"}


async def pause(parts: Partitions, what: Sequence[Paused], *, now: Millis | None) -> None:
    """KeepsPauses.pause."""
    await parts.look_if_old()
    await together([_change(space, "+", what, [], now) for space in parts.all])


async def resume(parts: Partitions, what: Sequence[Paused], *, now: Millis | None) -> None:
    """KeepsPauses.resume. Cut anywhere, what is left of it is done by whoever resumes the same again."""
    await parts.look_if_old()
    queues = [name for kind, name in what if kind == "queue"]
    jobs = [name for kind, name in what if kind == "job"]
    known = await parts.home.learn()
    affected = known if jobs else queues
    for space in parts.all:
        if jobs:
            await _change(space, "~", [one for one in what if one.kind == "job"], [], now)
            with space.after_writes(True):
                for queue in known:
                    for job in jobs:
                        await _reopen(space, queue, job)
        with space.after_writes(bool(jobs)):
            await _change(space, "-", what, affected, now)
        parts.pusher.push(affected, space.keys.number)


async def get_pauses(parts: Partitions) -> Sequence[Pause]:
    """KeepsPauses.get_pauses."""
    return await _read(parts.home)


async def copy_pauses(home: Namespace, others: Sequence[Namespace]) -> None:
    """Have new partitions know what is paused."""
    stands = [one.what for one in await _read(home)]
    if stands:
        await together([_change(space, "+", stands, [], None) for space in others])


async def _read(space: Namespace) -> list[Pause]:
    key = space.keys.fixed("pause")
    fields: list[bytes] = await space.one(Plain(("HKEYS", key)), writes=False)
    if not fields:
        return []
    values = await space.one(Plain(("HMGET", key, *fields)), writes=False)
    return [
        Pause(Paused("queue" if field[:1] == b"q" else "job", field[1:].decode()), Millis(int(value)))
        for field, value in zip(fields, values, strict=True)
        if value not in (None, b"~")
    ]


async def _change(
    space: Namespace, how: str, what: Sequence[Paused], queues: Sequence[str], now: Millis | None
) -> None:
    fields = [_LETTERS[kind] + name for kind, name in what]
    args: list[Arg] = [instant(now), len(queues), *queues, how, *fields]
    await space.one(script("pause").call(space.keys, queues, args), writes=True)


async def _reopen(space: Namespace, queue: str, job: str) -> None:
    last: Sequence[Arg] = (ASIDE - 1, "")
    while last:
        call = script("reopen").call(space.keys, [queue], ["", 0, job, *last, _PIECE])
        last = await space.one(call, writes=True)
