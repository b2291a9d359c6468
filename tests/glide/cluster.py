"""A cluster of one node: it routes, and refuses what is not of one slot, as a large one does."""

from __future__ import annotations

from pathlib import Path

from glide import GlideClusterClientConfiguration, NodeAddress

from tests.support.outside import outside
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

__all__ = ["configuration", "start_cluster"]


async def start_cluster(folder: Path) -> ValkeyServer:
    """A server that holds all slots."""
    server = ValkeyServer(folder, options=["--cluster-enabled", "yes"]).start()
    async with outside(server.url) as operator:
        await operator.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)

        async def is_up() -> bool:
            return b"cluster_state:ok" in await operator.ask("CLUSTER", "INFO")

        await eventually(is_up, what="a cluster that serves")
    return server


def configuration(server: ValkeyServer) -> GlideClusterClientConfiguration:
    """How to reach it."""
    return GlideClusterClientConfiguration([NodeAddress("127.0.0.1", server.port)])
