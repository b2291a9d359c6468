"""One driver object, many event loops: who holds it open, and the twin that each further loop uses.

It knows loops, forks and when a driver is opened and closed. It refuses to know what is asked of it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from flowli.driver import Driver

__all__ = ["Hub", "close_idle", "hub_of"]


@dataclass(eq=False, slots=True)
class _Station:
    """The driver of one loop."""

    driver: Driver
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the driver is opened or closed, which never happen at the same time."""
    is_open: bool = False
    holders: int = 0
    closes: bool = True
    """Whether the last holder closes it."""


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
        ready = self.ready()
        if ready is not None:
            return ready
        async with self._moving() as station:
            return await self._opened(station)

    async def hold(self, *, certain: bool = False) -> Driver:
        """As `here`, and keep it open until as many `release`.

        The last of them closes it; one that was open before anybody held it, only if one of them was ``certain``: who
        opened it on first use may still wait for something.
        """
        async with self._moving() as station:
            if station.holders == 0:
                station.closes = not station.is_open
            station.closes = station.closes or certain
            driver = await self._opened(station)
            station.holders += 1
            return driver

    async def release(self) -> None:
        """Undo one `hold` of this loop."""
        loop = asyncio.get_running_loop()
        station = self._stations.get(loop)
        if station is None:
            return
        station.holders -= 1
        async with station.moving:
            if station.holders <= 0 and station.closes and station.is_open:
                station.is_open = False
                try:
                    await station.driver.close()
                finally:
                    self._forget(loop, station)

    async def close_idle(self) -> None:
        """Close what was opened for this loop on first use, if nobody holds it."""
        if self.ready() is not None:
            await self.hold(certain=True)
            await self.release()

    @asynccontextmanager
    async def _moving(self) -> AsyncGenerator[_Station]:
        """The running loop's station, which nobody else opens or closes meanwhile."""
        while True:
            station = self._station()
            async with station.moving:
                if self._station() is station:  # else it was left and forgotten while this call waited
                    yield station
                    return

    async def _opened(self, station: _Station) -> Driver:
        if not station.is_open:
            await station.driver.open()
            station.is_open = True
        return station.driver

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

    def _forget(self, loop: asyncio.AbstractEventLoop, station: _Station) -> None:
        with self._lock:
            if self._stations.get(loop) is station:
                del self._stations[loop]
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


async def close_idle() -> None:
    """Close every driver that was opened for the running loop on first use, and that nobody holds."""
    for hub in list(_hubs.values()):
        await hub.close_idle()
