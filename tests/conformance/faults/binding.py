"""Faults of what binds a job to its parents: who is waited for, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Bonds, NewJob, State
from flowli_memory.families import Families
from flowli_memory.shelves import Job
from flowli_memory.store import Store
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by("test_a_child_waits_for_all_its_parents", "test_a_thousand_parents_are_gathered")
class WaitsForTheFirstParent(Faulty):
    """A group is gathered when its first member has ended."""

    def meets(self, job: NewJob) -> NewJob:
        return job if job.bonds is None else job._replace(bonds=Bonds(after=job.bonds.after[:1]))


class _Pinless(Families):
    def pin(self, id: str, expiry: int) -> bool:
        return False


@caught_by(
    "test_a_parent_that_keeps_nothing_is_kept_for_its_child",
    "test_a_parent_is_kept_while_its_child_waits_for_others",
)
class KeepsNoParents(Faulty):
    """A child finds nothing of what it waited for."""

    def make_store(self) -> Store:
        store = Store()
        store.families = _Pinless()
        return store


class _Clinging(Families):
    def release(self, child: str) -> list[tuple[str, int]]:
        return []


@caught_by(
    "test_a_child_that_ends_gives_its_parents_free[completed-0]",
    "test_a_released_parent_is_swept",
    "test_a_parent_that_keeps_longer_expires_when_it_would_have",
)
class KeepsParentsForEver(Faulty):
    """What was kept for a child stays when it has ended."""

    def make_store(self) -> Store:
        store = Store()
        store.families = _Clinging()
        return store


class _Exacting(Families):
    is_pleased = True

    def ended(self, parent: str) -> list[str]:
        return super().ended(parent) if self.is_pleased else []


class _ExactingStore(Store):
    def __init__(self) -> None:
        super().__init__()
        self.families = self._exacting = _Exacting()

    def finish(self, job: Job, state: State, keep_for: int, now: int, *, unused: bool = False) -> None:
        self._exacting.is_pleased = state is State.COMPLETED
        super().finish(job, state, keep_for, now, unused=unused)


@caught_by(
    "test_a_parent_that_ends_queues_its_child[failed-3600000]",
    "test_a_parent_that_is_cancelled_before_it_ran_queues_its_child[3600000]",
)
class WaitsForSuccess(Faulty):
    """The child of a parent that failed waits for ever."""

    def make_store(self) -> Store:
        return _ExactingStore()


class _Recounting(Families):
    def found(self, child: str, parents: Sequence[str], still_open: int) -> None:
        super().found(child, parents, still_open + 1)


@caught_by("test_the_steps_of_a_chain_are_queued_one_after_the_other", "test_a_child_wakes_a_runner")
class MissesAnEnd(Faulty):
    """One end is not counted: an orphan."""

    def make_store(self) -> Store:
        store = Store()
        store.families = _Recounting()
        return store
