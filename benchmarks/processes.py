"""The processes of a contestant: one that enqueues, some that work; what they cost, and their end.

It knows process ids, CPU time and memory; it refuses to know stores.
"""
# pyright: reportMissingModuleSource=false

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

import psutil

from benchmarks.contestants import Contestant, Kind
from benchmarks.environments import ROOT, bin_of
from benchmarks.ledger import VARIABLE

__all__ = ["Footprint", "ProducerProcess", "WorkerProcess", "environment"]

_PATIENCE = 15.0
"""Seconds that a worker has for its end, after SIGTERM."""
_LONGEST_CALL = 300.0
"""Seconds after which a producer that has not answered counts as hanging."""


def environment(contestant: Contestant, url: str, ledger: Path, settings: str) -> dict[str, str]:
    """What the processes of a contestant are told: nothing of what this process was told about Python."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    told = {"BENCH_URL": url, VARIABLE: str(ledger), "BENCH_SETTINGS": settings, "PYTHONPATH": str(ROOT)}
    return {**plain, **told, "NODE_PATH": f"{bin_of(contestant)}/node_modules"}


class Footprint(NamedTuple):
    """Of a worker and its children."""

    cpu: float
    """Seconds since the start."""
    rss: int
    """Bytes."""
    processes: int


class ProducerProcess:
    """A context manager; `ask` does one thing at a time."""

    def __init__(self, contestant: Contestant, env: dict[str, str]) -> None:
        where = bin_of(contestant)
        if contestant.kind is Kind.NODE:
            command = ["node", contestant.adapter, "produce"]
        else:
            command = [f"{where}/python", "-m", "benchmarks.producer", contestant.adapter]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        hello = self._answer()
        self.imported: float = hello["import"]
        """Seconds that the import of the adapter, and so of its library, took."""
        self.abilities: list[str] = hello["abilities"]
        """Which of the calls that not every contestant has its adapter has: ``bulk``, ``later``, ``every``."""

    def ask(self, do: str, **arguments: float) -> dict[str, Any]:
        """Raises RuntimeError, with what the process said, when it ended or hangs instead of answering."""
        channel = cast("IO[str]", self._process.stdin)
        channel.write(json.dumps({"do": do, **arguments}) + "\n")
        channel.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        channel = cast("IO[str]", self._process.stdout)
        # One line for each question: nothing is left in the buffer, where select does not look.
        answers, _, _ = select.select([channel], [], [], _LONGEST_CALL)
        line = channel.readline() if answers else ""
        if not line:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(f"the producer {'ended' if answers else 'hangs'}: {self._errors.read()[-600:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(BrokenPipeError):  # it ended with a question unread
            cast("IO[str]", self._process.stdin).close()
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        cast("IO[str]", self._process.stdout).close()
        self._errors.close()


class WorkerProcess:
    """A context manager: the worker, in a process group of its own; at the end SIGTERM, then SIGKILL."""

    def __init__(self, contestant: Contestant, command: str, env: dict[str, str], concurrency: int) -> None:
        words = shlex.split(command.format(bin=bin_of(contestant), concurrency=concurrency, url=env["BENCH_URL"]))
        self._log = tempfile.NamedTemporaryFile("r")  # noqa: SIM115 - closed with the process
        told = {**env, "BENCH_CONCURRENCY": str(concurrency)}
        self.started = time.monotonic()
        with open(self._log.name, "wb") as log:  # of its own: reading must not move where the worker writes
            self._process = subprocess.Popen(
                words, cwd=ROOT, env=told, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def footprint(self) -> Footprint:
        cpu, rss, processes = 0.0, 0, 0
        for process in self._family():
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
            except psutil.NoSuchProcess:
                continue
            cpu += times.user + times.system + times.children_user + times.children_system
            rss, processes = rss + memory.rss, processes + 1
        return Footprint(cpu, rss, processes)

    def check(self) -> None:
        """Raises RuntimeError, with the end of its log, when it has ended by itself."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {self.said}")

    @property
    def said(self) -> str:
        """The end of its log."""
        self._log.seek(0)
        return self._log.read()[-600:]

    def _family(self) -> list[Any]:
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        family = self._family()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in family:
            if process.is_running():
                process.kill()
        self._log.close()
