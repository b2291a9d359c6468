"""What producers, handlers and the trouble-maker did, in one file outside of the store that all processes append to.

It knows lines and when each was written, by the monotonic clock that all processes of one machine share. It refuses to
judge: that is the checker's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["History", "Ledger", "Run", "Window"]


class Run(NamedTuple):
    """One execution of a handler."""

    job: str
    attempt: int
    token: int
    pid: int
    began: float
    ended: float | None = None
    """None: its process died, or it goes on."""
    outcome: str = ""
    """``done``, ``raised`` or ``stopped`` (by a cancellation)."""


class Window(NamedTuple):
    """One trouble, from its beginning to its end."""

    kind: str
    target: str
    """A pid, or what it was done to."""
    began: float
    ended: float


class History(NamedTuple):
    """All that was written so far."""

    intended: frozenset[str]
    acknowledged: frozenset[str]
    unsure: frozenset[str]
    runs: Sequence[Run]
    """In the order in which they began."""
    windows: Sequence[Window]

    def runs_of(self, job: str | None = None, *, pid: int | None = None) -> list[Run]:
        """Those of one job, of one process, or both."""
        return [run for run in self.runs if job in (None, run.job) and pid in (None, run.pid)]


class Ledger:
    """Lines of a letter, the second at which it was written, and words. Each is one short append, which is atomic.

    ``I id`` an enqueue is about to be sent, ``A id`` it was acknowledged, ``U id`` whether it was stored is unknown;
    ``S id attempt token pid`` a handler started, ``E id token pid outcome`` it ended; ``N kind target began ended``.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.touch()

    def _write(self, *words: object) -> None:
        kind, *rest = words
        line = " ".join(map(str, [kind, f"{time.monotonic():.6f}", *rest]))
        number = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(number, f"{line}\n".encode())
        finally:
            os.close(number)

    def intends(self, *jobs: str) -> None:
        """These are about to be enqueued."""
        for job in jobs:
            self._write("I", job)

    def stored(self, *jobs: str) -> None:
        """Their enqueue was acknowledged."""
        for job in jobs:
            self._write("A", job)

    def unsure(self, *jobs: str) -> None:
        """Their enqueue ended in EnqueueUnknown."""
        for job in jobs:
            self._write("U", job)

    def started(self, job: str, attempt: int, token: int) -> None:
        """A handler starts."""
        self._write("S", job, attempt, token, os.getpid())

    def ended(self, job: str, token: int, outcome: str) -> None:
        """It ends, one way or another."""
        self._write("E", job, token, os.getpid(), outcome)

    @contextmanager
    def trouble(self, kind: str, target: object = "-") -> Generator[None]:
        """The length of a block, as a window of trouble."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.troubled(kind, target, began, time.monotonic())

    def troubled(self, kind: str, target: object, began: float, ended: float) -> None:
        """There was trouble from ``began`` to ``ended`` (monotonic seconds)."""
        self._write("N", kind, target, f"{began:.6f}", f"{ended:.6f}")

    def read(self) -> History:
        """What stands there now."""
        ids: dict[str, set[str]] = {"I": set(), "A": set(), "U": set()}
        runs: dict[tuple[str, str, str], Run] = {}
        windows: list[Window] = []
        whole, _, _ = self.path.read_text(encoding="utf-8").rpartition("\n")  # the last line may be half there
        for line in whole.splitlines():
            kind, at, *rest = line.split()
            if kind in ids:
                ids[kind].add(rest[0])
            elif kind == "S":
                job, attempt, token, pid = rest
                runs[job, token, pid] = Run(job, int(attempt), int(token), int(pid), float(at))
            elif kind == "E":
                job, token, pid, outcome = rest
                runs[job, token, pid] = runs[job, token, pid]._replace(ended=float(at), outcome=outcome)
            else:
                windows.append(Window(rest[0], rest[1], float(rest[2]), float(rest[3])))
        stored, unsure = frozenset(ids["A"]), frozenset(ids["U"])
        return History(frozenset(ids["I"]), stored, unsure - stored, list(runs.values()), windows)
