"""Knows in which order the jobs of one queue stand in each state. Refuses to know when a job moves, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import TypeAlias

from flowli.driver import Millis, Need, QueueView, State, StoredJob, UniqueKey
from flowli_memory.fairness import Rounds

__all__ = ["ASIDE", "NEVER", "Entry", "Job", "Lane", "Place", "Ready", "Shelf"]

Entry: TypeAlias = tuple[int, int, int, str]
"""Rank, instant, order, id. The order is unique in a store, so that two entries never compare equal."""

Place: TypeAlias = tuple[str, str | None]
"""A limit and one of its keys; None stands for all of them."""

NEVER = 1 << 60
"""Instant of a job that waits for its parents or under a limit, and of a terminal one that is kept for its children."""

ASIDE = 4 * 10**15
"""What is added to the ready instant of a job that waits for its name to be resumed."""

_SLACK = 512


class Job:
    """One record. Where it stands is its shelf, and since or until when is its entry: neither is kept twice."""

    __slots__ = (
        "arrival",
        "asked",
        "body",
        "deliveries",
        "entry",
        "group",
        "head",
        "id",
        "lane",
        "memo",
        "name",
        "needs",
        "parked",
        "priority",
        "settled",
        "shelf",
        "token",
        "unique",
    )

    shelf: Shelf
    entry: Entry

    def __init__(self, id: str, lane: Lane, name: str, head: bytes, body: bytes, priority: int, arrival: int) -> None:
        self.id = id
        self.lane = lane
        self.name = name
        self.head = head
        self.body = body
        self.priority = priority
        self.arrival = arrival
        self.memo = b""
        self.token = 0
        self.deliveries = 0
        self.asked = False
        self.settled: int | None = None
        """The token of the last settlement that was written."""
        self.unique: UniqueKey | None = None
        """The key that it asked for, and may hold."""
        self.needs: Sequence[Need] = ()
        self.group: str | None = None
        self.parked: tuple[Place, Entry] | None = None
        """The limit under which it waits, and its place among the ready before."""

    @property
    def instant(self) -> Millis:
        """What `StoredJob.due` means in the present state; `NEVER` for one that is parked."""
        return Millis(self.entry[1])

    def stored(self, *, with_body: bool) -> StoredJob:
        """The record as readers see it."""
        return StoredJob(
            id=self.id,
            queue=self.lane.queue,
            name=self.name,
            state=self.shelf.state,
            priority=self.priority,
            due=None if self.entry[1] >= NEVER else Millis(0) if self.entry[1] >= ASIDE else self.instant,
            token=self.token,
            deliveries=self.deliveries,
            head=self.head,
            body=self.body if with_body else None,
            memo=self.memo,
        )


class Shelf:
    """The jobs of one queue in one state, in the order of their entries.

    Entries that come in order, as nearly all do, are appended to a run; the others go to a heap, and reading merges
    both. An entry whose job has moved on is skipped when it comes up; when such entries outnumber the jobs, all are
    sorted anew.
    """

    __slots__ = ("_heap", "_run", "is_terminal", "jobs", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.is_terminal = state.is_terminal
        self.jobs: dict[str, Job] = {}
        self._run: deque[Entry] = deque()
        self._heap: list[Entry] = []

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs.values())

    @property
    def places(self) -> int:
        """How many entries are held, those that were left behind included."""
        return len(self._run) + len(self._heap)

    def add(self, job: Job, instant: int, order: int, rank: int = 0) -> None:
        """Place a job that stands on no shelf."""
        entry = (rank, instant, order, job.id)
        job.shelf = self
        job.entry = entry
        self.jobs[job.id] = job
        run = self._run
        if not run or run[-1] < entry:
            run.append(entry)
        else:
            heappush(self._heap, entry)

    def remove(self, job: Job) -> None:
        """Take a job off, wherever it stands."""
        jobs = self.jobs
        del jobs[job.id]
        if len(self._run) + len(self._heap) > 2 * len(jobs) + _SLACK:
            self._run = deque(sorted(job.entry for job in jobs.values()))
            self._heap = []

    def first(self) -> Job | None:
        """The job with the smallest entry."""
        ahead = self._ahead()
        return None if ahead is None else ahead[0]

    def pop(self) -> Job:
        """Take the first job off."""
        run = self._run
        if run and not self._heap:  # as nearly always: nothing to merge
            entry = run[0]
            job = self.jobs.get(entry[3])
            if job is not None and job.entry is entry:
                run.popleft()
                del self.jobs[entry[3]]
                return job
        ahead = self._ahead()
        if ahead is None:
            raise LookupError("the shelf is empty")
        job, in_run = ahead
        if in_run:
            self._run.popleft()
        else:
            heappop(self._heap)
        del self.jobs[job.id]
        return job

    def overdue(self, now: int) -> bool:
        """Whether the instant of the first job has come."""
        job = self.first() if self.jobs else None
        return job is not None and job.entry[1] <= now

    def _ahead(self) -> tuple[Job, bool] | None:
        jobs, run, heap = self.jobs, self._run, self._heap
        in_run = in_heap = None
        while run:
            job = jobs.get(run[0][3])
            if job is not None and job.entry is run[0]:
                in_run = job
                break
            run.popleft()
        while heap:
            job = jobs.get(heap[0][3])
            if job is not None and job.entry is heap[0]:
                in_heap = job
                break
            heappop(heap)
        if in_run is not None and (in_heap is None or in_run.entry < in_heap.entry):
            return in_run, True
        return None if in_heap is None else (in_heap, False)


class Ready(Shelf):
    """The ready jobs of one queue: by priority, and within one round robin over their groups.

    Jobs without a group are one more group, in the order of their entries.
    """

    __slots__ = ("_rounds",)

    def __init__(self) -> None:
        super().__init__(State.QUEUED)
        self._rounds: dict[int, Rounds] = {}

    def add(self, job: Job, instant: int, order: int, rank: int = 0) -> None:
        if job.group is None:
            super().add(job, instant, order, rank)
            return
        job.shelf = self
        job.entry = entry = (rank, instant, order, job.id)
        self.jobs[job.id] = job
        self._rounds.setdefault(rank, Rounds()).enter(job.group, entry)

    def first(self) -> Job | None:
        plain, grouped = super().first(), self._first_grouped()
        return plain if grouped is None or self._is_turn_of(plain, grouped) else grouped

    def pop(self) -> Job:
        if not self._rounds:
            return super().pop()
        plain, grouped = super().first(), self._first_grouped()
        if grouped is None or self._is_turn_of(plain, grouped):
            job = super().pop()
            rounds = self._rounds.get(job.entry[0])
            if rounds is not None and job.entry[1]:
                rounds.rest = max(rounds.rest + 1, rounds.present)
            return job
        rounds = self._rounds[grouped.entry[0]]
        rounds.present = max(rounds.present, rounds.waiting[0][0])
        self._leave(grouped.entry[0])
        del self.jobs[grouped.id]
        return grouped

    def _is_turn_of(self, plain: Job | None, grouped: Job) -> bool:
        """Whether the first of the jobs without a group comes before the first of all groups."""
        if plain is None or plain.entry[0] != grouped.entry[0]:
            return plain is not None and plain.entry[0] < grouped.entry[0]
        return self._rounds[grouped.entry[0]].is_turn_of_rest(plain.entry[1])

    def _first_grouped(self) -> Job | None:
        while self._rounds:
            rank = min(self._rounds)
            _, entry, _ = self._rounds[rank].waiting[0]
            job = self.jobs.get(entry[3])
            if job is not None and job.entry is entry:
                return job
            self._leave(rank)
        return None

    def _leave(self, rank: int) -> None:
        self._rounds[rank].leave()
        if not self._rounds[rank].waiting:
            del self._rounds[rank]


class Lane:
    """One queue: a shelf for each state."""

    __slots__ = ("active", "queue", "queued", "scheduled", "shelves", "terminal")

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.scheduled = Shelf(State.SCHEDULED)
        self.queued = Ready()
        self.active = Shelf(State.ACTIVE)
        self.terminal = [Shelf(State.COMPLETED), Shelf(State.FAILED), Shelf(State.CANCELLED)]
        """The shelves whose instants are expiries."""
        self.shelves = {shelf.state: shelf for shelf in (self.scheduled, self.queued, self.active, *self.terminal)}

    def view(self) -> QueueView:
        """The counts, of a lane that was swept."""
        head = self.queued.first()
        completed, failed, cancelled = map(len, self.terminal)
        return QueueView(
            scheduled=len(self.scheduled),
            queued=len(self.queued),
            active=len(self.active),
            completed=completed,
            failed=failed,
            cancelled=cancelled,
            oldest_ready=None if head is None else head.instant,
        )
