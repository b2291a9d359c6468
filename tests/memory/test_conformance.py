"""The memory driver keeps every promise of a driver. What is peculiar to it is tested in its own modules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowli_conformance.act import ActSuite
from flowli_conformance.claim import ClaimSuite
from flowli_conformance.enqueue import EnqueueSuite
from flowli_conformance.inspect import InspectSuite
from flowli_conformance.lease import LeaseSuite
from flowli_conformance.order import OrderSuite
from flowli_conformance.outcomes import OutcomesSuite
from flowli_conformance.recovery import RecoverySuite
from flowli_conformance.settle import SettleSuite
from flowli_conformance.turns import TurnSuite
from flowli_conformance.wait import WaitSuite
from flowli_memory import MemoryDriver


class TestMemory(
    ActSuite,
    ClaimSuite,
    EnqueueSuite,
    InspectSuite,
    LeaseSuite,
    OrderSuite,
    OutcomesSuite,
    RecoverySuite,
    SettleSuite,
    TurnSuite,
    WaitSuite,
):
    @pytest.fixture
    def make_driver(self) -> Callable[[], MemoryDriver]:
        return MemoryDriver().twin
