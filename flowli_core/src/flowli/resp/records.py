"""The bytes of one job and of its state in the store; it knows the format and never looks into head, body or memo.

A job: ``1``, 13 digits of the instant it was stored, a digit of priority, lengths of queue, name and head, TAB between
and LF behind, then queue, name, head, body. A state: letter, token, blank, expiry, LF, memo.
"""

from __future__ import annotations

from typing import NamedTuple

from flowli.driver import Lease, Millis, NewJob, Recovered, State, StoredJob

__all__ = ["LETTERS", "STATES", "Record", "job_of", "lease_of", "pack", "recovered_of", "unpack"]

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
    queue, name = job.queue.encode(), job.name.encode()
    sizes = (job.priority, len(queue), len(name), len(job.head))
    return b"%d%d\t%d\t%d\n%b%b%b%b" % (*sizes, queue, name, job.head, job.body)


def unpack(record: bytes) -> Record:
    """What `pack` wrote, behind what the script put in front."""
    end = record.index(b"\n", 15)
    queue_size, name_size, head_size = record[15:end].split(b"\t")
    name_at = end + 1 + int(queue_size)
    head_at = name_at + int(name_size)
    body_at = head_at + int(head_size)
    queue, name = record[end + 1 : name_at].decode(), record[name_at:head_at].decode()
    return Record(record[14] - 48, queue, name, record[head_at:body_at], record[body_at:])


def lease_of(element: bytes, record: bytes, token: int, crash: bytes, state: bytes) -> Lease:
    """A lease, from an element of a lane (13 digits of its ready instant, id) and what is stored of the job."""
    _, queue, name, head, body = unpack(record)
    return Lease(
        element[13:].decode(),
        queue,
        name,
        token,
        int(crash.partition(b":")[0]) if crash else 0,
        Millis(int(element[:13])),
        head,
        body,
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
        due=Millis(instant),
        token=max(int(leased or 0), int(lapsed or 0), int(settled or 0)),
        deliveries=int(count or 0),
        head=found.head,
        body=found.body if body else None,
        memo=memo,
    )
