"""A real web server and a real runner for an example application, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.polling import eventually_sync
from tests.support.runners import ROOT

__all__ = ["EXAMPLES", "Served", "free_port", "serve"]

EXAMPLES = ROOT / "examples"


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """What `serve` started: a client for its address, and the process."""

    def __init__(self, client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
        self.client = client
        self.process = process
        self.log = log

    @property
    def said(self) -> str:
        """By server and runner."""
        return self.log.read_text(encoding="utf-8")

    def stop(self) -> int:
        """SIGTERM to the server; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def serve(
    command: Sequence[str], runner: Sequence[str], url: str, folder: Path, *, places: Sequence[Path] = (EXAMPLES,)
) -> Generator[Served]:
    """``command`` has ``{port}`` where the port belongs; ``runner`` is the command of a runner."""
    port, log = free_port(), folder / f"served-{time.monotonic_ns()}.log"
    env = {**os.environ, "REDIS_URL": url, "PYTHONPATH": os.pathsep.join(map(str, (*places, ROOT)))}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [part.format(port=port) for part in command], cwd=folder, env=env, stdout=out, stderr=out
        )
        works = subprocess.Popen(runner, cwd=folder, env=env, stdout=out, stderr=out)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            served = Served(client, server, log)
            eventually_sync(lambda: _answers(served), what=f"a web server; see {log}", within=30)
            yield served
    finally:
        for process in (server, works):
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(20)


def _answers(served: Served) -> bool:
    assert served.process.poll() is None, served.said
    with suppress(httpx.TransportError):
        served.client.get("/no-such-page")
        return True
    return False
