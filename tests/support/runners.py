"""Runner processes of one's own: `flowli runner` as operators start it, in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.polling import eventually, eventually_sync

__all__ = ["ROOT", "RunnerProcess"]

ROOT = Path(__file__).parents[2]
_SIGTERM = signal.SIGTERM


class RunnerProcess:
    """One `flowli runner APP`. It logs into a file, and is ready when it says so (`ready`)."""

    def __init__(
        self,
        folder: Path,
        app: str,
        *,
        options: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.log = folder / f"runner-{time.monotonic_ns()}.log"
        command = [python, "-m", "flowli", "runner", app, *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.expected_to_end: bool = False
        """Whether a test ended it, or has it end."""

    def _has_started(self) -> bool:
        """AssertionError: it ended, and never said so. One that has started may have died since: a deadly job."""
        has_ended = self._process.poll() is not None  # before its last words are read
        if "runner started" in self.said:
            return True
        assert not has_ended, self.said
        return False

    async def ready(self) -> RunnerProcess:
        """Itself, once it says that it has started."""

        async def started() -> bool:
            return self._has_started()

        await eventually(started, within=50, what=f"a started runner; see {self.log}")
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status; None while it lives."""
        return self._process.poll()

    @property
    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8")

    @property
    def pids(self) -> list[int]:
        """Of every process of its session: children may have left its process group, not its session."""
        found: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.pid:
                    found.append(int(stat.parent.name))
        return found

    def signal(self, number: signal.Signals) -> None:
        """To every process of its session."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> float:
        """SIGKILL; when that was, as `time.monotonic()`."""
        self.expected_to_end = True
        at = time.monotonic()
        self.signal(signal.SIGKILL)
        self._process.wait()
        return at

    def ask_to_end(self, by: int = _SIGTERM) -> float:
        """Send that signal; when that was, as `time.monotonic()`."""
        self.expected_to_end = True
        at = time.monotonic()
        self._process.send_signal(by)
        return at

    def terminate(self, *, within: float) -> tuple[int, float]:
        """SIGTERM; the exit status, and how many seconds it took."""
        began = self.ask_to_end()
        return self._process.wait(timeout=within), time.monotonic() - began

    async def ended(self, *, within: float = 30.0) -> int:
        """Its exit status, once it has ended."""

        async def gone() -> bool:
            return self._process.poll() is not None

        await eventually(gone, within=within, what="the end of a runner")
        return self._process.wait()

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self.kill()
            eventually_sync(lambda: not self.pids, what="the end of a session")
