"""Leases of different ages: each is renewed in time, whatever is renewed beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from flowli.attempts import Why
from flowli.driver import Hold, Millis, Renewal
from flowli.leases import Leases
from flowli_memory import MemoryDriver
from tests.core.runner_kit import until

pytestmark = pytest.mark.anyio

_LEASE_S = 12.0
EARLY, LATE = Hold("default", "early", 1), Hold("default", "late", 1)


class Renewing(MemoryDriver):
    """Renews whatever it is asked to, and calls ``during`` within the first renewal."""

    def __init__(self, during: Callable[[], None]) -> None:
        super().__init__()
        self._during = during
        self.renewed: list[Hold] = []

    def twin(self) -> Renewing:
        return self

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        if lease_for is not None:
            if not self.renewed:
                self._during()
            self.renewed += holds
        return [Renewal.RENEWED] * len(holds)


@pytest.mark.slow
async def test_a_lease_that_comes_with_little_left_during_a_renewal_is_in_the_next_one() -> None:
    """As from a reply that a blocked loop read late. It was forgotten until a third of a whole lease had passed."""
    told: list[tuple[Hold, Why]] = []
    clock = asyncio.get_running_loop().time
    driver = Renewing(lambda: leases.add([LATE], clock() + _LEASE_S * 0.4))
    leases = Leases(driver, _LEASE_S, lambda hold, why: told.append((hold, why)))
    leases.add([EARLY], clock() + _LEASE_S * 0.6)
    await until(lambda: LATE in driver.renewed or told, "it is renewed")
    await leases.close()
    assert (driver.renewed, told) == ([EARLY, EARLY, LATE], [])
