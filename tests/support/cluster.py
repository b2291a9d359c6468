"""A cluster of one's own: primaries and their replicas as child processes, and what an operator does to it.

It knows slots, roles and processes, and no driver. Everything here blocks: from a test that is a coroutine, call what
takes long through `asyncio.to_thread`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.support.polling import eventually_sync
from tests.support.servers import ValkeyServer

__all__ = ["Cluster", "slot_of"]

_SLOTS = 16_384
_PORTS = range(20_000, 22_700)
"""The bus is at port + 10,000, which has to be below the ephemeral ports too: a killed node comes back on both."""
_OPTIONS = (
    *("--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-allow-replica-migration", "no"),
    *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
)
_MOVED_AT_ONCE = 100


def slot_of(key: str) -> int:
    """The slot of a key."""
    return key_slot(key.encode())


class Cluster:
    """Primaries that share the slots evenly, each with its replicas; one that dies is replaced in about a second."""

    def __init__(self, folder: Path, *, primaries: int = 3, replicas: int = 1, options: Sequence[str] = ()) -> None:
        self.nodes: list[ValkeyServer] = []
        """The first ``primaries`` of them begin as primaries."""
        self._primaries, self._replicas = primaries, replicas
        for number in range(primaries * (1 + replicas)):
            home = folder / f"node-{number}"
            home.mkdir()
            self.nodes.append(ValkeyServer(home, options=[*_OPTIONS, *options], ports=_PORTS))

    @property
    def url(self) -> str:
        """Of a node that runs."""
        return self.running[0].url

    @property
    def url_of_all(self) -> str:
        """Of the cluster, as drivers take it: all nodes, whether they run or not."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def product(self) -> str:
        """Such as ``Valkey 9.1.2, cluster of 3 + 3``."""
        return f"{self.nodes[0].product}, cluster of {self._primaries} + {self._primaries * self._replicas}"

    @property
    def running(self) -> list[ValkeyServer]:
        """The nodes whose process runs, the first of them first."""
        return [node for node in self.nodes if node.is_running]

    def start(self) -> Cluster:
        """Return when every node knows every other, all slots are served and the replicas are in step."""
        try:
            for node in self.nodes:
                node.start()
            self._meet()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process. Idempotent."""
        for node in self.nodes:
            node.kill()

    def owner(self, slot: int) -> ValkeyServer:
        """The running primary that serves a slot, awaited: while none does, a failover is under way."""
        return eventually_sync(lambda: self._owner(slot), what=f"a primary for slot {slot}")

    def primaries(self) -> list[ValkeyServer]:
        """The running nodes that serve slots."""
        return [node for node in self.running if any(True for _ in self._served(node))]

    def await_ok(self) -> None:
        """Return when every running node says that all slots are served, and every replica has its primary."""
        for node in self.running:
            eventually_sync(partial(self._is_settled, node), what=f"a cluster that serves, on port {node.port}")

    def move_slot(self, slot: int, target: ValkeyServer, *, between: Callable[[], None] | None = None) -> int:
        """Move a slot key by key, as operators do on every version; the number of keys moved.

        ``between`` is called after each portion of keys, while some are here and some there.
        """
        source = self.owner(slot)
        ids = {node: self.ask(node, "CLUSTER", "MYID").decode() for node in (source, target)}
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        moved = 0
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, _MOVED_AT_ONCE):
            self.ask(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 10_000, "KEYS", *keys)
            moved += len(keys)
            if between is not None:
                between()
        for node in (target, source, *self.primaries()):
            self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        return moved

    def migrate_slot(self, slot: int, target: ValkeyServer) -> None:
        """Move a slot in one step, as Valkey 9 can; RedisError where the server cannot."""
        node_id = self.ask(target, "CLUSTER", "MYID").decode()
        self.ask(self.owner(slot), "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", node_id)
        eventually_sync(lambda: self._owner(slot) is target, what=f"slot {slot} on port {target.port}")

    def ask(self, node: ValkeyServer, *words: bytes | str | int) -> Any:
        """The reply of one node to one command."""
        with _connection(node) as client:
            return client.execute_command(*words)

    def _meet(self) -> None:
        first, *others = self.nodes
        for number, node in enumerate(self.nodes, 1):
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number)
        for number, node in enumerate(self.nodes[: self._primaries]):
            begin, end = (_SLOTS * at // self._primaries for at in (number, number + 1))
            self.ask(node, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
        for node in others:
            self.ask(node, "CLUSTER", "MEET", "127.0.0.1", first.port)
        for node in self.nodes:
            eventually_sync(partial(self._knows_all, node), what=f"nodes that have met, on port {node.port}")
        for number, node in enumerate(self.nodes[self._primaries :]):
            primary = self.nodes[number % self._primaries]
            self.ask(node, "CLUSTER", "REPLICATE", self.ask(primary, "CLUSTER", "MYID"))
        self.await_ok()

    def _facts(self, node: ValkeyServer) -> Mapping[bytes, bytes]:
        return dict(line.split(b":", 1) for line in self.ask(node, "CLUSTER", "INFO").splitlines())

    def _knows_all(self, node: ValkeyServer) -> bool:
        return self._facts(node)[b"cluster_known_nodes"] == b"%d" % len(self.nodes)

    def _is_settled(self, node: ValkeyServer) -> bool:
        facts, replication = self._facts(node), self.ask(node, "INFO", "replication")
        serves = facts[b"cluster_state"] == b"ok" and facts[b"cluster_slots_ok"] == b"%d" % _SLOTS
        return serves and replication.get("master_link_status", "up") == "up"

    def _owner(self, slot: int) -> ValkeyServer | None:
        return next((node for node in self.running if any(slot in slots for slots in self._served(node))), None)

    def _served(self, node: ValkeyServer) -> Generator[range, None, None]:
        """The slots that a node itself says it serves."""
        try:
            text = self.ask(node, "CLUSTER", "NODES").decode()
        except RedisError:
            return
        line = next(line for line in text.splitlines() if "myself" in line)
        for part in line.split()[8:]:
            if not part.startswith("["):  # a slot on the move
                begin, _, end = part.partition("-")
                yield range(int(begin), int(end or begin) + 1)


@contextmanager
def _connection(node: ValkeyServer) -> Generator[Any, None, None]:
    client: Any = Redis(port=node.port)
    try:
        yield client
    finally:
        client.close()
