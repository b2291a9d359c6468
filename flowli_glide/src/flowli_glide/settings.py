"""How to reach a store through GLIDE: addresses, and configurations that are the driver's own; it knows no command."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from glide import (
    AdvancedGlideClientConfiguration,
    AdvancedGlideClusterClientConfiguration,
    BackoffStrategy,
    GlideClient,
    GlideClientConfiguration,
    GlideClusterClient,
    GlideClusterClientConfiguration,
    NodeAddress,
    ProtocolVersion,
    ReadFrom,
    ServerCredentials,
)

from flowli.errors import DefinitionError
from flowli.resp.addresses import Address, cluster_of

__all__ = ["CONNECT_SECONDS", "REPLY_SECONDS", "Client", "Config", "Settings"]

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 5.0
"""GLIDE says that a connection is gone only after this time, when it went while nothing was under way."""

_REQUESTS = 100_000
"""Of GLIDE's limit of requests under way, beyond which it refuses with an error. The driver lets fewer through."""

Client: TypeAlias = GlideClient | GlideClusterClient
Config: TypeAlias = GlideClientConfiguration | GlideClusterClientConfiguration

_SCHEMES = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect: from a URL, a configuration, or the configuration of a client of the user's.

    Timeouts, retries, caches, compression and subscriptions are not taken: a driver repeats nothing, a wait is longer
    than any timeout, and other drivers have to read what this one writes.
    """

    config: Config
    where: str
    """For messages: scheme, host, port and database, without user name and password."""

    @classmethod
    def of(cls, source: object) -> Settings:
        """The settings of a URL, a configuration or a client. DefinitionError for anything else."""
        if isinstance(source, str):
            cluster = cluster_of(source)
            return cls._of(_config_of_url(source) if cluster is None else _config_of_cluster(*cluster))
        if isinstance(source, GlideClient | GlideClusterClient):
            source = source.config
        if isinstance(source, GlideClientConfiguration | GlideClusterClientConfiguration):
            return cls._of(source)
        message = f"GlideDriver takes a URL, a configuration or a client of GLIDE, not {type(source).__name__}."
        raise DefinitionError(message)

    @classmethod
    def _of(cls, given: Config) -> Settings:
        if not given.addresses:
            raise DefinitionError("The configuration of a GlideDriver names no address.")
        hosts = ",".join(f"{address.host}:{address.port}" for address in given.addresses)
        scheme = "rediss" if given.use_tls else "redis"
        kind = " (cluster)" if isinstance(given, GlideClusterClientConfiguration) else ""
        return cls(given, f"{scheme}://{hosts}/{given.database_id or 0}{kind}")

    @property
    def is_cluster(self) -> bool:
        return isinstance(self.config, GlideClusterClientConfiguration)

    def own(self) -> Config:
        """A configuration for one client of the driver's. It connects when it is first used, off the event loop."""
        config = copy(self.config)
        tls = config.advanced_config.tls_config if config.advanced_config else None
        milliseconds = int(CONNECT_SECONDS * 1000)
        if isinstance(config, GlideClusterClientConfiguration):
            config.advanced_config = AdvancedGlideClusterClientConfiguration(milliseconds, tls)
        else:
            config.advanced_config = AdvancedGlideClientConfiguration(milliseconds, tls)
            config.read_only = False
        config.lazy_connect = True
        config.request_timeout = int(REPLY_SECONDS * 1000)
        config.reconnect_strategy = BackoffStrategy(num_of_retries=2, factor=50, exponent_base=2, jitter_percent=20)
        config.protocol = ProtocolVersion.RESP3
        config.read_from = ReadFrom.PRIMARY
        config.inflight_requests_limit = _REQUESTS
        config.compression = None
        config.client_side_cache = None
        config.client_circuit_breaker = None
        config.pubsub_subscriptions = None
        return config


def _config_of_url(url: str) -> GlideClientConfiguration:
    missing = _MISSING.get(url.partition("://")[0])
    if missing:
        raise DefinitionError(missing)
    try:
        parts = urlsplit(url)
        database = int(parts.path.strip("/") or 0)
        port = parts.port or 6379
    except ValueError:
        raise DefinitionError(_FORM) from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or database < 0:
        raise DefinitionError(_FORM)
    return GlideClientConfiguration(
        [NodeAddress(parts.hostname, port)],
        use_tls=_SCHEMES[parts.scheme],
        credentials=_credentials(parts),
        database_id=database,
    )


_MISSING = {
    "unix": "GLIDE knows no Unix socket (valkey-glide #4878): name a host and a port, or use the redis-py driver.",
    **dict.fromkeys(
        ("redis+sentinel", "rediss+sentinel"),
        "GLIDE knows no Sentinel (valkey-glide #2761): pass a GlideClientConfiguration with the addresses of the "
        "primary and of every replica, among which it finds the primary itself, or use the redis-py driver.",
    ),
}


def _config_of_cluster(url: str, nodes: Sequence[Address]) -> GlideClusterClientConfiguration:
    one = _config_of_url(url)
    addresses = [NodeAddress(node.host, node.port) for node in nodes]
    return GlideClusterClientConfiguration(addresses, use_tls=one.use_tls, credentials=one.credentials)


_FORM = (
    "The URL of a GlideDriver is redis://user:password@host:port/database, with rediss:// for TLS, and has no query; "
    "for a cluster it is redis+cluster://host:port,host:port. For everything else pass a configuration of GLIDE."
)


def _credentials(parts: SplitResult) -> ServerCredentials | None:
    if not parts.password:
        return None
    return ServerCredentials(unquote(parts.password), unquote(parts.username) if parts.username else None)
