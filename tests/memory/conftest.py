"""An open memory driver for each test, on the real clock and on one that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flowli_memory import ManualClock, MemoryDriver
from tests.memory.work import opened


@pytest.fixture
async def driver() -> AsyncIterator[MemoryDriver]:
    """A driver that goes by the wall clock."""
    async with opened(MemoryDriver()) as driver:
        yield driver


@pytest.fixture
def clock() -> ManualClock:
    """The clock of `timed`."""
    return ManualClock()


@pytest.fixture
async def timed(clock: ManualClock) -> AsyncIterator[MemoryDriver]:
    """A driver that goes by `clock`."""
    async with opened(MemoryDriver(clock=clock)) as driver:
        yield driver
