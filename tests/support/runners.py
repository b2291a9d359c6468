"""Runner processes of one's own: `flowli runner` as operators start it, with a ledger outside of the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.support.polling import eventually_sync

__all__ = ["Ledger", "RunnerProcess", "Start"]

ROOT = Path(__file__).parents[2]


class Start(NamedTuple):
    """One start of a handler."""

    at: float
    """`time.time()` in the runner's process."""
    pid: int
    job: str
    attempt: int


class Ledger:
    """What handlers did, appended to one file by all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def starts(self, *, pid: int | None = None) -> list[Start]:
        """In the order in which they were written."""
        found: list[Start] = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            at, who, job, attempt = line.split()
            found.append(Start(float(at), int(who), job, int(attempt)))
        return [one for one in found if pid is None or one.pid == pid]

    @staticmethod
    def write(path: str, job: str, attempt: int) -> None:
        """Called by handlers. One short append is atomic."""
        with open(path, "a", encoding="utf-8") as ledger:
            ledger.write(f"{time.time()} {os.getpid()} {job} {attempt}\n")


class RunnerProcess:
    """One `flowli runner` over ``tests.process.app``. It logs into a file, and is ready when it says so."""

    def __init__(
        self, folder: Path, *, url: str, ledger: Ledger, app: str = "current", options: tuple[str, ...] = ()
    ) -> None:
        self.log = folder / f"runner-{time.monotonic_ns()}.log"
        environment = {**os.environ, "FLOWLI_TEST_STORE": url, "FLOWLI_TEST_LEDGER": str(ledger.path)}
        command = [sys.executable, "-m", "flowli", "runner", f"tests.process.app:{app}", *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=log)
        eventually_sync(self._has_started, what=f"a started runner; see {self.log}")

    def _has_started(self) -> bool:
        assert self._process.poll() is None, self.said
        return "runner started" in self.said

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> float:
        """SIGKILL; when that was, as `time.time()`."""
        self._process.kill()
        self._process.wait()
        return time.time()

    def terminate(self, *, within: float) -> tuple[int, float]:
        """SIGTERM; the exit status, and how many seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=within)
        return status, time.monotonic() - began

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self.kill()
