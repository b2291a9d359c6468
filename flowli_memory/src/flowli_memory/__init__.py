"""The memory driver of Flowli: all that a driver promises, without a server. It refuses to outlive its process."""

from __future__ import annotations

from flowli_memory.clock import Clock, ManualClock
from flowli_memory.driver import MemoryDriver

__all__ = ["Clock", "ManualClock", "MemoryDriver"]
