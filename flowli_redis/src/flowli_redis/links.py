"""Connections of our own to a server; it knows redis-py's connection classes, and no command, script or verb."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, parse_url
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import RedisError, ResponseError

from flowli.errors import DefinitionError
from flowli.resp.addresses import Address, cluster_of
from flowli.resp.scripts import Arg
from flowli_redis.failures import cannot_connect
from flowli_redis.sentinels import Watch, is_sentinel_url

__all__ = ["CONNECT_SECONDS", "Link", "Settings"]

CONNECT_SECONDS = 5.0

_OURS = frozenset(
    {
        "connection_pool",
        "decode_responses",
        "encoder_class",
        "encoding",
        "encoding_errors",
        "event_dispatcher",
        "health_check_interval",
        "himport_registry",
        "legacy_responses",
        "max_connections",
        "protocol",
        "redis_connect_func",
        "response_callbacks",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "socket_connect_timeout",
        "socket_timeout",
        "timeout",
    }
)
_FOREIGN = ("maint", "orig_", "oss_cluster_maint")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to connect: taken from a URL or from a client of the user's, whose own connections are never used.

    The client's retries and timeouts are not taken: a driver repeats nothing, and a wait is longer than any timeout.
    """

    connection: type[AbstractConnection]
    options: Mapping[str, Any]
    where: str
    """For messages: scheme, host, port and database, without user name, password and query."""
    in_process: bool
    """Whether the server is fakeredis, an object of this process."""
    watch: Watch | None = None
    """Who says where the server is; None where the options say it."""
    nodes: tuple[Address, ...] = ()
    """Some nodes of a cluster; none for one server."""
    remap: Callable[[tuple[str, int]], tuple[str, int]] | None = None
    """Where a node is to be reached from here that says it is at that host and port."""

    @classmethod
    def of(cls, source: object) -> Settings:
        """The settings of a URL or a client. DefinitionError for anything else."""
        if isinstance(source, str):
            cluster = cluster_of(source)
            return cls._of_url(source) if cluster is None else cls._of_url(cluster[0])._cluster(cluster[1])
        if isinstance(source, Redis):
            pool: Any = source.connection_pool
            if isinstance(pool, SentinelConnectionPool):
                kind = SSLConnection if issubclass(pool.connection_class, SSLConnection) else Connection
                return cls._of(kind, pool.connection_kwargs, Watch.of_pool(pool))
            return cls._of(pool.connection_class, pool.connection_kwargs)
        if isinstance(source, RedisCluster):
            return cls._of_cluster(source)
        message = f"RedisDriver takes a URL, a redis.asyncio.Redis or a RedisCluster, not {type(source).__name__}."
        raise DefinitionError(message)

    @classmethod
    def _of_cluster(cls, client: Any) -> Settings:
        nodes = [Address(node.host, int(node.port)) for node in client.nodes_manager.startup_nodes.values()]
        given: dict[str, Any] = {**client.connection_kwargs, "host": nodes[0].host, "port": nodes[0].port}
        settings = cls._of(given.pop("connection_class"), given)
        return settings._cluster(nodes, client.nodes_manager.address_remap)

    def _cluster(self, nodes: Sequence[Address], remap: Any = None) -> Settings:
        where = f"{self.where.rpartition('/')[0]} (cluster)"
        return replace(self, where=where, nodes=tuple(nodes), remap=remap)

    def at(self, address: Address) -> Settings:
        """The settings for one node of the cluster."""
        host, port = address
        scheme = self.where.partition("://")[0]
        return replace(self, options={**self.options, "host": host, "port": port}, where=f"{scheme}://{host}:{port}")

    def reached(self, told: Address) -> Address:
        """Where a node is to be reached from here that says it is there."""
        return told if self.remap is None else Address(*self.remap(told))

    @classmethod
    def _of_url(cls, url: str) -> Settings:
        watch: Watch | None = None
        options: dict[str, Any]
        try:
            if is_sentinel_url(url):
                watch, options = Watch.of_url(url)
            else:
                options = dict(parse_url(url))
                urlsplit(url).port  # noqa: B018
        except ValueError:
            raise DefinitionError(_FORM) from None
        return cls._of(options.pop("connection_class", Connection), options, watch)

    @classmethod
    def _of(
        cls, connection: type[AbstractConnection], given: Mapping[str, Any], watch: Watch | None = None
    ) -> Settings:
        options = {name: value for name, value in given.items() if name not in _OURS and not name.startswith(_FOREIGN)}
        options |= {"socket_timeout": None, "socket_connect_timeout": CONNECT_SECONDS, "protocol": 2}
        database = options.get("db") or 0
        scheme = "rediss" if "ssl" in connection.__name__.lower() else "redis"
        if "path" in options:
            where = f"unix://{options['path']}?db={database}"
        elif watch is not None:
            where = f"{scheme}+sentinel://{watch.where}/{database}"
        else:
            where = f"{scheme}://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{database}"
        return cls(connection, options, where, connection.__module__.partition(".")[0] == "fakeredis", watch)


_FORM = (
    "The URL of a RedisDriver is redis://user:password@host:port/database, rediss:// for TLS; unix://path?db=n; or "
    "redis+sentinel://host:port,host:port/name/database, with the name under which the Sentinels watch the primary."
)


class Link:
    """One connection, lent to one call at a time. What interrupts it ends it: half a conversation is never reused."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection: Any = connection
        self.was_given_up: bool = False
        """Whether the conversation took too long."""

    @property
    def has_ended(self) -> bool:
        """Whether the other side has closed it while it was idle: what is sent on it now would be lost in doubt."""
        reader = getattr(self._connection, "_reader", None)
        return reader is None or reader.at_eof()

    @classmethod
    async def open(cls, settings: Settings) -> Link:
        """Connect and greet, within CONNECT_SECONDS, or raise DriverUnavailable: nothing was sent."""
        link: Link | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found: Mapping[str, Any] = {} if settings.watch is None else await settings.watch.primary()
                link = cls(settings.connection(**{**settings.options, **found}))
                await link._connection.connect()
        except (RedisError, OSError, TimeoutError) as error:
            await _close(link)
            raise cannot_connect(settings.where, error) from None
        except BaseException:
            await _close(link)
            raise
        return link

    async def send(self, commands: Sequence[tuple[Arg, ...]]) -> list[Any]:
        """The replies to commands sent together; an error of the server's is among them, not raised."""
        try:
            await self._connection.send_packed_command([_packed(commands)], check_health=False)
            return [await self._reply() for _ in commands]
        except BaseException:
            await self.close()
            raise

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    async def read(self) -> Any:
        """The next message of a subscription, however long it takes."""
        return await self._connection.read_response(disable_decoding=True)

    def give_up(self) -> None:
        """End the conversation from outside: whoever waits for a reply hears that the connection is lost."""
        self.was_given_up = True
        transport = getattr(getattr(self._connection, "_writer", None), "transport", None)
        if transport is not None:
            transport.abort()

    async def close(self) -> None:
        """Give the socket back."""
        with suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)


async def _close(link: Link | None) -> None:
    if link is not None:
        await link.close()


# Its stub says that a command has one word.
_pack: Callable[[tuple[Arg, ...]], bytes] = cast("Any", hiredis).pack_command


def _packed(commands: Sequence[tuple[Arg, ...]]) -> bytes:
    """Commands as RESP. The client's own way costs 2 us a word, and a batch of a thousand jobs has four thousand."""
    return b"".join([_pack(words) for words in commands])
