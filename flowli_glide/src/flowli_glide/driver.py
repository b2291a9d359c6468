"""The GLIDE driver: what it is made from; the verbs are those of every driver over RESP."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TypeAlias

from glide import GlideClient, GlideClientConfiguration, GlideClusterClient, GlideClusterClientConfiguration

from flowli.resp.driver import RespDriver
from flowli.resp.durability import Confirmation, Durability
from flowli_glide.settings import Settings
from flowli_glide.transport import GlideTransport

__all__ = ["GlideDriver"]

_Source: TypeAlias = str | GlideClientConfiguration | GlideClusterClientConfiguration | GlideClient | GlideClusterClient


class GlideDriver(RespDriver):
    """Keeps jobs in Valkey or Redis (6.2 or newer), on one server or on a cluster, below one prefix, through GLIDE.

    ``source`` is a URL of one server (``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``) or of a cluster
    (``redis+cluster://host:port,host:port`` with some of its nodes), a configuration of GLIDE, or a client, whose
    configuration is taken; the driver makes clients of its own and never uses or closes the user's. Drivers with the
    same store and prefix see the same jobs, through whichever client library. `open` refuses a server that may evict
    keys, unless ``allow_eviction`` is set: then a full server may drop jobs.

    ``partitions`` is for a new namespace (1 to 256, 1 if not given); one that is there is taken as it is, and refused
    if another number is given. All keys of a partition are in one slot.

    ``durability`` says who has a job when `enqueue` returns: "server" (its memory; not a command more is sent), "fsync"
    (its disk; asks for appendonly, and Redis 7.2 or newer, or Valkey), "replica" (as many ``replicas``) or
    "replica_fsync" (the disks of all). What is not confirmed within ``confirm_within`` raises NotDurable.

    DefinitionError for a source or a durability that is none, and for a prefix that is not 1 to 64 letters, digits,
    ``_``, ``.`` or ``-``.
    """

    def __init__(
        self,
        source: _Source,
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
            GlideDriver,
            source,
            prefix=prefix,
            allow_eviction=allow_eviction,
            durability=durability,
            replicas=replicas,
            confirm_within=confirm_within,
        )

    def twin(self) -> GlideDriver:
        """A closed driver on the same store, with connections of its own."""
        return self._again(partitions=self._partitions)

    def _connect(self, channel: str) -> GlideTransport:
        return GlideTransport(self._settings, channel)
