"""Drivers with one fault each, under the group of tests that has to find it. Only `test_broken_drivers` runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from flowli.driver import (
    Change,
    Changed,
    Claim,
    Enqueued,
    Exchanged,
    Hold,
    Lease,
    Millis,
    NewJob,
    Renewal,
    Settlement,
    Turn,
)
from flowli_conformance import (
    ClaimSuite,
    ConcurrencySuite,
    EnqueueSuite,
    LeaseSuite,
    OrderSuite,
    RecoverySuite,
    ScheduleSuite,
    SettleSuite,
    TurnSuite,
    WaitSuite,
)
from flowli_memory import MemoryDriver


class HandsOutTwice(MemoryDriver):
    """Each claim returns what the claim before it leased, too."""

    _before: Sequence[Lease] = ()

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await super().exchange(settlements, claim, now=now)
        before, self._before = self._before, found.leases
        return replace(found, leases=[*before, *found.leases])


class IgnoresTokens(MemoryDriver):
    """A settlement is written under whatever token the job has."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        jobs = await self.get_jobs([settlement.id for settlement in settlements], now=now)
        forged = [
            one if job is None else one._replace(token=job.token) for one, job in zip(settlements, jobs, strict=True)
        ]
        return await super().exchange(forged, claim, now=now)


class RenewsAnything(MemoryDriver):
    """A renewal extends the lease of whoever holds the job."""

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        jobs = await self.get_jobs([hold.id for hold in holds], now=now)
        forged = [
            hold if job is None else hold._replace(token=job.token) for hold, job in zip(holds, jobs, strict=True)
        ]
        return await super().renew(forged, lease_for, now=now)


class LosesMemos(MemoryDriver):
    """A lease never shows what the last settlement left."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await super().exchange(settlements, claim, now=now)
        return replace(found, leases=[lease._replace(memo=b"") for lease in found.leases])


class IgnoresPriorities(MemoryDriver):
    """Every job is as urgent as any other."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        return await super().enqueue([job._replace(priority=0) for job in jobs], turn=turn, now=now)


class IgnoresIds(MemoryDriver):
    """Each request makes a job of its own."""

    _made = 0

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers: list[Enqueued] = []
        for job in jobs:
            (known,) = await self.get_jobs([job.id], now=now)
            self._made += 1
            answers += await super().enqueue([job._replace(id=f"{job.id}~{self._made}") if known else job], now=now)
        return answers


class ForgetsTurns(MemoryDriver):
    """A repeated claim is one claim more."""

    _calls = 0

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        self._calls += 1
        other = None if claim is None else replace(claim, turn=Turn(f"{claim.turn.sender}~{self._calls}", 1))
        return await super().exchange(settlements, other, now=now)


class FiresTwice(MemoryDriver):
    """A change applies to whatever version stands."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        return [await self._apply(change, now) for change in changes]

    async def _apply(self, change: Change, now: Millis | None) -> Changed:
        while True:
            (stands,) = await self.get_schedules([change.key])
            forged = replace(change, expected=0 if stands is None else stands.version)
            (changed,) = await super().change_schedules([forged], now=now)
            if changed.applied:
                return changed


class ForgetsLapses(MemoryDriver):
    """A job that was handed back counts as never delivered."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await super().exchange(settlements, claim, now=now)
        return replace(found, leases=[lease._replace(deliveries=0) for lease in found.leases])


class NeverWaits(MemoryDriver):
    """A claim with nothing to lease comes back at once, so that a runner would have to poll."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        hasty = None if claim is None else replace(claim, wait=Millis(0))
        return await super().exchange(settlements, hasty, now=now)


def _one(driver: MemoryDriver) -> Callable[[], MemoryDriver]:
    """A factory of one driver: a twin would be a sound one."""
    return lambda: driver


class TestHandsOutTwice(ClaimSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(HandsOutTwice())


class TestHandsOutTwiceAtOnce(ConcurrencySuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(HandsOutTwice())


class TestIgnoresTokens(LeaseSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(IgnoresTokens())


class TestRenewsAnything(LeaseSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(RenewsAnything())


class TestLosesMemos(SettleSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(LosesMemos())


class TestIgnoresPriorities(OrderSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(IgnoresPriorities())


class TestIgnoresIds(EnqueueSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(IgnoresIds())


class TestForgetsTurns(TurnSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(ForgetsTurns())


class TestFiresTwice(ScheduleSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(FiresTwice())


class TestForgetsLapses(RecoverySuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(ForgetsLapses())


class TestNeverWaits(WaitSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(NeverWaits())


class TestWithDeviations(OrderSuite):
    deviations: ClassVar[Mapping[str, str]] = {
        "test_a_higher_priority_is_served_first": "this store has no priorities",
        "test_a_queue_that_is_not_named_is_not_served": "a deviation that is none",
    }

    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return _one(IgnoresPriorities())
