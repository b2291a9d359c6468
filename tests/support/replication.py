"""A primary and its replicas as child processes, and what an operator or a slow disk does to them.

It knows roles and processes, and no driver. Everything here blocks: from a test that is a coroutine, call what takes
long through `asyncio.to_thread`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer

__all__ = ["Replication", "ask", "facts", "stalled"]

_OPTIONS = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class Replication:
    """Servers of which the first begins as the primary and the others as its replicas."""

    def __init__(self, folder: Path, *, replicas: int = 1, options: Sequence[str] = ()) -> None:
        self._homes = [folder / f"server-{number}" for number in range(1 + replicas)]
        self._options = (*_OPTIONS, *options)
        self.nodes: list[ValkeyServer] = []

    @property
    def product(self) -> str:
        """Such as ``Valkey 9.1.2, primary and 1 replica``."""
        count = len(self._homes) - 1
        return f"{self.nodes[0].product}, primary and {count} replica{'s' * (count != 1)}"

    @property
    def first(self) -> ValkeyServer:
        """Who began as the primary."""
        return self.nodes[0]

    @property
    def replicas(self) -> list[ValkeyServer]:
        """Who began as replicas."""
        return self.nodes[1:]

    def start(self) -> Replication:
        """Return when every replica is in step."""
        try:
            for home in self._homes:
                home.mkdir()
                follow = ["--replicaof", f"127.0.0.1 {self.first.port}"] if self.nodes else []
                self.nodes.append(ValkeyServer(home, options=[*self._options, *follow]).start())
            eventually_sync(lambda: all(map(self._is_in_step, self.replicas)), what="replicas in step")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process. Idempotent."""
        for node in self.nodes:
            node.kill()

    def promote(self, node: ValkeyServer) -> None:
        """Make a replica the primary of all that answer, as an operator does without Sentinel."""
        ask(node, "REPLICAOF", "NO", "ONE")
        for other in self.nodes:
            if other is not node and facts(other):
                ask(other, "REPLICAOF", "127.0.0.1", node.port)

    def _is_in_step(self, node: ValkeyServer) -> bool:
        return facts(node).get("master_link_status") == "up"


def ask(node: ValkeyServer, *words: bytes | str | int) -> Any:
    """The reply of one node to one command."""
    client: Any = Redis(port=node.port, protocol=3, socket_timeout=10)
    try:
        return client.execute_command(*words)
    finally:
        client.close()


def facts(node: ValkeyServer) -> Mapping[str, Any]:
    """What a node says of its replication (INFO); nothing while it does not answer."""
    try:
        return dict(ask(node, "INFO", "replication"))
    except RedisError:
        return {}


@contextmanager
def stalled(node: ValkeyServer) -> Generator[None, None, None]:
    """For the length of a block the process stands still: its connections stay, and nothing is confirmed."""
    pid = node.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
