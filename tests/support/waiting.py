"""A bound in seconds that does not judge the machine: what processes waited for a processor is added to it.

It knows `/proc`. It refuses to guess: where the kernel does not count, nothing is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["Bound"]


class Bound:
    """So many seconds from now on, and what the processes were kept waiting meanwhile: one after the other, since each
    waits for what the one before it does."""

    def __init__(self, seconds: float, pids: Callable[[], Iterable[int]]) -> None:
        self._seconds = seconds
        self._pids = pids
        self._before = _waited(pids())

    @property
    def seconds(self) -> float:
        """As of now."""
        after = _waited(self._pids())
        return self._seconds + sum(waited - self._before.get(pid, 0.0) for pid, waited in after.items())


def _waited(pids: Iterable[int]) -> Mapping[int, float]:
    """Seconds for which a thread of each process stood ready and was not run: of the thread that waited longest."""
    found: dict[int, float] = {}
    for pid in pids:
        for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                found[pid] = max(found.get(pid, 0.0), int(stat.read_text().split()[1]) / 1e9)
    return found
