"""Waiting for jobs to end: one call of `Driver.outcomes` serves every waiting handle of an event loop.

It knows ids and futures. It refuses to know what an outcome means (`flowli.handles`).
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from flowli.driver import Driver, Millis, StoredJob
from flowli.errors import DriverUnavailable
from flowli.repeat import wait_before

__all__ = ["Watch", "Watches"]

_WAIT = Millis(30_000)

_Found = StoredJob | None


class Watch:
    """The waiting handles of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[_Found]]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def outcome(self, driver: Driver, id: str) -> _Found:
        """The terminal job, or None where there is no record; waits for as long as the caller does."""
        future: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(id, []).append(future)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(driver), name="flowli-outcomes")
        try:
            return await future
        finally:
            self._drop(id, future)

    def _drop(self, id: str, future: asyncio.Future[_Found]) -> None:
        waiting = self._waiting.get(id, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[id]
            self._changed.set()

    async def _serve(self, driver: Driver) -> None:
        repetition = 0
        try:
            while self._waiting:
                try:
                    self._tell(await self._ask(driver))
                    repetition = 0
                except DriverUnavailable:
                    repetition += 1
                    await asyncio.sleep(wait_before(repetition))
        except Exception as exc:  # whoever waits gets it: there is nobody else to tell
            for future in [future for waiting in self._waiting.values() for future in waiting]:
                if not future.done():
                    future.set_exception(exc)

    async def _ask(self, driver: Driver) -> dict[str, _Found]:
        """One call for all that wait; given up when somebody comes or goes, as the next one asks for others."""
        self._changed.clear()
        call = asyncio.ensure_future(driver.outcomes(tuple(self._waiting), wait=_WAIT))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({call, changed}, return_when=asyncio.FIRST_COMPLETED)
            return dict(call.result()) if call.done() else {}
        finally:
            changed.cancel()
            if not call.done():
                call.cancel()
                await asyncio.wait({call})

    def _tell(self, found: dict[str, _Found]) -> None:
        for id, stored in found.items():
            for future in self._waiting.get(id, ()):
                if not future.done():
                    future.set_result(stored)
            self._waiting.pop(id, None)


class Watches:
    """A `Watch` for each event loop."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()

    def here(self) -> Watch:
        """The running loop's own."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = Watch()
        return found
