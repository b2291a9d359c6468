"""Where a process spends its CPU time: its stack once a millisecond of it, counted by function.

`benchmarks.ledger` begins it in each Python process whose environment names a file. It knows frames; it refuses to know
what is executed. Time in compiled code counts for the function that called it. Only the standard library.
"""

from __future__ import annotations

import atexit
import json
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType

__all__ = ["ELSEWHERE", "VARIABLE", "begin"]

VARIABLE = "BENCH_PROFILE"
"""The environment variable that names the file."""

ELSEWHERE = "(threads of compiled code)"
"""What stands for CPU time that was not the main thread's."""

_EVERY = 0.001
_KEPT_EACH = 50
_IMPORTING = "<frozen importlib._bootstrap>"


class _Counts:
    """Samples by function: where the process was, and below which functions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: Counter[str] = Counter()
        self._below: Counter[str] = Counter()
        self._taken = 0

    def take(self, _: int, frame: FrameType | None) -> None:
        """One sample; what imports is not counted."""
        stack = list[str]()
        while frame is not None:
            if frame.f_code.co_filename == _IMPORTING:
                return
            stack.append(_place_of(frame))
            frame = frame.f_back
        self._own[stack[0]] += 1
        self._below.update(set(stack))
        self._taken += 1
        if self._taken % _KEPT_EACH == 1:  # who is killed has no later moment
            self.keep()

    def end(self) -> None:
        """No more signals: an interpreter that ends has no handlers, and would die of one."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        self.keep()

    def keep(self) -> None:
        """Write what was counted until now."""
        here = min(1.0, time.thread_time() / max(time.process_time(), _EVERY)) if self._taken else 1.0
        shares = {ELSEWHERE: (1 - here, 1 - here)}
        for place, own in self._own.most_common(40):
            shares[place] = here * own / self._taken, here * self._below[place] / self._taken
        self._path.write_text(json.dumps(shares), encoding="utf-8")


def begin(path: Path) -> None:
    """Sample from now on; shares of the CPU time go to the file: ``{function: [itself, with what it calls]}``."""
    counts = _Counts(path)
    counts.keep()
    atexit.register(counts.end)
    signal.signal(signal.SIGPROF, counts.take)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)


def _place_of(frame: FrameType) -> str:
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    return f"{module}.{code.co_qualname}"
