"""The redis-py driver: what it is made from; the verbs are those of every driver over RESP."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from flowli.resp.driver import Connected, RespDriver
from flowli.resp.durability import Confirmation, Durability
from flowli_redis.cluster import ClusterWays
from flowli_redis.links import Settings
from flowli_redis.transport import RedisTransport

__all__ = ["RedisDriver"]


class RedisDriver(RespDriver):
    """Keeps jobs in Redis (6.2 or newer) or Valkey, on one server or on a cluster, below one prefix, through redis-py.

    ``source`` is a URL (``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://host:port,host:port/name/db``, or
    ``redis+cluster://host:port,host:port`` with some nodes of a cluster), a ``redis.asyncio.Redis``, one that a
    Sentinel made among them, or a ``RedisCluster``, whose settings are taken; the driver opens connections of its own
    and never uses or closes the client's. Drivers with the same store and prefix see the same jobs. `open` refuses a
    server that may evict keys, unless ``allow_eviction`` is set: then a full server may drop jobs.

    ``partitions`` is for a new namespace (1 to 256, 1 if not given); one that is there is taken as it is, and refused
    if another number is given.

    ``durability`` says who has a job when `enqueue` returns: "server" (its memory; not a command more is sent), "fsync"
    (its disk; asks for appendonly, and Redis 7.2 or newer, or Valkey), "replica" (as many ``replicas``) or
    "replica_fsync" (the disks of all). What is not confirmed within ``confirm_within`` raises NotDurable.

    DefinitionError for a source, a durability or a number of partitions that is none, and for a prefix that is not 1 to
    64 letters, digits, ``_``, ``.`` or ``-``.
    """

    def __init__(
        self,
        source: str | Redis | RedisCluster,
        *,
        prefix: str = "default",
        allow_eviction: bool = False,
        partitions: int | None = None,
        durability: Durability = "server",
        replicas: int = 1,
        confirm_within: str | timedelta = "5s",
    ) -> None:
        self._settings = Settings.of(source)
        super().__init__(
            self._settings.where,
            prefix,
            allow_eviction=allow_eviction,
            partitions=partitions,
            confirmation=Confirmation.of(durability, replicas, confirm_within),
        )
        self._again = partial(
            RedisDriver,
            source,
            prefix=prefix,
            allow_eviction=allow_eviction,
            durability=durability,
            replicas=replicas,
            confirm_within=confirm_within,
        )

    def twin(self) -> RedisDriver:
        """A closed driver on the same store, with connections of its own."""
        return self._again(partitions=self._partitions)

    def _connect(self, channel: str) -> Connected:
        return (ClusterWays if self._settings.nodes else RedisTransport)(self._settings, channel)
