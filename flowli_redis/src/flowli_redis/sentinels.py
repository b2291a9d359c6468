"""Where the primary is, as Sentinels say it; it knows redis-py's Sentinel client, and nothing of what is kept there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from flowli.errors import DefinitionError

__all__ = ["Watch", "is_sentinel_url"]

_ASK_SECONDS = 1.0
"""For one Sentinel to answer; then the next one is asked."""
_PORT = 26_379
_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}

_Sentinel: Any = Sentinel  # it has no types


def is_sentinel_url(url: str) -> bool:
    """Whether the driver finds its server through Sentinels."""
    return urlsplit(url).scheme in _SCHEMES


@dataclass(frozen=True, slots=True)
class Watch:
    """Sentinels, and the name under which they watch a primary. They are asked for it before each connection."""

    addresses: tuple[tuple[str, int], ...]
    name: str
    least_others: int
    """How many other Sentinels one has to see to be believed."""
    options: Mapping[str, Any]
    """Of connections to the Sentinels themselves."""

    @property
    def where(self) -> str:
        """For messages: the Sentinels and the name."""
        return ",".join(f"{host}:{port}" for host, port in self.addresses) + f"/{self.name}"

    async def primary(self) -> Mapping[str, Any]:
        """Host and port that the first Sentinel names which answers; MasterNotFoundError if none does.

        Each time with connections of its own: a driver asks seldom, and from any loop.
        """
        ours = {"socket_timeout": _ASK_SECONDS, "socket_connect_timeout": _ASK_SECONDS, "retry": Retry(NoBackoff(), 0)}
        asked = _Sentinel(self.addresses, self.least_others, {**self.options, **ours})
        async with asked:
            host, port = await asked.discover_master(self.name)
            return {"host": host, "port": int(port)}

    @classmethod
    def of_pool(cls, pool: Any) -> Watch:
        """From the pool of a client that ``master_for`` made. DefinitionError for one of replicas."""
        if not pool.is_master:
            raise DefinitionError("RedisDriver takes a client of the primary: master_for(), not slave_for().")
        manager: Any = pool.sentinel_manager
        asked = [client.connection_pool.connection_kwargs for client in manager.sentinels]
        addresses = tuple((options["host"], int(options["port"])) for options in asked)
        return cls(addresses, pool.service_name, manager.min_other_sentinels, manager.sentinel_kwargs)

    @classmethod
    def of_url(cls, url: str) -> tuple[Watch, dict[str, Any]]:
        """From ``redis+sentinel://user:password@host:port,host:port/name/database?options``, with the options of
        connections to the primary. User and password are the primary's, options of TLS hold for all. ValueError for
        anything else."""
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        addresses = tuple(_address(host) for host in hosts.split(","))
        name, _, database = parts.path.strip("/").partition("/")
        if not name:
            raise ValueError("no name")
        server = SplitResult(
            _SCHEMES[parts.scheme], f"{login}@localhost" if login else "localhost", f"/{database}", parts.query, ""
        )
        options: dict[str, Any] = dict(parse_url(server.geturl()))
        tls = {key: value for key, value in options.items() if key.startswith("ssl")}
        if parts.scheme == "rediss+sentinel":
            tls["ssl"] = True
        return cls(addresses, name, 0, tls), options


def _address(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or _PORT
