"""The conformance suite: pytest classes that a driver inherits to prove itself. It knows the protocol and no driver.

Its names are imported when they are first used: the pytest plugin lives here, and every pytest run imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flowli_conformance.bench import Bench, new_job, new_jobs, settlement
    from flowli_conformance.driver_suite import DriverSuite
    from flowli_conformance.groups.abilities import AbilitySuite
    from flowli_conformance.groups.act import ActSuite
    from flowli_conformance.groups.audit import AuditSuite
    from flowli_conformance.groups.claim import ClaimSuite
    from flowli_conformance.groups.close import CloseSuite
    from flowli_conformance.groups.concurrency import ConcurrencySuite
    from flowli_conformance.groups.delete import DeleteSuite
    from flowli_conformance.groups.enqueue import EnqueueSuite
    from flowli_conformance.groups.examine import ExamineSuite
    from flowli_conformance.groups.fairness import FairnessSuite
    from flowli_conformance.groups.inspect import InspectSuite
    from flowli_conformance.groups.lease import LeaseSuite
    from flowli_conformance.groups.limits import LimitSuite
    from flowli_conformance.groups.listing import ListSuite
    from flowli_conformance.groups.order import OrderSuite
    from flowli_conformance.groups.outcomes import OutcomesSuite
    from flowli_conformance.groups.pauses import PauseSuite
    from flowli_conformance.groups.progress import ProgressSuite
    from flowli_conformance.groups.rates import RateSuite
    from flowli_conformance.groups.records import RecordsSuite
    from flowli_conformance.groups.recovery import RecoverySuite
    from flowli_conformance.groups.replay import ReplaySuite
    from flowli_conformance.groups.schedule import ScheduleSuite
    from flowli_conformance.groups.settle import SettleSuite
    from flowli_conformance.groups.turns import TurnSuite
    from flowli_conformance.groups.unique import UniqueSuite
    from flowli_conformance.groups.wait import WaitSuite
    from flowli_conformance.groups.workflows import WorkflowSuite
    from flowli_conformance.suite import Suite

__all__ = [
    "AbilitySuite",
    "ActSuite",
    "AuditSuite",
    "Bench",
    "ClaimSuite",
    "CloseSuite",
    "ConcurrencySuite",
    "DeleteSuite",
    "DriverSuite",
    "EnqueueSuite",
    "ExamineSuite",
    "FairnessSuite",
    "InspectSuite",
    "LeaseSuite",
    "LimitSuite",
    "ListSuite",
    "OrderSuite",
    "OutcomesSuite",
    "PauseSuite",
    "ProgressSuite",
    "RateSuite",
    "RecordsSuite",
    "RecoverySuite",
    "ReplaySuite",
    "ScheduleSuite",
    "SettleSuite",
    "Suite",
    "TurnSuite",
    "UniqueSuite",
    "WaitSuite",
    "WorkflowSuite",
    "new_job",
    "new_jobs",
    "settlement",
]

_HOMES = {
    "AbilitySuite": "groups.abilities",
    "ActSuite": "groups.act",
    "AuditSuite": "groups.audit",
    "Bench": "bench",
    "ClaimSuite": "groups.claim",
    "CloseSuite": "groups.close",
    "ConcurrencySuite": "groups.concurrency",
    "DeleteSuite": "groups.delete",
    "DriverSuite": "driver_suite",
    "EnqueueSuite": "groups.enqueue",
    "ExamineSuite": "groups.examine",
    "FairnessSuite": "groups.fairness",
    "InspectSuite": "groups.inspect",
    "LeaseSuite": "groups.lease",
    "LimitSuite": "groups.limits",
    "ListSuite": "groups.listing",
    "OrderSuite": "groups.order",
    "OutcomesSuite": "groups.outcomes",
    "RateSuite": "groups.rates",
    "PauseSuite": "groups.pauses",
    "ProgressSuite": "groups.progress",
    "RecordsSuite": "groups.records",
    "RecoverySuite": "groups.recovery",
    "ReplaySuite": "groups.replay",
    "ScheduleSuite": "groups.schedule",
    "SettleSuite": "groups.settle",
    "Suite": "suite",
    "TurnSuite": "groups.turns",
    "UniqueSuite": "groups.unique",
    "WaitSuite": "groups.wait",
    "WorkflowSuite": "groups.workflows",
    "new_job": "bench",
    "new_jobs": "bench",
    "settlement": "bench",
}

# Before anybody imports them: otherwise an assertion in them would fail without saying what it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in ("bench", "groups", "model")))


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
