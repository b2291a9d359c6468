"""What became of each job of a soak: their records are read while they are kept, so that the store may forget them.

It knows ids and records. It refuses to judge.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from flowli import DriverError
from flowli.reading import read_job
from flowli.records import JobRecord
from tests.faults.app import New
from tests.faults.checker import UNKEPT
from tests.support.ledger import Ledger

__all__ = ["Collector"]

_EVERY_S = 5.0
_BATCH = 1_000


class Collector:
    """Reads the ledger as it grows, and each job's record until it is terminal."""

    def __init__(self, app: New, ledger: Ledger) -> None:
        self.records: dict[str, JobRecord] = {}
        """The last that was seen of each job."""
        self._app = app
        self._file = ledger.path.open(encoding="utf-8")
        self._open: dict[str, None] = {}

    async def go_on(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            with suppress(DriverError):
                await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Read what was acknowledged since, and the records of all that was not over."""
        self._read_ledger()
        driver = await self._app.__flowli__.driver("a soak")
        ids = list(self._open)
        for at in range(0, len(ids), _BATCH):
            batch = ids[at : at + _BATCH]
            for id, stored in zip(batch, await driver.get_jobs(batch), strict=True):
                if stored is None:
                    continue
                self.records[id] = read_job(replace(stored, body=None))
                if stored.state.is_terminal:
                    del self._open[id]

    def _read_ledger(self) -> None:
        for line in self._file:
            kind, _, id, *_ = line.split()
            if kind == "A" and not id.startswith(UNKEPT):
                self._open[id] = None
