"""What travels over the boundary between core and a store: jobs, leases, settlements, schedules, and their answers.

The records that are made once a job are NamedTuples: one of nine fields costs 0.2 us, a frozen dataclass 1.0 us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Generic, NamedTuple, NewType, TypeVar

if TYPE_CHECKING:
    from flowli.driver.bonds import Bonds

__all__ = [
    "Act",
    "Acted",
    "Change",
    "Changed",
    "Claim",
    "Deed",
    "Disposition",
    "Enqueued",
    "Exchanged",
    "Hold",
    "Lease",
    "Millis",
    "NewJob",
    "Overview",
    "QueueView",
    "Recovered",
    "Renewal",
    "RunnerNote",
    "Seen",
    "Settled",
    "Settlement",
    "Slice",
    "State",
    "StoredJob",
    "StoredSchedule",
    "Turn",
]

T = TypeVar("T")

Millis = NewType("Millis", int)
"""Milliseconds since the epoch for instants; milliseconds for spans."""


class State(StrEnum):
    """Where a job stands. ``SCHEDULED`` is everything that waits for an instant: due later, a retry, parked."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


class Turn(NamedTuple):
    """Which call of which caller this is. A store remembers the answer to the last turn of each sender for ten minutes
    at least, so that a call whose reply was lost can be repeated. A sender speaks to one verb, has one call under
    way at a time, and never sends a number below its last. An answer without leases need not be remembered."""

    sender: str
    number: int


class NewJob(NamedTuple):
    """What is stored. ``delay`` counts from the store's clock, ``due`` is absolute; neither means at once.

    A job whose instant is not after ``now`` is queued, every other is scheduled. ``due`` wins over ``delay``, and a
    negative ``delay`` is none.
    """

    id: str
    """Made by core, or the user's. A made id says by itself where it lives (`flowli.ids`): drivers derive no more from
    it."""
    queue: str
    name: str
    head: bytes
    """Small, written once, returned by every read: options, trace, format version."""
    body: bytes
    """Input and meta; returned by leases and by `get_jobs`."""
    priority: int = 0
    """0 to 9, greater first."""
    due: Millis | None = None
    delay: Millis | None = None
    bonds: Bonds | None = None
    """What it shares with other jobs; its id is then one that lives at home (route 0), and so do its parents."""


class Disposition(StrEnum):
    """What came of a request for a job."""

    CREATED = "created"
    """A job was made."""
    EXISTING = "existing"
    """A job that stands already, under the id or the unique key of the request, stands for it too."""
    REPLACED = "replaced"
    """The job that waits under the unique key is the request's now, under the id that it had."""
    RESCHEDULED = "rescheduled"
    """The job that waits under the unique key waits for another instant now."""


class Enqueued(NamedTuple):
    """``id`` is the job that now stands for the request; ``state`` and ``due`` are its own as of this call.

    ``due`` is the instant it is or was to be ready: ``now`` for one that was queued at once. For an EXISTING job that
    is no longer scheduled or queued, and for one that waits for parents or under a limit, it is 0. ``state`` is None
    where a unique key outlived the record of its job.
    """

    disposition: Disposition
    id: str
    state: State | None
    due: Millis


class Lease(NamedTuple):
    """The right to one attempt. ``token`` grows with each lease of a job, also over a failover that lost writes."""

    id: str
    queue: str
    name: str
    token: int
    deliveries: int
    """How often a runner took the job and let its lease lapse, since it was stored or replayed; core bounds it."""
    ready_at: Millis
    """Since when it could have been started, by the store's clock: the wait that users see. 0 when handed back."""
    head: bytes
    body: bytes
    memo: bytes
    """What the last settlement left; empty before the first."""


class Settlement(NamedTuple):
    """The next state of a leased job, from core's table of transitions (`flowli.lifecycle`).

    SCHEDULED comes with ``due`` or ``delay`` (retry, park) and is queued by the first claim after it whose ``now`` has
    reached that instant; QUEUED hands back to the front of its priority (shutdown), and wakes a waiting runner; a
    terminal state is kept for ``keep_for``, and 0 leaves nothing behind. ``queue`` is the lease's own.
    """

    id: str
    queue: str
    token: int
    state: State
    memo: bytes
    """What core rewrites: attempts, failures, and the result of a completed job."""
    due: Millis | None = None
    delay: Millis | None = None
    keep_for: Millis = Millis(0)


class Settled(Enum):
    WRITTEN = "written"
    REPEATED = "repeated"
    """Was written before under this token; nothing changed now."""
    LOST = "lost"
    """Another lease, or an operator, came between; nothing was written."""
    GONE = "gone"
    """No such record. After a lost reply to a settlement that keeps nothing, this is what success looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Up to ``limit`` jobs and about ``max_bytes`` of bodies from ``queues``, strictly in their order.

    With ``queues=None`` every queue that the store knows is served in turn, so that none waits for ever behind another;
    a new one is found at the next claim. Within a queue: higher priority first, then by the instant they became ready,
    what was handed back before both equals.
    """

    runner: str
    turn: Turn
    queues: Sequence[str] | None
    limit: int
    """0 keeps house only: hand back, promote, sweep."""
    lease_for: Millis
    max_bytes: int = 1_000_000
    """At least one job is leased, whatever its size."""
    wait: Millis = Millis(0)


class Recovered(NamedTuple):
    """A lapsed lease that housekeeping handed back; ``deliveries`` counts this lapse too."""

    id: str
    queue: str
    name: str
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    settled: Sequence[Settled]
    leases: Sequence[Lease]
    lease_until: Millis
    """The end of all these leases, or an instant before it; ``now`` without a lease."""
    recovered: Sequence[Recovered]
    more: bool
    """Something was left that could be taken, handed back, promoted or swept at once. False without a claim."""
    next_at: Millis | None
    """When, at the latest known, calling again can find something without a wake-up: a due instant, a lease's end.
    None when nothing is known, and after an exchange without a claim."""
    schedule_at: Millis | None
    """The earliest instant of a schedule; core fires it when it has come. None when there is none, and without a claim.
    """
    now: Millis


class Renewal(Enum):
    RENEWED = "renewed"
    LOST = "lost"
    CANCEL = "cancel"
    """Still held, and somebody asked for its cancellation."""


class Hold(NamedTuple):
    """A lease, as its holder names it. ``queue`` is the lease's own: a hint where to look, that need not be checked."""

    queue: str
    id: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    id: str
    queue: str
    name: str
    state: State
    priority: int
    due: Millis | None
    """The instant of SCHEDULED, since when QUEUED is ready (0: handed back), the deadline of ACTIVE, the expiry of a
    terminal one. For SCHEDULED: None where it waits for parents or is parked under a limit, 0 where its name is paused
    (`flowli.driver.KeepsPauses`). None for a terminal one: it is kept for its children."""
    token: int
    """Of the last lease; 0 before the first."""
    deliveries: int
    head: bytes
    body: bytes | None
    """None in listings."""
    memo: bytes


class Deed(Enum):
    CANCEL = "cancel"
    """What waits becomes CANCELLED; what runs is asked through `Driver.renew`; what is terminal stands. What was asked
    stands until the job is terminal, over a lapse, a retry and a hand-back: the next holder hears of it."""
    REPLAY = "replay"
    """What is terminal becomes QUEUED as of now, or SCHEDULED after ``delay``, under its own id, priority and last
    token; its deliveries count from 0 again. All else stands. A job that waits with the very memo of the deed was
    replayed by it: the repeat changes nothing and is done too. What a child waits for, or has yet to read, stands."""
    DELETE = "delete"
    """What waits or is terminal leaves nothing, as if it had never been. What is leased stands, and what a child waits
    for, or has yet to read."""


class Seen(NamedTuple):
    """How a job stood when it was decided what to do to it."""

    state: State
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    id: str
    deed: Deed
    memo: bytes | None = None
    """Replaces the memo of a job that the deed cancels or replays; None leaves it as it is."""
    keep_for: Millis = Millis(0)
    """How long a job that becomes terminal is kept; 0 leaves nothing behind."""
    seen: Seen | None = None
    """REPLAY and DELETE are refused where the job stands otherwise by now; None does not compare."""
    body: bytes | None = None
    """Replaces the body of a job that is replayed; None leaves it as it is."""
    delay: Millis = Millis(0)
    """How long a job that is replayed waits; 0 or less does not."""


class Acted(NamedTuple):
    """``found`` is the state met, None for an unknown id. ``done`` is False for a request to what runs, and for a
    refusal: nothing was changed."""

    found: State | None
    done: bool
    parents: Sequence[str] = ()
    """Of a job that was cancelled or deleted while it waited for them: they go on unless they are cancelled too."""


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """A piece of a listing. Every item that is there throughout is met exactly once, whatever is added or removed
    between two pieces. ``cursor`` is None at the end."""

    items: Sequence[T]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    scheduled: int
    queued: int
    active: int
    completed: int
    failed: int
    cancelled: int
    oldest_ready: Millis | None
    """Since when the job at the head of the queue is ready; 0 for one that was handed back, None for an empty queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerNote:
    """What a runner says of itself; ``note`` is core's (host, pid, names of the jobs it registers)."""

    id: str
    queues: Sequence[str] | None
    note: bytes
    alive_until: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    queues: Mapping[str, QueueView]
    schedules: int
    runners: Sequence[RunnerNote]
    now: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSchedule:
    """``version`` is the store's: one more with each write, and, for a key under which none stands, 1 or, after a
    deletion, more than it ever had: who saw what was deleted changes nothing of what came after. All else is core's."""

    key: str
    version: int
    next_run_at: Millis | None
    """None for one that is paused or at its end."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """If the schedule stands at ``expected`` (0: absent), write ``successor`` (None: delete) and store ``jobs``, in one
    step.

    Put, delete and fire are all this. Two runners that fire one instant expect the same version, so one of them stores
    the jobs. ``successor.version`` is not read. A caller whose reply was lost, and that finds standing what it wrote,
    has won.
    """

    key: str
    expected: int
    successor: StoredSchedule | None
    jobs: Sequence[NewJob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    applied: bool
    stands: StoredSchedule | None
    """What stands now, whoever wrote it: a caller that lost decides again from here, without another read."""
    jobs: Sequence[Enqueued] = ()
    """One for each job of an applied change, in order; empty otherwise."""
