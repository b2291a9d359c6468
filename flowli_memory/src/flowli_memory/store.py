"""Knows every record of one memory store and makes the elementary moves. Refuses to know what verbs make of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import count

from flowli.driver import (
    Change,
    Changed,
    Disposition,
    Enqueued,
    Lease,
    Millis,
    NewJob,
    OnConflict,
    Overview,
    Paused,
    Report,
    RunnerNote,
    State,
    Turn,
    UniqueKey,
)
from flowli_memory.families import Families
from flowli_memory.keys import Hold, Keys
from flowli_memory.notes import Notes
from flowli_memory.pauses import Pauses
from flowli_memory.schedules import Book
from flowli_memory.shelves import ASIDE, NEVER, Job, Lane, Place
from flowli_memory.throttle import Throttle
from flowli_memory.turns import Turns
from flowli_memory.waiting import Lounge

__all__ = ["Store"]


class Store:
    """What the twins of a driver share. Whoever calls a method holds ``lock``, and holds it for short."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lanes: dict[str, Lane] = {}
        self.lounge = Lounge()
        self.book = Book()
        self.keys = Keys()
        self.families = Families()
        self.notes = Notes()
        self.throttle = Throttle()
        self.claims: Turns[Sequence[Lease]] = Turns()
        self.served_last: str | None = None
        self.pauses = Pauses()
        self.reports: dict[str, Report] = {}
        """The newest of jobs that are not terminal."""
        self.pid: int | None = None
        """The process that opened the store first; None before. A fork has a copy that nobody else sees."""
        self._jobs: dict[str, Job] = {}
        self._orders = count(1)
        self._last_token = 0
        self._enqueues: Turns[Sequence[Enqueued]] = Turns()
        self._runners: dict[str, RunnerNote] = {}

    def find(self, id: str, now: int) -> Job | None:
        """The job of an id, unless its record has expired."""
        job = self._jobs.get(id)
        if job is not None and job.shelf.is_terminal and job.entry[1] <= now:
            job.shelf.remove(job)
            del self._jobs[id]
            return None
        return job

    def records(self) -> Iterable[Job]:
        """Every record, expired ones among them."""
        return self._jobs.values()

    def held(self, id: str, token: int, now: int) -> Job | None:
        """The job of an id, if this token holds it; a lease that lapsed and was not handed back yet holds too."""
        job = self.find(id, now)
        return job if job is not None and job.token == token and job.shelf is job.lane.active else None

    def enqueue(self, jobs: Sequence[NewJob], turn: Turn | None, now: Millis) -> Sequence[Enqueued]:
        """Store what is new, and wake one waiter of each queue that got something to do."""
        if turn is not None:
            answer = self._enqueues.answer(turn, now)
            if answer is not None:
                return answer
        ready: dict[str, None] = {}
        due: dict[str, int] = {}
        answers = [self._enqueue(job, now, ready, due) for job in jobs]
        for queue in ready:
            self.lounge.wake_one(queue)
        for queue, instant in due.items():
            self.lounge.wake_later_than(queue, instant)
        if turn is not None:
            self._enqueues.remember(turn, answers, now)
        return answers

    def change(self, change: Change, now: Millis) -> Changed:
        """Write one change of a schedule, and store its jobs if it applies."""
        if not self.book.apply(change):
            return Changed(applied=False, stands=self.book.get(change.key))
        stands = self.book.get(change.key)
        if stands is not None and stands.next_run_at is not None:
            self.lounge.wake_all_later_than(stands.next_run_at)
        return Changed(applied=True, stands=stands, jobs=tuple(self.enqueue(change.jobs, None, now)))

    def lease(self, job: Job, until: int, now: int) -> None:
        """Make a job, which stands on no shelf, active under a token of its own."""
        self._last_token = token = max(self._last_token + 1, now * 1000)
        job.token = token
        if job.unique is not None:
            self.keys.release(job.unique, job.id, started=True)
        job.lane.active.add(job, until, next(self._orders))
        if job.needs:
            self.throttle.draw(job, now)

    def take_back(self, job: Job, now: int) -> None:
        """End the lease of a job: it stands on no shelf then, and others may have what it held."""
        job.shelf.remove(job)
        if job.needs:
            self.throttle.give_back(job)
            self.reopen([(need.rule.limit, need.key) for need in job.needs], now)

    def is_barred(self, job: Job, now: int) -> bool:
        """Park a job that was the first of the ready and stands on no shelf, if a limit bars it."""
        place = self.throttle.bar(job, now) if job.needs else None
        if place is None:
            return False
        self.throttle.park(job, place, now)
        job.lane.scheduled.add(job, NEVER, job.arrival)
        self.reopen([one for need in job.needs if (one := (need.rule.limit, need.key)) != place], now)
        return True

    def reopen(self, places: Iterable[Place], now: int) -> None:
        """Queue what is parked and may fit, each at the place that it had, and wake a waiter for each."""
        for place in places:
            for job, (rank, instant, order, _) in self.throttle.admit(place, now):
                job.shelf.remove(job)
                job.lane.queued.add(job, instant, order, rank)
                self.lounge.wake_one(job.lane.queue)
        alarm = self.throttle.next_instant()
        if alarm is not None:
            self.lounge.wake_all_later_than(alarm)

    def extend(self, job: Job, until: int) -> None:
        """Move the end of a lease."""
        if job.entry[1] != until:
            job.shelf.remove(job)
            job.shelf.add(job, until, next(self._orders))

    def postpone(self, job: Job, due: int) -> None:
        """Have a job, which stands on no shelf, wait for an instant; if it has come, until the next claim."""
        job.lane.scheduled.add(job, due, job.arrival)
        self.lounge.wake_later_than(job.lane.queue, due)

    def hand_back(self, job: Job) -> None:
        """Put a job, which stands on no shelf, to the front of its priority, behind what was handed back before."""
        job.lane.queued.add(job, 0, next(self._orders), -job.priority)

    def put_back(self, job: Job, now: Millis, delay: int) -> None:
        """Have a job, which stands on no shelf, wait as if it had just come."""
        job.arrival = next(self._orders)
        if delay > 0:
            self.postpone(job, now + delay)
        else:
            job.lane.queued.add(job, now, job.arrival, -job.priority)
            self.lounge.wake_one(job.lane.queue)

    def promote(self, lane: Lane) -> None:
        """Queue the first of the scheduled jobs at the instant for which it was due."""
        job = lane.scheduled.pop()
        lane.queued.add(job, job.entry[1], job.arrival, -job.priority)

    def finish(self, job: Job, state: State, keep_for: int, now: int, *, unused: bool = False) -> None:
        """Make a job, which stands on no shelf, terminal for as long as it is to be kept, and wake who waits for it.
        ``unused``: it was cancelled while it waited."""
        self.throttle.unpark(job)
        if job.unique is not None:
            self.keys.release(job.unique, job.id, unused=unused)
            job.unique = None  # a replay of it holds nothing
        if self.reports:
            self.reports.pop(job.id, None)
        job.asked = False
        if self.families.pin(job.id, now + keep_for):
            job.lane.shelves[state].add(job, NEVER, next(self._orders))
        elif keep_for > 0:
            job.lane.shelves[state].add(job, now + keep_for, next(self._orders))
        else:
            del self._jobs[job.id]
        self.lounge.ended(job.id)
        for child in self.families.ended(job.id):
            self._make_ready(child, now)
        self._let_go(job.id, now)

    def _let_go(self, child: str, now: int) -> None:
        """Keep nothing for a child any more."""
        for parent, expiry in self.families.release(child):
            self._unpin(parent, expiry, now)

    def _make_ready(self, id: str, now: int) -> None:
        """Queue a job whose parents have ended."""
        job = self._jobs[id]
        job.shelf.remove(job)
        job.lane.queued.add(job, now, job.arrival, -job.priority)
        self.lounge.wake_one(job.lane.queue)

    def _unpin(self, id: str, expiry: int, now: int) -> None:
        """Keep a terminal job, whose children need it no more, for what is left of its own time."""
        job = self._jobs[id]
        job.shelf.remove(job)
        if expiry > now:
            job.shelf.add(job, expiry, next(self._orders))
        else:
            del self._jobs[job.id]

    def sweep(self, lanes: Iterable[Lane], now: int, limit: int | None = None) -> None:
        """Remove up to ``limit`` records that have expired."""
        for lane in lanes:
            for shelf in lane.terminal:
                while (limit is None or limit > 0) and shelf.overdue(now):
                    del self._jobs[shelf.pop().id]
                    limit = None if limit is None else limit - 1

    def pass_on(self, lanes: Iterable[Lane]) -> None:
        """Wake one more waiter of each queue in which something is left to take."""
        for lane in lanes:
            if lane.queued and not self.pauses.stops(lane):
                self.lounge.wake_one(lane.queue)

    def named(self, queues: Sequence[str] | None) -> list[Lane]:
        """The lanes of these queues, each once; all, from behind the one that was served last, for None."""
        lanes = self.lanes
        if queues is not None:
            return [lanes[queue] for queue in dict.fromkeys(queues) if queue in lanes]
        if self.served_last is None:
            return list(lanes.values())
        names = list(lanes)
        after = names.index(self.served_last) + 1
        return [lanes[queue] for queue in names[after:] + names[:after]]

    def resume(self, what: Sequence[Paused]) -> None:
        """Let these be leased again, and wake a waiter of each queue."""
        self.pauses.remove(what, self.lanes.values())
        for queue in self.lanes:
            self.lounge.wake_one(queue)

    def announce(self, note: RunnerNote, now: int) -> None:
        """Replace what a runner says of itself, and forget those that are not alive."""
        self._runners[note.id] = note
        self._runners = {id: known for id, known in self._runners.items() if known.alive_until > now}

    def overview(self, queues: Sequence[str] | None, now: Millis) -> Overview:
        """Counts without what has expired."""
        self.sweep(self.named(queues), now)
        names = self.lanes if queues is None else queues
        return Overview(
            queues={queue: self.lanes.get(queue, Lane(queue)).view() for queue in names},
            schedules=len(self.book),
            runners=[note for note in self._runners.values() if note.alive_until > now],
            now=now,
        )

    def _enqueue(self, new: NewJob, now: Millis, ready: dict[str, None], due: dict[str, int]) -> Enqueued:
        job = self.find(new.id, now)
        if job is not None:
            return _standing(job)
        unique = None if new.bonds is None else new.bonds.unique
        if unique is None:
            return self._place(new, now, ready, due)
        hold = self.keys.get(unique.key, now)
        if hold is not None:
            return self._meet(new, unique, hold, now, ready, due)
        self.keys.take(unique, new.id, now)
        return self._place(new, now, ready, due)

    def _place(self, new: NewJob, now: Millis, ready: dict[str, None], due: dict[str, int]) -> Enqueued:
        """Store a job whose id is free."""
        id, queue, name, head, body, priority, _, _, bonds = new
        lane = self.lanes.get(queue)
        if lane is None:
            lane = self.lanes[queue] = Lane(queue)
        self._jobs[id] = job = Job(id, lane, name, head, body, priority, 0)
        if bonds is not None:
            job.unique, job.needs, job.group = bonds.unique, bonds.needs, bonds.group
            self.throttle.learn(job.needs)
            if bonds.after and self._await_parents(job, bonds.after, now):
                job.arrival = next(self._orders)
                lane.scheduled.add(job, NEVER, job.arrival)
                return Enqueued(Disposition.CREATED, id, State.SCHEDULED, Millis(0))
            if bonds.after:
                return self._wait(job, now, now, ready, due)
        return self._wait(job, _instant(new, now), now, ready, due)

    def _wait(self, job: Job, instant: Millis, now: Millis, ready: dict[str, None], due: dict[str, int]) -> Enqueued:
        """Have a job, which stands on no shelf, wait for its turn, or for an instant that is to come."""
        job.arrival = arrival = next(self._orders)
        lane = job.lane
        queue = lane.queue
        if instant > now:
            lane.scheduled.add(job, instant, arrival)
            due[queue] = min(instant, due.get(queue, instant))
            return Enqueued(Disposition.CREATED, job.id, State.SCHEDULED, instant)
        lane.queued.add(job, now, arrival, -job.priority)
        ready[queue] = None
        return Enqueued(_CREATED, job.id, _QUEUED, now)

    def _meet(
        self, new: NewJob, unique: UniqueKey, hold: Hold, now: Millis, ready: dict[str, None], due: dict[str, int]
    ) -> Enqueued:
        """What becomes of a request for a key that is held."""
        job = self.find(hold.id, now)
        if job is None:
            return Enqueued(Disposition.EXISTING, hold.id, None, Millis(0))
        if unique.on_conflict is OnConflict.KEEP or job.shelf.state not in _WAITING:
            return _standing(job)
        if unique.on_conflict is OnConflict.RESCHEDULE and job.entry[1] == NEVER and not job.parked:
            return _standing(job)
        job.shelf.remove(job)
        self.throttle.unpark(job)
        instant = _instant(new, now)
        if hold.end is not None:
            instant = Millis(min(instant, hold.end))
        if unique.on_conflict is OnConflict.RESCHEDULE:
            return self._wait(job, instant, now, ready, due)._replace(disposition=Disposition.RESCHEDULED)
        if job.unique is not None and job.unique.key != unique.key:
            self.keys.release(job.unique, job.id, unused=True)
        self.keys.take(unique, hold.id, now, hold.first)
        self._let_go(hold.id, now)
        placed = self._place(new._replace(id=hold.id, due=instant), now, ready, due)
        return placed._replace(disposition=Disposition.REPLACED)

    def _await_parents(self, job: Job, ids: Sequence[str], now: int) -> bool:
        """Keep the records of its parents for a new job; whether one of them is still to end."""
        parents = [parent for id in ids if (parent := self.find(id, now)) is not None]
        is_open = [not parent.shelf.is_terminal for parent in parents]
        self.families.found(job.id, [parent.id for parent in parents], sum(is_open))
        for parent in parents:
            if parent.shelf.is_terminal and parent.entry[1] != NEVER:
                self.families.pin(parent.id, parent.entry[1])
                parent.shelf.remove(parent)
                parent.shelf.add(parent, NEVER, next(self._orders))
        return any(is_open)


_WAITING = (State.SCHEDULED, State.QUEUED)
# Looked up once: reading a member of an enumeration takes Python 3.11 several times as long as reading a name.
_CREATED, _QUEUED = Disposition.CREATED, State.QUEUED


def _standing(job: Job) -> Enqueued:
    """What a request is told that a job stands for already."""
    state = job.shelf.state
    waits = state in _WAITING and job.entry[1] < ASIDE
    return Enqueued(Disposition.EXISTING, job.id, state, job.instant if waits else Millis(0))


def _instant(new: NewJob, now: Millis) -> Millis:
    if new.due is not None:
        return new.due
    return now if new.delay is None else Millis(now + new.delay)
