"""The conformance suite: pytest classes that a driver inherits to prove itself. It knows the protocol and no driver."""

from __future__ import annotations

import pytest

# Before the imports below: an assertion in a module imported earlier would fail without saying what it compared.
pytest.register_assert_rewrite("flowli_conformance.bench", "flowli_conformance.groups")

from flowli_conformance.bench import Bench, new_job, new_jobs, settlement  # noqa: E402
from flowli_conformance.driver_suite import DriverSuite  # noqa: E402
from flowli_conformance.groups.act import ActSuite  # noqa: E402
from flowli_conformance.groups.claim import ClaimSuite  # noqa: E402
from flowli_conformance.groups.close import CloseSuite  # noqa: E402
from flowli_conformance.groups.concurrency import ConcurrencySuite  # noqa: E402
from flowli_conformance.groups.enqueue import EnqueueSuite  # noqa: E402
from flowli_conformance.groups.inspect import InspectSuite  # noqa: E402
from flowli_conformance.groups.lease import LeaseSuite  # noqa: E402
from flowli_conformance.groups.listing import ListSuite  # noqa: E402
from flowli_conformance.groups.order import OrderSuite  # noqa: E402
from flowli_conformance.groups.outcomes import OutcomesSuite  # noqa: E402
from flowli_conformance.groups.records import RecordsSuite  # noqa: E402
from flowli_conformance.groups.recovery import RecoverySuite  # noqa: E402
from flowli_conformance.groups.schedule import ScheduleSuite  # noqa: E402
from flowli_conformance.groups.settle import SettleSuite  # noqa: E402
from flowli_conformance.groups.turns import TurnSuite  # noqa: E402
from flowli_conformance.groups.wait import WaitSuite  # noqa: E402
from flowli_conformance.suite import Suite  # noqa: E402

__all__ = [
    "ActSuite",
    "Bench",
    "ClaimSuite",
    "CloseSuite",
    "ConcurrencySuite",
    "DriverSuite",
    "EnqueueSuite",
    "InspectSuite",
    "LeaseSuite",
    "ListSuite",
    "OrderSuite",
    "OutcomesSuite",
    "RecordsSuite",
    "RecoverySuite",
    "ScheduleSuite",
    "SettleSuite",
    "Suite",
    "TurnSuite",
    "WaitSuite",
    "new_job",
    "new_jobs",
    "settlement",
]
