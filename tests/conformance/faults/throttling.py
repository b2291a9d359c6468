"""Faults of limits and of fairness: what is lent too often, never given back, or never looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowli.driver import Bonds, LimitView, Millis, Need, NewJob, Rule
from flowli_memory.shelves import Entry, Job, Place
from flowli_memory.store import Store
from flowli_memory.throttle import Throttle
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


class _Limited(Faulty):
    """Its limits are kept by another hand."""

    throttle: type[Throttle] = Throttle

    def make_store(self) -> Store:
        store = Store()
        store.throttle = self.throttle()
        return store


def _needs(job: NewJob) -> Sequence[Need]:
    return () if job.bonds is None else job.bonds.needs


def _with_needs(job: NewJob, needs: Sequence[Need]) -> NewJob:
    return job if job.bonds is None else job._replace(bonds=replace(job.bonds, needs=needs))


@caught_by("test_no_more_are_leased_at_once_than_a_limit_allows", "test_many_runners_never_exceed_a_limit")
class KnowsNoLimits(Faulty):
    """Needs are stored by nobody."""

    def meets(self, job: NewJob) -> NewJob:
        return _with_needs(job, ())


@caught_by("test_each_key_has_the_limit_for_itself")
class KnowsNoKeys(Faulty):
    """One tenant's job waits for another's."""

    def meets(self, job: NewJob) -> NewJob:
        return job if job.bonds is None else _with_needs(job, [need._replace(key="") for need in job.bonds.needs])


@caught_by("test_names_and_keys_are_not_mixed_up")
class JoinsNamesAndKeys(Faulty):
    """A limit and its key are one text."""

    def meets(self, job: NewJob) -> NewJob:
        needs = _needs(job)
        return _with_needs(
            job, [Need(one.rule._replace(limit=one.rule.limit + one.key), "", one.weight) for one in needs]
        )


@caught_by("test_weights_add_up", "test_rates_are_weighted")
class CountsJobsInsteadOfWeights(Faulty):
    """A thousand tokens count as one."""

    def meets(self, job: NewJob) -> NewJob:
        needs = _needs(job)
        return _with_needs(job, [need._replace(weight=1) for need in needs])


class _NeverGivesBack(Throttle):
    def give_back(self, job: Job) -> None:
        pass


@caught_by("test_a_settlement_reopens_a_limit", "test_a_lease_that_lapsed_gives_back")
class NeverGivesBack(_Limited):
    """What was lent once is lent for ever."""

    throttle = _NeverGivesBack


class _Forgets(Throttle):
    def park(self, job: Job, place: Place, now: int) -> None:
        super().park(job, place, now)
        self.unpark(job)


@caught_by("test_a_place_that_is_given_back_wakes_a_waiting_runner", "test_a_rate_that_reopens_wakes_a_waiting_runner")
class NeverWakesWhatIsParked(_Limited):
    """Whoever came too early waits for ever."""

    throttle = _Forgets


class _Passes(Throttle):
    def _first(self, place: Place) -> Entry | None:
        return None


@caught_by("test_a_large_job_is_not_passed_by_small_ones")
class LetsSmallOnesPass(_Limited):
    """A large job starves behind small ones."""

    throttle = _Passes


class _Bucket(Throttle):
    """Fills a bucket anew at each full minute."""

    def _used(self, place: Place, now: int) -> int:
        rule = self.rules.get(place[0])
        starts = self._starts.get(place, ())
        span = 1 if rule is None or rule.span is None else rule.span
        return sum(weight for at, weight in starts if at // span == now // span)


@caught_by("test_a_rate_holds_in_any_window")
class CountsByFixedWindows(_Limited):
    """Twice the rate passes around the turn of a minute."""

    throttle = _Bucket


class _OnlyWhileHeld(Throttle):
    def draw(self, job: Job, now: int) -> None:
        super().draw(job, now)
        self._starts.clear()


@caught_by("test_a_rate_counts_leases_within_its_span")
class ForgetsWhatHasEnded(_Limited):
    """A rate is taken for a number at once."""

    throttle = _OnlyWhileHeld


@caught_by("test_a_limit_that_is_held_holds_all_its_keys", "test_a_key_that_is_held_lends_nothing_until_it_reopens")
class IgnoresHolds(Faulty):
    """A provider that said 429 is called on."""

    async def hold(self, limit: str, key: str | None, until: Millis | None, *, now: Millis | None = None) -> None:
        return None


@caught_by("test_a_rule_stands_until_it_is_replaced", "test_a_rule_that_is_raised_admits_what_is_parked")
class KeepsTheFirstRule(Faulty):
    """A limit that was raised stays as it was."""

    async def set_rules(self, rules: Sequence[Rule], *, now: Millis | None = None) -> None:
        return None


@caught_by("test_who_holds_a_limit_can_be_seen")
class HidesTheHolders(Faulty):
    """An operator cannot see who holds a limit."""

    async def get_limit(self, limit: str, key: str = "", *, now: Millis | None = None) -> LimitView:
        return replace(await super().get_limit(limit, key, now=now), holders=())


@caught_by("test_one_job_waits_for_one_round_behind_many", "test_groups_are_served_in_turn")
class KnowsNoGroups(Faulty):
    """First come, first served, whoever fills the queue."""

    def meets(self, job: NewJob) -> NewJob:
        return job._replace(bonds=None)


@caught_by("test_jobs_without_a_group_have_their_turn")
class ServesGroupsLast(Faulty):
    """Jobs without a group pass all others."""

    def meets(self, job: NewJob) -> NewJob:
        return job if job.bonds is not None else job._replace(bonds=Bonds(group=job.id))
