"""`KeepsReports`, for drivers that declare it: the newest note of a running job, under its token, gone with its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flowli.driver import Ability, Hold, Lease, Report, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, new_job, new_jobs, paired, settlement
from flowli_conformance.suite import Suite

__all__ = ["ProgressSuite"]


async def _report(bench: Bench, *notes: tuple[Lease, bytes]) -> list[bool]:
    driver: Any = bench.driver
    if Ability.PROGRESS not in driver.abilities:
        pytest.skip("the driver does not declare the ability `progress`")
    held = [(Hold(lease.queue, lease.id, lease.token), note) for lease, note in notes]
    answers: Sequence[bool] = await driver.report(held, now=bench.clock)
    return paired(answers, notes, "report")


async def _newest(bench: Bench, *ids: str) -> list[Report | None]:
    driver: Any = bench.driver
    found: Sequence[Report | None] = await driver.get_reports(ids)
    return paired(found, ids, "get_reports")


class ProgressSuite(Suite):
    """What a handler says while it runs is there for who asks, and leaves nothing behind."""

    async def test_the_newest_report_is_kept(self, bench: Bench) -> None:
        [lease] = await bench.start(new_job("a"))
        assert await _report(bench, (lease, b"one")) == [True], "a lease that holds may report"
        bench.advance(1)
        assert await _report(bench, (lease, b"two")) == [True], "and again"
        assert await _newest(bench, "a") == [Report(lease.token, bench.now, b"two")], (
            "who watches a job sees its last report, since when, and of which attempt"
        )

    async def test_reports_are_read_in_the_order_asked(self, bench: Bench) -> None:
        first, second, _ = await bench.start(*new_jobs(3))
        await _report(bench, (first, b"1"), (second, b"2"))
        found = await _newest(bench, second.id, "nobody", "job-0002", first.id, second.id)
        assert [report and report.note for report in found] == [b"2", None, None, b"1", b"2"], (
            "one answer for each id: None for a job that said nothing, and for one that is unknown"
        )

    async def test_a_report_is_bytes(self, bench: Bench) -> None:
        note = bytes(range(256)) + b"\n 1 \r\n\x00"
        [lease] = await bench.start(new_job("a b\n{c}"))
        await _report(bench, (lease, note), (lease, note + b"!"))
        [found] = await _newest(bench, lease.id)
        assert found is not None and found.note == note + b"!", "nothing in a note has a meaning to a store"

    async def test_only_the_holder_reports(self, bench: Bench) -> None:
        [lost] = await bench.start(new_job("a"))
        await _report(bench, (lost, b"mine"))
        bench.advance(LEASE)
        await bench.keep_house()
        lease = await bench.lease_one("a")
        assert await _report(bench, (lost, b"stale")) == [False], "whose lease was lost has no say any more"
        [found] = await _newest(bench, "a")
        assert found is not None and (found.token, found.note) == (lost.token, b"mine"), (
            "the last report stands until the next holder's: who watches sees where the work was lost"
        )
        await _report(bench, (lease, b"new"))
        [found] = await _newest(bench, "a")
        assert found is not None and (found.token, found.note) == (lease.token, b"new"), "which replaces it"

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
    async def test_a_report_outlives_its_attempt(self, bench: Bench, state: State) -> None:
        [lease] = await bench.start(new_job("a"))
        await _report(bench, (lease, b"half"))
        await bench.settle(settlement(lease, state, delay=MINUTE))
        assert await _newest(bench, "a") == [Report(lease.token, bench.now, b"half")], (
            "a retry goes on from somewhere: the last report stands until the job is over"
        )
        assert await _report(bench, (lease, b"more")) == [False], "but its attempt is over, and says nothing more"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    @pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
    async def test_a_report_is_gone_with_the_job(self, bench: Bench, state: State, keep_for: int) -> None:
        lease, other = await bench.start(*new_jobs(2))
        await _report(bench, (lease, b"nearly"), (other, b"half"))
        await bench.settle(settlement(lease, state, keep_for=keep_for))
        gone, kept = await _newest(bench, lease.id, other.id)
        assert gone is None, "a job that is over has an outcome: what is left behind stays for ever"
        assert kept is not None, "those of others stay"
        assert await _report(bench, (lease, b"late")) == [False], "and none comes after the end"

    async def test_a_report_is_gone_with_a_job_that_is_cancelled_between_two_attempts(self, bench: Bench) -> None:
        [lease] = await bench.start(new_job("a"))
        await _report(bench, (lease, b"half"))
        await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        await bench.cancel("a")
        assert await _newest(bench, "a") == [None], "a cancellation is an end as any other"

    async def test_an_id_that_comes_again_begins_without_a_report(self, bench: Bench) -> None:
        [lease] = await bench.start(new_job("a"))
        await _report(bench, (lease, b"half"))
        await bench.settle(settlement(lease, keep_for=0))
        await bench.start(new_job("a"))
        assert await _newest(bench, "a") == [None], "the new job has said nothing"

    async def test_many_report_at_once(self, bench: Bench) -> None:
        leases = await bench.start(*new_jobs(1_200))
        assert all(await _report(bench, *((lease, lease.id.encode()) for lease in leases))), "a call may be large"
        found = await _newest(bench, *(lease.id for lease in leases))
        said = {lease.id: report and report.note.decode() for lease, report in zip(leases, found, strict=True)}
        assert [id for id, note in said.items() if note != id] == [], (
            "each note is the job's own, wherever the call was cut"
        )
