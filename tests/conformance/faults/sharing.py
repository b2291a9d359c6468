"""Faults of unique keys: who holds one, for how long, and what becomes of a request for it."""

from __future__ import annotations

from dataclasses import replace

from flowli.driver import Bonds, Millis, NewJob, OnConflict, UniqueKey, Until
from flowli_memory.keys import Keys
from flowli_memory.store import Store
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


def _with(job: NewJob, unique: UniqueKey) -> NewJob:
    return job._replace(bonds=replace(job.bonds or Bonds(), unique=unique))


@caught_by(
    "test_a_second_job_under_a_held_key_is_not_made",
    "test_one_key_asked_for_by_many_has_one_holder",
    "test_a_throttled_job_runs_once_in_each_span",
)
class IgnoresKeys(Faulty):
    """Each request makes a job."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(bonds=None)


class _Clinging(Keys):
    def release(self, unique: UniqueKey, id: str, *, started: bool = False, unused: bool = False) -> None:
        return None


@caught_by(
    "test_what_is_over_frees_its_key[completed-0]",
    "test_until_started_a_key_is_free_once_its_job_is_leased",
    "test_a_cancellation_of_what_waits_frees_its_key[settled]",
    "test_no_key_is_left_behind",
)
class NeverFreesKeys(Faulty):
    """A key stays with the first job that had it."""

    def make_store(self) -> Store:
        store = Store()
        store.keys = _Clinging()
        return store


@caught_by("test_a_span_outlives_the_job", "test_a_throttled_job_runs_once_in_each_span")
class EndsSpansWithTheJob(Faulty):
    """A span counts no longer than its job."""

    def meets(self, job: NewJob) -> NewJob:
        unique = job.bonds and job.bonds.unique
        return (
            job if not unique or unique.until is not Until.LAPSED else _with(job, unique._replace(until=Until.SETTLED))
        )


@caught_by("test_a_burst_that_does_not_end_waits_no_longer_than_the_span[replace]")
class BeginsSpansAnew(Faulty):
    """A span counts from the last request, so that a burst without an end is never worked off."""

    def meets(self, job: NewJob) -> NewJob:
        unique = job.bonds and job.bonds.unique
        if not unique or unique.within is None:
            return job
        hold = self.store.keys.get(unique.key, 0)
        if hold is not None:
            self.store.keys.take(unique._replace(within=Millis(10**12)), hold.id, 10**12)
        return job


@caught_by("test_a_job_that_waits_is_replaced", "test_a_burst_becomes_one_job_after_its_last_request")
class KeepsTheFirstRequest(Faulty):
    """What waits is never touched."""

    def meets(self, job: NewJob) -> NewJob:
        unique = job.bonds and job.bonds.unique
        return job if not unique else _with(job, unique._replace(on_conflict=OnConflict.KEEP))


@caught_by("test_an_odd_key_is_held_and_freed[unicode]", "test_keys_that_look_alike_are_two[KEY]")
class ReadsKeysAsAscii(Faulty):
    """Keys pass through a column that knows neither case nor other alphabets."""

    def meets(self, job: NewJob) -> NewJob:
        unique = job.bonds and job.bonds.unique
        if not unique:
            return job
        if not unique.key.isascii():
            return job._replace(bonds=None)
        return _with(job, unique._replace(key=unique.key.lower()))
