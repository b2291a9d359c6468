"""A shelf against the obvious model of it: a list that is sorted each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowli.driver import State
from flowli_memory.shelves import Job, Lane, Shelf


def _job(number: int) -> Job:
    return Job(f"job-{number}", Lane("mail"), "send", b"", b"", 0, number)


def _drain(shelf: Shelf) -> list[str]:
    return [shelf.pop().id for _ in range(len(shelf))]


@given(st.lists(st.tuples(st.integers(-9, 0), st.integers(0, 20))), st.sets(st.integers(0, 30)))
def test_a_shelf_serves_by_rank_then_instant_then_order(places: list[tuple[int, int]], removed: set[int]) -> None:
    shelf, jobs = Shelf(State.QUEUED), [_job(number) for number in range(len(places))]
    for number, (rank, instant) in enumerate(places):
        shelf.add(jobs[number], instant, number, rank)
    kept = [number for number in range(len(places)) if number not in removed]
    for number in removed & set(range(len(places))):
        shelf.remove(jobs[number])
    expected = sorted(kept, key=lambda number: (*places[number], number))
    assert _drain(shelf) == [f"job-{number}" for number in expected]


def test_a_job_that_moved_on_a_shelf_is_served_at_its_new_place_only() -> None:
    shelf, first, second = Shelf(State.ACTIVE), _job(1), _job(2)
    shelf.add(first, 10, 1)
    shelf.add(second, 20, 2)
    shelf.remove(first)
    shelf.add(first, 30, 3)
    assert _drain(shelf) == ["job-2", "job-1"]
    assert shelf.first() is None


def test_places_that_were_left_do_not_pile_up() -> None:
    shelf, job = Shelf(State.ACTIVE), _job(1)
    shelf.add(_job(0), 0, 0)
    shelf.add(job, 1, 1)
    for order in range(2, 10_000):
        shelf.remove(job)
        shelf.add(job, order, order)
    assert shelf.places < 2_000
