"""Watching a job that runs: its reports, one after the other, until it has ended.

It knows reports and outcomes. It refuses to know who writes them (`flowli.reporting`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from flowli.core import Core
from flowli.driver import KeepsReports, Report
from flowli.durations import millis_to_instant
from flowli.errors import StrategyError
from flowli.progress import decode_progress
from flowli.records import Progress
from flowli.repeat import repeat
from flowli.reporting import reports_of
from flowli.wire import Unreadable

__all__ = ["follow", "newest"]


async def newest(core: Core, id: str, what: str) -> Progress | None:
    """What the job reported last, if it is under way."""
    reports = await _reports(core, what)
    [found] = await repeat(lambda: reports.get_reports([id]))
    return None if found is None else _read(found)


async def follow(core: Core, id: str, every_s: float) -> AsyncGenerator[Progress]:
    """Each report that is newer than the last one seen. The store is asked each ``every_s`` seconds, and tells of the
    end by itself."""
    driver, reports = await core.driver("progress()"), await _reports(core, "progress()")
    ended = asyncio.ensure_future(core.watches.here().outcome(driver, id))
    last: Report | None = None
    try:
        while not ended.done():
            [found] = await repeat(lambda: reports.get_reports([id]))
            if found is not None and found != last:
                last = found
                if (progress := _read(found)) is not None:
                    yield progress
            await asyncio.wait({ended}, timeout=every_s)
        ended.result()
    finally:
        ended.cancel()


async def _reports(core: Core, what: str) -> KeepsReports:
    reports = reports_of(await core.driver(what))
    if reports is None:
        raise StrategyError(f"{what} needs a driver with the ability 'progress', which {core.driver_name} has not.")
    return reports


def _read(report: Report) -> Progress | None:
    try:
        fraction, message = decode_progress(report.note)
    except Unreadable:  # of a newer format
        return None
    return Progress(fraction=fraction, message=message, reported_at=millis_to_instant(report.at))
