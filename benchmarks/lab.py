"""One cell of a measure: a fresh server, a fresh ledger and a producer, and workers that can be watched.

It knows how to wait for executions and that each job has to be executed once; it refuses to know what is measured.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks import sampler
from benchmarks.contestants import Contestant
from benchmarks.ledger import Ledger
from benchmarks.processes import ProducerProcess, WorkerProcess, environment
from benchmarks.servers import Server

__all__ = ["Cell", "Lab", "Lost"]

_POLL = 0.005


class Lost(Exception):
    """Jobs that were enqueued and not executed, or executed more than once."""


@dataclass(frozen=True, slots=True)
class Lab:
    """``scale`` shrinks counts and times: 1.0 is the full mode. ``patience`` is how many seconds may pass without a new
    execution before the jobs that are left count as lost."""

    binary: Path
    scale: float = 1.0
    patience: float = 30.0

    def jobs(self, full: int, least: int = 100) -> int:
        """A count of jobs, in whole hundreds."""
        return max(least, round(full * self.scale / 100) * 100)

    def seconds(self, full: float) -> float:
        return max(0.2, full * math.sqrt(self.scale))


class Cell:
    """A context manager. ``settings`` is ``tuned`` or ``defaults``; the ledger has room for ``size`` jobs.

    With ``profiled``, ``producer`` or ``worker``, that process is sampled, and `shares` tells where its time went."""

    def __init__(
        self, lab: Lab, contestant: Contestant, size: int, settings: str = "tuned", *, profiled: str = ""
    ) -> None:
        self._lab, self._contestant, self._size, self._settings = lab, contestant, size, settings
        self._profiled = profiled

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="flowli-bench-")
        self.ledger = Ledger.make(Path(self._folder.name) / "ledger", self._size)
        self.server = Server(self._lab.binary).__enter__()
        self._env = environment(self._contestant, self.server.url, self.ledger.path, self._settings)
        try:
            self.producer = ProducerProcess(self._contestant, self._env | self._sampling("producer"))
        except BaseException:
            self.server.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.producer.__exit__()
        finally:
            self.server.__exit__()
            self._folder.cleanup()

    def worker(self, *, asleep: bool = False) -> WorkerProcess:
        """A worker with the settings of the cell; ``asleep`` is for jobs that sleep."""
        one = self._contestant
        command = one.defaults if self._settings.startswith("defaults") and one.defaults else one.worker
        env = self._env | self._sampling("worker")
        return WorkerProcess(one, command, env, one.sleep_concurrency if asleep else one.concurrency)

    def shares(self) -> dict[str, tuple[float, float]]:
        """Of the CPU time of what is profiled, by function: itself, and with what it calls."""
        found: dict[str, tuple[float, float]] = json.loads(self._samples.read_text(encoding="utf-8"))
        return found

    @property
    def _samples(self) -> Path:
        return Path(self._folder.name) / "samples"

    def _sampling(self, process: str) -> dict[str, str]:
        return {sampler.VARIABLE: str(self._samples)} if process == self._profiled else {}

    def warm(self, count: int) -> None:
        """Enqueue and execute ``count`` jobs, from 0 on, and end the worker: caches are warm, scripts are loaded."""
        self.producer.ask("fill", first=0, limit=count)
        with self.worker() as worker:
            self.wait(0, count, [worker])

    def wait(
        self,
        first: int,
        count: int,
        workers: Sequence[WorkerProcess],
        *,
        enough: int | None = None,
        patience: float | None = None,
    ) -> None:
        """Until ``enough`` of these jobs (all, by default) were executed. Raises Lost when nothing goes on."""
        seen, since, enough = 0, time.monotonic(), count if enough is None else enough
        while (executed := self.ledger.executed(first, count)) < enough:
            if executed > seen:
                seen, since = executed, time.monotonic()
            elif time.monotonic() - since > (self._lab.patience if patience is None else patience):
                raise Lost(f"{count - executed:,} of {count:,} jobs were not executed; {workers[0].said}")
            for worker in workers:
                worker.check()
            time.sleep(_POLL)

    def stamps(self, first: int, count: int) -> list[float]:
        """When the executed ones of these jobs were executed, in order of time."""
        return sorted(stamp for stamp in self.ledger.times(first, count) if stamp)

    def check_once(self, first: int, count: int) -> float:
        """Executions for each job, at the end of a run. Raises Lost when one is missing."""
        if self.ledger.executed(first, count) < count:
            raise Lost(f"{count - self.ledger.executed(first, count):,} of {count:,} jobs were not executed")
        return self.ledger.executions(first, count) / count
