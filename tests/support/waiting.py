"""How long processes stood ready and got no processor: what a busy machine owes them, and a bound may be stretched by.

It knows `/proc`. It refuses to guess: where the kernel does not count, nothing is owed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["owed_between", "waited"]


def waited(pids: Iterable[int]) -> Mapping[int, float]:
    """Seconds that the threads of each process have waited for a processor so far, of the thread that did longest."""
    found: dict[int, float] = {}
    for pid in pids:
        for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                found[pid] = max(found.get(pid, 0.0), int(stat.read_text().split()[1]) / 1e9)
    return found


def owed_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Seconds, of all processes together: they wait for each other in a row."""
    return sum(max(0.0, seconds - before.get(pid, 0.0)) for pid, seconds in after.items())
