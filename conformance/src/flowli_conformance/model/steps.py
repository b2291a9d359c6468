"""What the steps of a sequence are made of, and how Hypothesis draws them: few names, and spans that meet each other.

Every value is plain and relative to the instant of its step, so that a sequence that was printed can be kept as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from flowli.driver import Bonds, Millis, NewJob, OnConflict, Settlement, State, UniqueKey, Until

__all__ = ["IDS", "KEYS", "QUEUES", "RUNNERS", "Ending", "Firing", "Wish", "draws"]

IDS = ("a", "b", "c", "A", "a{b}:c", "ж\x00", "01JD8X7Q2N5V9ZC3KWB4T6YHRM")
QUEUES = ("mail", "post", "mail:{a}")
RUNNERS = ("one", "two")
KEYS = ("daily", "weekly")

_SPANS = (1, 1_000, 30_000, 60_000)


class Wish(NamedTuple):
    """A job to enqueue. ``due`` counts from the instant of the step."""

    id: str
    queue: str = "mail"
    priority: int = 0
    due: int | None = None
    delay: int | None = None
    unique: UniqueKey | None = None

    def new(self, now: int, number: int) -> NewJob:
        """``number`` makes a body of its own, so that a replaced record shows. It is no text."""
        due = None if self.due is None else Millis(now + self.due)
        delay = None if self.delay is None else Millis(self.delay)
        bonds = None if self.unique is None else Bonds(unique=self.unique)
        body = b"\xff\x00\r\n%d" % number
        return NewJob(self.id, self.queue, "send", b"head", body, self.priority, due, delay, bonds)


class Ending(NamedTuple):
    """A settlement of the lease that was handed out ``which`` leases before the last one. ``due`` as in `Wish`."""

    which: int
    state: State = State.COMPLETED
    due: int | None = None
    delay: int | None = None
    keep_for: int = 0

    def settlement(self, id: str, queue: str, token: int, now: int, number: int) -> Settlement:
        due = None if self.due is None else Millis(now + self.due)
        delay = None if self.delay is None else Millis(self.delay)
        memo = b"%d " % number * (number % 3)  # of many lengths, and often empty
        return Settlement(id, queue, token, self.state, memo, due, delay, Millis(self.keep_for))


class Firing(NamedTuple):
    """A change of a schedule. ``ahead`` is added to the version that stands: 0 is the caller who saw it."""

    key: str
    ahead: int = 0
    next_run_at: int | None = None
    """From the instant of the step; None pauses."""
    delete: bool = False
    jobs: tuple[Wish, ...] = ()


class _Draws:
    """The strategies, by what they draw."""

    def __init__(self) -> None:
        self.ids = st.sampled_from(IDS)
        self.several_ids = st.lists(self.ids, min_size=2, max_size=4, unique=True)
        self.runners = st.sampled_from(RUNNERS)
        self.spans = st.sampled_from(_SPANS)
        self.offsets = st.sampled_from((*_SPANS, 0, -1, -1_000))
        self.delays = st.sampled_from((0, *_SPANS))
        self.keeps = st.sampled_from((0, 60_000, 0, 1, 1_000))
        self.seen = st.sampled_from((0, 0, None, 1))
        self.which = st.sampled_from((0, 0, 0, 1, 2, 4, 7))
        self.steps = st.sampled_from((1, 1, 1_000, 30_000))
        self.some_queues = st.permutations(QUEUES).map(tuple) | st.lists(
            st.sampled_from(QUEUES), min_size=1, max_size=2, unique=True
        ).map(tuple)
        self.queues = st.none() | self.some_queues
        self.limits = st.sampled_from((10, 1, 2, 0))
        self.wishes = self._wishes()
        self.keyed = self._keyed()
        self.endings = self._endings()
        self.firings = self._firings()

    # Fields that are left out would be drawn by st.builds from their types, defaults or not: so none is.
    def _wishes(self) -> st.SearchStrategy[list[Wish]]:
        none: st.SearchStrategy[None] = st.none()
        queues, priorities = st.sampled_from(QUEUES), st.sampled_from((0, 0, 5, 9))
        at_once = st.builds(Wish, self.ids, queues, priorities, none, none, none)
        due = st.builds(Wish, self.ids, queues, priorities, self.offsets, none, none)
        delayed = st.builds(Wish, self.ids, queues, priorities, none, self.delays, none)
        return st.lists(at_once | due | delayed, min_size=1, max_size=4)

    def _keyed(self) -> st.SearchStrategy[list[Wish]]:
        """Wishes of which most have one of two unique keys."""
        spans = st.sampled_from((1, 1_000, 60_000)).map(Millis)
        until, on_conflict = st.sampled_from((Until.SETTLED, Until.STARTED)), st.sampled_from(OnConflict)
        keys = st.sampled_from(("key", "other"))
        bounded = st.builds(UniqueKey, keys, until, on_conflict, st.none() | spans)
        lapsing = st.builds(UniqueKey, keys, st.just(Until.LAPSED), on_conflict, spans)
        none: st.SearchStrategy[None] = st.none()
        queues, priorities, delays = st.sampled_from(QUEUES), st.sampled_from((0, 0, 5)), none | self.delays
        uniques = bounded | lapsing | bounded | none
        return st.lists(st.builds(Wish, self.ids, queues, priorities, none, delays, uniques), min_size=1, max_size=3)

    def _endings(self) -> st.SearchStrategy[Ending]:
        none: st.SearchStrategy[None] = st.none()
        over = st.sampled_from((State.COMPLETED, State.FAILED, State.CANCELLED))
        scheduled, nothing = st.just(State.SCHEDULED), st.just(0)
        ended = st.builds(Ending, self.which, over, none, none, self.keeps)
        due = st.builds(Ending, self.which, scheduled, self.offsets, none, nothing)
        delayed = st.builds(Ending, self.which, scheduled, none, self.delays, nothing)
        return ended | due | delayed | st.builds(Ending, self.which, st.just(State.QUEUED), none, none, nothing)

    def _firings(self) -> st.SearchStrategy[Firing]:
        ahead, deletes = st.sampled_from((0, 0, 0, 1, -1)), st.sampled_from((False, False, True))
        jobs = st.just(()) | self.wishes.map(tuple) | self._keyed().map(tuple)
        return st.builds(Firing, st.sampled_from(KEYS), ahead, st.none() | self.offsets, deletes, jobs)


draws = _Draws()
