"""What handlers say while they run, on its way to the store: the newest of each, in as few calls as will do.

It knows the driver's reports. It refuses to hold up a handler, and to fail one: a report that is lost is one less.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from flowli.driver import Ability, Driver, Hold, KeepsReports
from flowli.errors import DriverError
from flowli.journal import logger

__all__ = ["Reporter", "reports_of"]

_BETWEEN_S = 0.2
"""Between two calls to the store: who watches progress sees no more, and a handler may report in a tight loop."""


def reports_of(driver: Driver) -> KeepsReports | None:
    """The driver as one that keeps reports; None where it does not."""
    return cast("KeepsReports", driver) if Ability.PROGRESS in driver.abilities else None


class Reporter:
    """Sends what the handlers of one runner report; made in its event loop."""

    def __init__(self, driver: Driver) -> None:
        self._reports = reports_of(driver)
        self._loop = asyncio.get_running_loop()
        self._newest: dict[Hold, bytes] = {}
        self._sending: asyncio.Task[None] | None = None
        self._is_closed = False

    def report(self, hold: Hold, note: bytes) -> None:
        """Send this, unless something newer comes first. From any thread."""
        if self._reports is not None:
            with suppress(RuntimeError):  # a thread that was left behind, after the loop was closed
                self._loop.call_soon_threadsafe(self._take, hold, note, self._reports)

    def _take(self, hold: Hold, note: bytes, reports: KeepsReports) -> None:
        if self._is_closed:  # of a thread that was left behind
            return
        self._newest[hold] = note
        if self._sending is None:
            self._sending = self._loop.create_task(self._send(reports), name="flowli-reports")
            self._sending.add_done_callback(self._ended)

    def _ended(self, sending: asyncio.Task[None]) -> None:
        self._sending = None
        if not sending.cancelled() and (error := sending.exception()) is not None:
            logger.error("reports of progress could not be sent: %s", type(error).__name__)

    async def _send(self, reports: KeepsReports) -> None:
        while self._newest:
            notes, self._newest = self._newest, {}
            try:
                await reports.report(list(notes.items()))
            except DriverError as exc:
                logger.debug("reports of progress were lost: %s", exc)
            await asyncio.sleep(_BETWEEN_S)

    async def close(self) -> None:
        """Send nothing more."""
        self._is_closed = True
        self._newest.clear()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
