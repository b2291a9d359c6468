"""What was executed, kept in a file that all processes map: for each job how often, and when it was last.

It knows numbers of jobs and a clock; it refuses to know queues and stores, so that no contestant can count for itself.
Only the standard library: it is imported in the environment of every contestant.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

from benchmarks import sampler

__all__ = ["VARIABLE", "Ledger", "done"]

VARIABLE = "BENCH_LEDGER"
"""The environment variable that tells a worker where the ledger is."""

_STAMP = struct.calcsize("d")


class Ledger:
    """``size`` stamps of 8 bytes (seconds of the monotonic clock, shared by all processes), then ``size`` counts of 1.

    `make` begins an empty one; the constructor maps one that is there.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.path = path
        self.size = len(self._map) // (_STAMP + 1)
        whole = memoryview(self._map)
        self.stamps = whole[: self.size * _STAMP].cast("d")
        self.counts = whole[self.size * _STAMP :]

    @classmethod
    def make(cls, path: Path, size: int) -> Ledger:
        path.write_bytes(bytes(size * (_STAMP + 1)))
        return cls(path)

    def clear(self) -> None:
        """Forget what was executed."""
        self._map[:] = bytes(len(self._map))

    def executed(self, first: int, count: int) -> int:
        """How many of these jobs were executed at least once."""
        return count - bytes(self.counts[first : first + count]).count(0)

    def executions(self, first: int, count: int) -> int:
        """How often they were executed in all."""
        return sum(self.counts[first : first + count])

    def times(self, first: int, count: int) -> list[float]:
        """When each of them was last executed; 0.0 for one that was not."""
        return list(self.stamps[first : first + count])


def done(number: int) -> None:
    """Called by handlers: job ``number`` has been executed."""
    _counts[number] += 1
    _stamps[number] = _now()


_now = time.monotonic
if VARIABLE in os.environ:
    _own = Ledger(Path(os.environ[VARIABLE]))
    _counts, _stamps = _own.counts, _own.stamps
if sampler.VARIABLE in os.environ:
    sampler.begin(Path(os.environ[sampler.VARIABLE]))
