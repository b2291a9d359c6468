"""Three Sentinels that watch a primary, as child processes; they know its replicas by themselves.

Everything here blocks: from a test that is a coroutine, call what takes long through `asyncio.to_thread`.
"""

from __future__ import annotations

from pathlib import Path

from redis.exceptions import RedisError

from tests.support.polling import eventually_sync
from tests.support.replication import Replication, ask
from tests.support.servers import ValkeyServer

__all__ = ["Sentinels"]

_COUNT, _QUORUM = 3, 2
_DOWN_AFTER_MS = 1_000
_FAILOVER_MS = 5_000
"""Until a failover that failed is tried again: by default minutes."""


class _Sentinel(ValkeyServer):
    """One process. It writes into its configuration, which is why that is a file."""

    def __init__(self, folder: Path, name: str, port: int) -> None:
        super().__init__(folder)
        self._lines = [
            f"sentinel monitor {name} 127.0.0.1 {port} {_QUORUM}",
            f"sentinel down-after-milliseconds {name} {_DOWN_AFTER_MS}",
            f"sentinel failover-timeout {name} {_FAILOVER_MS}",
        ]

    def _command(self) -> list[str]:
        written = self.folder / "sentinel.conf"
        if not written.exists():
            written.write_text("\n".join([*self._lines, ""]), encoding="utf-8")
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [self._binary, str(written), "--sentinel", *where, "--logfile", str(self.folder / "server.log")]


class Sentinels:
    """Who is asked where the primary called ``name`` is. They replace one that is dead for a second."""

    def __init__(self, folder: Path, watched: Replication, *, name: str = "shop") -> None:
        self.name = name
        self._folder = folder
        self._watched = watched
        self.nodes: list[ValkeyServer] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each."""
        return [("127.0.0.1", node.port) for node in self.nodes]

    @property
    def url(self) -> str:
        """Of the primary, by way of the Sentinels, as the redis-py driver spells it."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.addresses)
        return f"redis+sentinel://{hosts}/{self.name}/0"

    def start(self) -> Sentinels:
        """Return when all know each other and every replica: from then on they can replace the primary."""
        try:
            for number in range(_COUNT):
                home = self._folder / f"sentinel-{number}"
                home.mkdir()
                self.nodes.append(_Sentinel(home, self.name, self._watched.first.port).start())
            eventually_sync(lambda: all(map(self._knows_all, self.nodes)), what="Sentinels that know everything")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process. Idempotent."""
        for node in self.nodes:
            node.kill()

    def primary(self) -> ValkeyServer:
        """The primary that all running Sentinels agree on, awaited."""
        port = eventually_sync(self._agreed, within=60, what="Sentinels that agree on a primary")
        return next(node for node in self._watched.nodes if node.port == port)

    def failover(self) -> ValkeyServer:
        """Have the primary replaced as an operator does; the new one, once all agree on it."""
        before = self.primary()
        eventually_sync(self._begin, within=60, every=0.2, what="a failover that begins")
        return self.await_other_than(before)

    def await_other_than(self, before: ValkeyServer) -> ValkeyServer:
        """The primary that has taken the place of another, awaited."""

        def other() -> ValkeyServer | None:
            found = self.primary()
            return found if found is not before else None

        return eventually_sync(other, within=60, what=f"a primary in the place of port {before.port}")

    def _begin(self) -> bool:
        try:
            ask(self.nodes[0], "SENTINEL", "FAILOVER", self.name)
        except RedisError:  # -NOGOODSLAVE, -INPROG: not yet
            return False
        return True

    def _agreed(self) -> int | None:
        said = {ask(node, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)[1] for node in self.nodes}
        return int(said.pop()) if len(said) == 1 else None

    def _knows_all(self, node: ValkeyServer) -> bool:
        said = ask(node, "SENTINEL", "MASTER", self.name)
        known = int(said[b"num-other-sentinels"]), int(said[b"num-slaves"])
        return known == (_COUNT - 1, len(self._watched.replicas))
