"""The boundary between core and a store: core decides, a driver persists.

What every verb keeps to, and no docstring below repeats:

* A write is one atomic step for each item, checked before its first change. Batches keep their order; answers come one
  for each item, in the same order. A driver cuts a batch that is too large for one step; the cut is visible only in
  time.
* An expected outcome is a return value. `DriverUnavailable` says whether nothing was written or that is unknown
  (``maybe_written``); either way the same call, `Turn` included, may be repeated as it was and has the effect of one.
  Core repeats; a driver and its client library do not.
* ``now`` is what the suite and the tests pass; None, the production value, is the store's own clock, read once for a
  step. An instant is compared with ``now`` wherever it matters (due at ``now`` is due, a lease that ends at ``now`` has
  ended, a record kept until ``now`` is gone): what has expired is not seen, whether or not it was swept yet.
* Ids belong to the whole namespace, whatever the queue. ``id`` alone is enough to find a job. Ids, names and keys are
  text of 1 to 200 bytes in UTF-8, without lone surrogates, and anything else may be in it.
* ``head``, ``body`` and ``memo`` are core's. A driver keeps the bytes and never reads them.
* Any verb may be called while another one waits, and be cancelled at any await: the driver stays usable. A driver
  serves one event loop of one process; `twin` is for a second loop, and after a fork every verb raises DriverClosed.
* Before `open` and after `close` every verb raises DriverClosed.
"""

from __future__ import annotations

from flowli.driver.auditing import Audits, Note
from flowli.driver.bonds import MOST_PARENTS, Bonds, OnConflict, UniqueKey, Until
from flowli.driver.examination import Examination, Examines, Fact, Finding, Severity
from flowli.driver.messages import (
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Deed,
    Disposition,
    Enqueued,
    Exchanged,
    Hold,
    Lease,
    Millis,
    NewJob,
    Overview,
    QueueView,
    Recovered,
    Renewal,
    RunnerNote,
    Seen,
    Settled,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli.driver.pauses import KeepsPauses, Pause, Paused
from flowli.driver.protocol import Ability, Driver
from flowli.driver.reports import KeepsReports, Report
from flowli.driver.throttling import LimitView, Need, Rule, Throttles

__all__ = [
    "MOST_PARENTS",
    "Ability",
    "Act",
    "Acted",
    "Audits",
    "Bonds",
    "Change",
    "Changed",
    "Claim",
    "Deed",
    "Disposition",
    "Driver",
    "Enqueued",
    "Examination",
    "Examines",
    "Exchanged",
    "Fact",
    "Finding",
    "Hold",
    "KeepsPauses",
    "KeepsReports",
    "Lease",
    "LimitView",
    "Millis",
    "Need",
    "NewJob",
    "Note",
    "OnConflict",
    "Overview",
    "Pause",
    "Paused",
    "QueueView",
    "Recovered",
    "Renewal",
    "Report",
    "Rule",
    "RunnerNote",
    "Seen",
    "Settled",
    "Settlement",
    "Severity",
    "Slice",
    "State",
    "StoredJob",
    "StoredSchedule",
    "Throttles",
    "Turn",
    "UniqueKey",
    "Until",
]
