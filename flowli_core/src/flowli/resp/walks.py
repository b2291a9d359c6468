"""Steps through keys that are too large to be read at once; it knows how to go on, and no finding."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from flowli.resp.namespace import Namespace, Plain, cut
from flowli.resp.scripts import Arg, Call, script

__all__ = [
    "Suspect",
    "jobs_again",
    "line",
    "members",
    "members_again",
    "names",
    "plan",
    "plan_again",
    "records",
    "unique_keys",
    "unique_keys_again",
]

_LEAST, _MOST = 5, 500
_STEP_BYTES = 500_000
"""What a step may have the server read: some ten times less than takes it a millisecond too long."""
_LINE_STEP = 300
_AGAIN = 100


class Suspect(NamedTuple):
    """A job, its queue if its record says so, and what contradicts its place."""

    id: bytes
    queue: str
    fault: str


async def records(space: Namespace, now: Arg) -> AsyncIterator[tuple[int, list[Suspect]]]:
    """How many records a step met, and which of them are suspect. Steps shrink where records are large."""
    cursor, count = b"0", 20
    while True:
        cursor, met, size, *flat = await _jobs(space, now, [cursor, count])
        yield met, _suspects(flat)
        if cursor == b"0":
            return
        count = max(_LEAST, min(_MOST, 2 * count, count * _STEP_BYTES // max(size, 1)))


async def jobs_again(space: Namespace, now: Arg, ids: Sequence[bytes]) -> AsyncIterator[list[Suspect]]:
    """The same look at these jobs alone, and into the line as well."""
    for at in range(0, len(ids), _AGAIN):
        _, _, _, *flat = await _jobs(space, now, [b"", 0, *ids[at : at + _AGAIN]])
        yield _suspects(flat)


async def _jobs(space: Namespace, now: Arg, args: Sequence[Arg]) -> Any:
    def build(queues: Sequence[str]) -> Call:
        return script("examine_jobs").call(space.keys, queues, [now, len(queues), *queues, *args])

    return await space.complete(list(space.met), build, writes=False)


def _suspects(flat: Sequence[bytes]) -> list[Suspect]:
    rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    return [Suspect(id, queue.decode(errors="replace"), fault.decode()) for id, queue, fault in rows]


async def line(space: Namespace, queue: str) -> AsyncIterator[list[tuple[bytes, str]]]:
    """Elements of a queue's line with the letter of each. Every element that stays is met, some may be twice."""
    seen = 0
    while True:
        call = script("examine_line").call(space.keys, [queue], ["", 1, queue, seen, _LINE_STEP])
        elements, letters = await space.one(call, writes=False)
        yield list(zip(elements, letters.decode(), strict=True))
        if len(elements) < _LINE_STEP:
            return
        seen += len(elements)


async def members(
    space: Namespace, index: str, behind: str, kinds: str, queue: str = ""
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """How many members of an index a step met, and which have nothing in the key behind it."""
    cursor = b"0"
    while True:
        cursor, met, *without = await space.one(
            _members_call(space, index, behind, kinds, queue, cursor, []), writes=False
        )
        yield met, without
        if cursor == b"0":
            return


async def members_again(
    space: Namespace, index: str, behind: str, kinds: str, queue: str, found: Sequence[bytes]
) -> list[bytes]:
    """Those of these members that are still there, and still without."""
    still: list[bytes] = []
    for chunk in cut(found):
        _, _, *without = await space.one(_members_call(space, index, behind, kinds, queue, b"", chunk), writes=False)
        still += without
    return still


def _members_call(
    space: Namespace, index: str, behind: str, kinds: str, queue: str, cursor: bytes, found: Sequence[bytes]
) -> Call:
    args: list[Arg] = ["", 0, *kinds, queue, cursor, 100, *found]
    return script("examine_index").call(space.keys, [], args, {"index": index, "behind": behind})


async def unique_keys(space: Namespace, now: Arg) -> AsyncIterator[tuple[int, list[bytes]]]:
    """How many unique keys a step met that are held, and which of them by a job that is over."""
    cursor = b"0"
    while True:
        cursor, met, *wrong = await space.one(_unique_call(space, now, cursor, []), writes=False)
        yield met, wrong
        if cursor == b"0":
            return


async def unique_keys_again(space: Namespace, now: Arg, keys: Sequence[bytes]) -> list[bytes]:
    """Those of these keys that are still wrong."""
    still: list[bytes] = []
    for chunk in cut(keys):
        _, _, *wrong = await space.one(_unique_call(space, now, b"", chunk), writes=False)
        still += wrong
    return still


def _unique_call(space: Namespace, now: Arg, cursor: bytes, keys: Sequence[bytes]) -> Call:
    return script("examine_unique").call(space.keys, [], [now, 0, cursor, 100, *keys])


async def plan(space: Namespace) -> AsyncIterator[tuple[int, list[bytes]]]:
    """How many schedules a step met, and which of them would not be fired at the instant that they say."""
    cursor = b"0"
    while True:
        cursor, met, *wrong = await space.one(_plan_call(space, cursor, []), writes=False)
        yield met, wrong
        if cursor == b"0":
            return


async def plan_again(space: Namespace, keys: Sequence[bytes]) -> list[bytes]:
    """Those of these schedules that are still wrong."""
    still: list[bytes] = []
    for chunk in cut(keys):
        _, _, *wrong = await space.one(_plan_call(space, b"", chunk), writes=False)
        still += wrong
    return still


def _plan_call(space: Namespace, cursor: bytes, keys: Sequence[bytes]) -> Call:
    return script("examine_plan").call(space.keys, [], ["", 0, cursor, 100, *keys])


async def names(space: Namespace) -> AsyncIterator[list[str]]:
    """The keys of the namespace that the server has, whoever wrote them."""
    cursor: Any = b"0"
    while True:
        words = ("SCAN", cursor, "MATCH", space.keys.fixed("*"), "COUNT", 1_000)
        cursor, found = await space.one(Plain(words), writes=False)
        yield [name.decode(errors="replace") for name in found]
        if cursor == b"0":
            return
