"""Which call of which sender an enqueue is, so that a repeat after a lost reply can be told from a new one.

It hands out `Turn`s; it refuses to know what is sent.
"""

from __future__ import annotations

import os
import threading

from flowli.driver import Turn
from flowli.ids import make_id

__all__ = ["Turns"]


class Turns:
    """Senders that are free, each with the number of its last turn. A sender has one call under way at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Turn] = []
        self._pid = os.getpid()

    def take(self) -> Turn:
        """A turn that nobody else has; `give_back` it when its call has ended, however it ended."""
        with self._lock:
            if self._pid != os.getpid():  # a fork must not speak as its parent's senders
                self._free, self._pid = [], os.getpid()
            if not self._free:
                return Turn(make_id(), 1)
            last = self._free.pop()
        return Turn(last.sender, last.number + 1)

    def give_back(self, turn: Turn) -> None:
        """The call has ended: its sender may be used for the next one."""
        with self._lock:
            self._free.append(turn)
