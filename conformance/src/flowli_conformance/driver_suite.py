"""All groups in one class: what a driver inherits to prove that it keeps the whole contract."""

from __future__ import annotations

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

__all__ = ["DriverSuite"]


class DriverSuite(
    EnqueueSuite,
    TurnSuite,
    ClaimSuite,
    OrderSuite,
    WaitSuite,
    LeaseSuite,
    RecoverySuite,
    SettleSuite,
    ActSuite,
    ReplaySuite,
    DeleteSuite,
    OutcomesSuite,
    InspectSuite,
    ListSuite,
    ScheduleSuite,
    RecordsSuite,
    ConcurrencySuite,
    CloseSuite,
    LimitSuite,
    RateSuite,
    FairnessSuite,
    ExamineSuite,
    UniqueSuite,
    WorkflowSuite,
    AuditSuite,
    ProgressSuite,
    PauseSuite,
    AbilitySuite,
):
    """Every promise of `flowli.driver.Driver`. A subclass provides ``make_driver``; see `Suite`."""
