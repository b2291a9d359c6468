"""The GLIDE driver: what it is made from; the verbs are those of every driver over RESP."""

from __future__ import annotations

from typing import TypeAlias

from glide import GlideClient, GlideClientConfiguration, GlideClusterClient, GlideClusterClientConfiguration

from flowli.resp.driver import RespDriver
from flowli_glide.settings import Settings
from flowli_glide.transport import GlideTransport

__all__ = ["GlideDriver"]

_Source: TypeAlias = str | GlideClientConfiguration | GlideClusterClientConfiguration | GlideClient | GlideClusterClient


class GlideDriver(RespDriver):
    """Keeps jobs in Valkey or Redis (6.2 or newer), on one server or on a cluster, below one prefix, through GLIDE.

    ``source`` is a URL (``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``) of one server, a configuration of
    GLIDE, or a client, whose configuration is taken; the driver makes clients of its own and never uses or closes the
    user's. On a cluster all keys of a prefix are in one slot. Drivers with the same store and prefix see the same
    jobs, through whichever client library. `open` refuses a server that may evict keys, unless ``allow_eviction`` is
    set: then a full server may drop jobs. DefinitionError for a prefix that is not 1 to 64 letters, digits, ``_``,
    ``.`` or ``-``, and for a source that is none of these.
    """

    def __init__(
        self, source: _Source, *, prefix: str = "default", allow_eviction: bool = False, partitions: int | None = None
    ) -> None:
        self._source = source
        self._settings = Settings.of(source)
        super().__init__(self._settings.where, prefix, allow_eviction=allow_eviction, partitions=partitions)

    def twin(self) -> GlideDriver:
        """A closed driver on the same store, with connections of its own."""
        return GlideDriver(
            self._source, prefix=self._keys.prefix, allow_eviction=self._allow_eviction, partitions=self._partitions
        )

    def _connect(self, channel: str) -> GlideTransport:
        return GlideTransport(self._settings, channel)
