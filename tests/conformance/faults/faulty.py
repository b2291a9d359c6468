"""A memory driver with places to put a fault at, and the list of those that were put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from flowli.driver import Claim, Enqueued, Exchanged, Millis, NewJob, Settlement, Turn
from flowli_memory import MemoryDriver
from flowli_memory.clock import Timekeeper
from flowli_memory.presence import Presence
from flowli_memory.shelves import Job
from flowli_memory.store import Store

__all__ = ["FAR", "FAULTS", "Fault", "Faulty", "caught_by"]

FAR = Millis(10**15)
"""An instant that never comes."""


class Faulty(MemoryDriver):
    """Sound as it is: a fault replaces one of the methods below, or a verb."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__()
        self._presence = Presence(self.make_store() if store is None else store, Timekeeper(None))

    def make_store(self) -> Store:
        return Store()

    @property
    def store(self) -> Store:
        return self._presence.store

    def job(self, id: str) -> Job | None:
        """The record of an id, expired or not."""
        return self.store.find(id, 0)

    def sibling(self) -> Self:
        """One more driver with this fault on the same store."""
        return type(self)(self.store)

    def twin(self) -> MemoryDriver:
        return self.sibling()

    def meets(self, job: NewJob) -> NewJob:
        """What becomes of a job that is enqueued."""
        return job

    def settles(self, one: Settlement) -> Settlement:
        """What becomes of a settlement."""
        return one

    def claims(self, claim: Claim) -> Claim:
        """What becomes of a claim."""
        return claim

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        """What becomes of the answer to a claim."""
        return found

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await super().enqueue([self.meets(job) for job in jobs], turn=turn, now=now)

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        made = None if claim is None else self.claims(claim)
        found = await super().exchange([self.settles(one) for one in settlements], made, now=now)
        return found if claim is None else self.answers(found, claim)


@dataclass(frozen=True)
class Fault:
    """A broken driver, and the tests that have to fail on it."""

    driver: type[Faulty]
    tests: Sequence[str]


FAULTS: list[Fault] = []

D = TypeVar("D", bound=type[Faulty])


def caught_by(*tests: str) -> Callable[[D], D]:
    """Put a broken driver on the list, with the tests that have to fail on it."""

    def put(driver: D) -> D:
        FAULTS.append(Fault(driver, tests))
        return driver

    return put
