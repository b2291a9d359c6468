"""The bytes of one job and of its state in the store; it knows the format and never looks into head, body or memo.

A job: ``1``, 13 digits of the instant it was stored, a digit of priority, lengths of queue, name and head, TAB between
and LF behind, then queue, name, head, body. A state: letter, token, blank, expiry, LF, memo.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from flowli.driver import Bonds, Lease, Millis, NewJob, OnConflict, Recovered, State, StoredJob, Until
from flowli.resp.throttling import NEVER, pack_needs

__all__ = [
    "ASIDE",
    "LETTERS",
    "NEVER",
    "STATES",
    "Record",
    "job_of",
    "lease_of",
    "pack",
    "pack_bonds",
    "recovered_of",
    "unpack",
    "unpack_texts",
]

ASIDE = 4 * 10**15
"""What is added to the ready instant of a job that waits for its name to be resumed; `stand.lua` has it too."""

STATES = {
    b"S": State.SCHEDULED,
    b"Q": State.QUEUED,
    b"A": State.ACTIVE,
    b"C": State.COMPLETED,
    b"F": State.FAILED,
    b"X": State.CANCELLED,
}
LETTERS = {state: letter.decode() for letter, state in STATES.items()}


class Record(NamedTuple):
    """A job as it was stored."""

    priority: int
    queue: str
    name: str
    head: bytes
    body: bytes


def pack(job: NewJob) -> bytes:
    """All but the format byte and the instant, which the script adds. ValueError for a priority not in 0 to 9."""
    if not 0 <= job.priority <= 9:
        message = f"The priority of job {job.id!r} is {job.priority}; it has to be 0 to 9."
        raise ValueError(message)
    return _packed_front(job.priority, job.queue, job.name, job.head) + job.body


_NONE = Bonds()
_WAYS = {Until.STARTED: "S", Until.SETTLED: "E", Until.LAPSED: "L"}
_CONFLICTS = {OnConflict.KEEP: "K", OnConflict.REPLACE: "P", OnConflict.RESCHEDULE: "R"}


def pack_bonds(bonds: Bonds | None) -> bytes:
    """What ``parts/bonds.lua`` reads: fields of a letter, a length and a text; nothing for a job without bonds."""
    if bonds is None:
        return b""
    fields: list[tuple[bytes, bytes]] = []
    unique = bonds.unique
    if unique is not None:
        span = "" if unique.within is None else unique.within
        way = f"{_WAYS[unique.until]}{_CONFLICTS[unique.on_conflict]}{span} {unique.key}"
        fields.append((b"u", way.encode()))
    if bonds.needs:
        fields.append((b"l", pack_needs(bonds.needs)))
    if bonds.after or bonds == _NONE:
        ids = (id.encode() for id in bonds.after)
        fields.append((b"a", b"".join(b"%d:%b" % (len(one), one) for one in ids)))
    if bonds.group is not None:
        fields.append((b"g", bonds.group.encode()))
    return b"".join(b"%b%d:%b" % (letter, len(text), text) for letter, text in fields)


def unpack_texts(row: bytes) -> tuple[str, ...]:
    """Texts that stand in a row, each with its length in front."""
    found: list[str] = []
    while row:
        size, _, rest = row.partition(b":")
        found.append(rest[: int(size)].decode())
        row = rest[int(size) :]
    return tuple(found)


@lru_cache(maxsize=4096)
def _packed_front(priority: int, queue: str, name: str, head: bytes) -> bytes:
    written, called = queue.encode(), name.encode()
    sizes = (priority, len(written), len(called), len(head))
    return b"%d%d\t%d\t%d\n%b%b%b" % (*sizes, written, called, head)


def unpack(record: bytes) -> Record:
    """What `pack` wrote, behind what the script put in front."""
    priority, queue, name, head, body_at = _front_of(record)
    return Record(priority, queue, name, head, record[body_at:])


def _front_of(record: bytes) -> tuple[int, str, str, bytes, int]:
    """Priority, queue, name and head of a record, and where its body begins."""
    sizes_end = record.index(b"\n", 15) + 1
    body_at = sizes_end + _front_size(record[15:sizes_end])
    return *_front(record[14:body_at]), body_at


# Jobs of one kind differ in their bodies only: what is in front of these is read once.
@lru_cache(maxsize=4096)
def _front_size(sizes: bytes) -> int:
    return sum(map(int, sizes.split(b"\t")))


@lru_cache(maxsize=4096)
def _front(front: bytes) -> tuple[int, str, str, bytes]:
    sizes, _, rest = front[1:].partition(b"\n")
    queue_size, name_size, _ = map(int, sizes.split(b"\t"))
    name_end = queue_size + name_size
    return front[0] - 48, rest[:queue_size].decode(), rest[queue_size:name_end].decode(), rest[name_end:]


def lease_of(element: bytes, record: bytes, token: int, crash: bytes, state: bytes) -> Lease:
    """A lease, from an element of a lane (13 digits of its ready instant, id) and what is stored of the job."""
    _, queue, name, head, body_at = _front_of(record)
    return Lease(
        element[13:].decode(),
        queue,
        name,
        token,
        int(crash.partition(b":")[0]) if crash else 0,
        Millis(int(element[:13])),
        head,
        record[body_at:],
        state.partition(b"\n")[2] if state else b"",
    )


def recovered_of(job_id: bytes, deliveries: int, record: bytes) -> Recovered:
    """A job that was handed back, from its record without the body."""
    found = unpack(record)
    return Recovered(job_id.decode(), found.queue, found.name, deliveries)


def job_of(job_id: str, reply: tuple[bytes, int, bytes, bytes, bytes, bytes], *, body: bool) -> StoredJob:
    """A job from what ``get.lua`` answers: letter, instant, token of the lease, crash, state, record."""
    letter, instant, leased, crash, state, record = reply
    found = unpack(record)
    count, _, lapsed = crash.partition(b":")
    front, _, memo = state.partition(b"\n")
    settled = front[1:].partition(b" ")[0]
    return StoredJob(
        id=job_id,
        queue=found.queue,
        name=found.name,
        state=STATES[letter],
        priority=found.priority,
        due=None if instant >= NEVER else Millis(0 if letter == b"S" and instant >= ASIDE else instant),
        token=max(int(leased or 0), int(lapsed or 0), int(settled or 0)),
        deliveries=int(count or 0),
        head=found.head,
        body=found.body if body else None,
        memo=memo,
    )
