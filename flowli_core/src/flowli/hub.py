"""One driver object, many event loops: who holds it open, and the twin that each further loop uses.

It knows loops, forks and when a driver is opened and closed. It refuses to know what is asked of it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from flowli.driver import Driver

__all__ = ["Hub", "hub_of"]


@dataclass(eq=False, slots=True)
class _Station:
    """The driver of one loop."""

    driver: Driver
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_open: bool = False
    holders: int = 0


class Hub:
    """Hands each event loop an open driver: the user's own to the first, twins to the others."""

    def __init__(self, driver: Driver) -> None:
        self._root = driver
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._stations: dict[asyncio.AbstractEventLoop, _Station] = {}
        self._root_is_taken = False

    def ready(self) -> Driver | None:
        """The running loop's driver if it is open already."""
        station = self._stations.get(asyncio.get_running_loop())
        return station.driver if station is not None and station.is_open and self._pid == os.getpid() else None

    async def here(self) -> Driver:
        """The running loop's driver, opened on first use."""
        return self.ready() or (await self._opened()).driver

    async def hold(self) -> Driver:
        """As `here`, and keep it open until as many `release`."""
        station = await self._opened()
        station.holders += 1
        return station.driver

    async def release(self) -> None:
        """Undo one `hold`; the last one of this loop closes its driver."""
        loop = asyncio.get_running_loop()
        station = self._stations.get(loop)
        if station is None:
            return
        station.holders -= 1
        if station.holders <= 0:
            self._forget(loop)
            station.is_open = False
            await station.driver.close()

    async def _opened(self) -> _Station:
        station = self._station()
        if not station.is_open:
            async with station.opening:
                if not station.is_open:
                    await station.driver.open()
                    station.is_open = True
        return station

    def _station(self) -> _Station:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._pid != os.getpid():  # a fork: what was open belongs to the parent
                self._pid, self._root_is_taken = os.getpid(), True
                self._stations.clear()
            station = self._stations.get(loop)
            if station is None:
                for dead in [known for known in self._stations if known.is_closed()]:
                    del self._stations[dead]
                station = _Station(self._root.twin() if self._root_is_taken else self._root)
                self._root_is_taken = True
                self._stations[loop] = station
            return station

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            station = self._stations.pop(loop)
            if station.driver is self._root:
                self._root_is_taken = False


_hubs: WeakValueDictionary[int, Hub] = WeakValueDictionary()
_hubs_lock = threading.Lock()


def hub_of(driver: Driver) -> Hub:
    """The hub of a driver object, shared by all runtimes that use it."""
    with _hubs_lock:
        # By identity: a hub holds its driver, so the number cannot be another object's while the hub lives.
        found = _hubs.get(id(driver))
        if found is None:
            found = _hubs[id(driver)] = Hub(driver)
        return found
