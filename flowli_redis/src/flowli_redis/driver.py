"""The redis-py driver: what it is made from; the verbs are those of every driver over RESP."""

from __future__ import annotations

from redis.asyncio import Redis

from flowli.resp.driver import RespDriver
from flowli_redis.links import Settings
from flowli_redis.transport import RedisTransport

__all__ = ["RedisDriver"]


class RedisDriver(RespDriver):
    """Keeps jobs in Redis (6.2 or newer) or Valkey, below one prefix, through redis-py.

    ``source`` is a URL (``redis://``, ``rediss://``, ``unix://``) or a ``redis.asyncio.Redis``, whose settings are
    taken; the driver opens connections of its own and never uses or closes the client's. Drivers with the same
    store and prefix see the same jobs. `open` refuses a server that may evict keys, unless ``allow_eviction`` is
    set: then a full server may drop jobs. DefinitionError for a prefix that is not 1 to 64 letters, digits, ``_``,
    ``.`` or ``-``.
    """

    def __init__(
        self,
        source: str | Redis,
        *,
        prefix: str = "default",
        allow_eviction: bool = False,
        partitions: int | None = None,
    ) -> None:
        self._source = source
        self._settings = Settings.of(source)
        super().__init__(self._settings.where, prefix, allow_eviction=allow_eviction, partitions=partitions)

    def twin(self) -> RedisDriver:
        """A closed driver on the same store, with connections of its own."""
        return RedisDriver(
            self._source, prefix=self._keys.prefix, allow_eviction=self._allow_eviction, partitions=self._partitions
        )

    def _connect(self, channel: str) -> RedisTransport:
        return RedisTransport(self._settings, channel)
