"""Whether what a RESP store holds of one namespace fits together: every job in one index, every index entry a job.

It knows the keys of the layout and reads them in one transaction, so that it can look while runners work. It refuses
to repair anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Stored", "disagreements", "look", "residue"]

_OF_QUEUE = {
    "line": "LRANGE",
    "rank": "ZRANGE",
    "due": "ZRANGE",
    "lease": "ZRANGE",
    "done": "ZRANGE",
    "fail": "ZRANGE",
    "gone": "ZRANGE",
}
_TERMINAL = {"done": b"C", "fail": b"F", "gone": b"X"}
_OF_NAMESPACE = {"meta", "queues", "fence", "last", "turns"}
"""Keys that a namespace in use has for good. The last two remember the turns of runners, and shrink by themselves."""


@dataclass(frozen=True)
class Stored:
    """One look: ids by index and queue, and the hashes by id."""

    indexes: Mapping[tuple[str, bytes], list[bytes]]
    jobs: Mapping[bytes, bytes]
    states: Mapping[bytes, bytes]
    active: Mapping[bytes, bytes]
    beside: Mapping[str, set[bytes]]
    ghosts: Mapping[bytes, int]


async def look(client: Any, prefix: str) -> Stored:
    """What stands there now, read in one transaction."""
    root = f"flowli:{{{prefix}}}:"
    queues: list[bytes] = list(await client.hkeys(f"{root}queues"))
    beside = ("crash", "more", "asked")
    places = [(index, queue) for queue in queues for index in _OF_QUEUE]
    async with client.pipeline(transaction=True) as pipe:
        for index, queue in places:
            pipe.execute_command(_OF_QUEUE[index], root.encode() + index.encode() + b":" + queue, 0, -1)
        for name in ("jobs", "state", "active", "ghost"):
            pipe.hgetall(root + name)
        for name in beside:
            pipe.hkeys(root + name)
        found: list[Any] = await pipe.execute()
    lists, hashes, names = found[: len(places)], found[len(places) : len(places) + 4], found[len(places) + 4 :]
    indexes = {
        place: [entry[13:] if place[0] == "line" else entry for entry in entries]
        for place, entries in zip(places, lists, strict=True)
    }
    jobs, states, active, ghosts = hashes
    return Stored(
        indexes,
        jobs,
        states,
        active,
        {name: set(ids) for name, ids in zip(beside, names, strict=True)},
        {field: int(count) for field, count in ghosts.items()},
    )


def disagreements(stored: Stored) -> Iterator[str]:
    """What does not fit together."""
    places: dict[bytes, list[tuple[str, bytes]]] = {}
    for (index, queue), ids in stored.indexes.items():
        for id in _without_ghosts(stored, queue, ids) if index == "line" else ids:
            places.setdefault(id, []).append((index, queue))
    for id, where in places.items():
        if len(where) != 1:
            yield f"I7: {id!r} stands in {where}"
        if id not in stored.jobs:
            yield f"I7: {id!r} stands in {where}, and has no record"
        elif where[0][1] != _queue_of(stored.jobs[id]):
            yield f"I7: {id!r} of queue {_queue_of(stored.jobs[id])!r} stands in {where}"
        yield from _state(stored, id, where[0][0])
    yield from (f"I7: {id!r} has a record, and stands in no index" for id in stored.jobs.keys() - places.keys())
    for name, known in {**stored.beside, "state": set(stored.states)}.items():
        yield from (f"I7: {name} has {id!r}, which has no record" for id in known - stored.jobs.keys())


def _state(stored: Stored, id: bytes, index: str) -> Iterator[str]:
    if (index == "lease") != (id in stored.active):
        yield f"I7: {id!r} stands in {index}, and {'has' if id in stored.active else 'has no'} token"
    letter = stored.states.get(id, b"")[:1]
    expected = _TERMINAL.get(index)
    if (expected is not None or letter in (b"C", b"F", b"X")) and letter != expected:
        yield f"I7: {id!r} stands in {index}, and its state begins with {letter!r}"


def _without_ghosts(stored: Stored, queue: bytes, ids: list[bytes]) -> list[bytes]:
    left: Counter[bytes] = Counter()
    for id in set(ids):
        left[id] = stored.ghosts.get(b"%d:%b%b" % (len(queue), queue, id), 0)
    kept: list[bytes] = []
    for id in ids:  # a ghost stands in front of the place of a later job with its id
        if left[id] > 0:
            left[id] -= 1
        else:
            kept.append(id)
    return kept


def _queue_of(record: bytes) -> bytes:
    lengths, _, rest = record[15:].partition(b"\n")
    return rest[: int(lengths.split(b"\t")[0])]


async def residue(client: Any, prefix: str) -> set[str]:
    """Names of keys that have no expiry and are not those that a namespace in use has for good."""
    root = f"flowli:{{{prefix}}}:"
    left: set[str] = set()
    async for key in client.scan_iter(match=f"{root}*", count=1_000):
        name = key.decode().removeprefix(root)
        if name not in _OF_NAMESPACE and await client.pttl(key) == -1:
            left.add(name)
    return left
