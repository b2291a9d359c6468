"""URLs of clusters: ``redis+cluster://user:password@host:port,host:port``; it connects to nothing."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from flowli.errors import DefinitionError

__all__ = ["Address", "cluster_of"]

_FORM = (
    "The URL of a cluster is redis+cluster://user:password@host:port,host:port with some of its nodes, "
    "rediss+cluster:// for TLS, and names no database."
)
_PORT = 6379


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int


def cluster_of(url: str) -> tuple[str, list[Address]] | None:
    """The URL of the first node alone, and the addresses of all; None for the URL of something else.

    DefinitionError for one that has another form. Its text, which may hold a password, is not in the message.
    """
    scheme, found, rest = url.partition("+cluster://")
    if not found:
        return None
    authority, slash, tail = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    if tail.strip("/") not in {"", "0"} and not tail.startswith("?"):
        raise DefinitionError(_FORM)
    addresses: list[Address] = []
    for host in hosts.split(","):
        try:
            parts = urlsplit(f"//{host}")
            addresses.append(Address(parts.hostname or "", parts.port or _PORT))
        except ValueError:
            raise DefinitionError(_FORM) from None
    if not all(address.host for address in addresses):
        raise DefinitionError(_FORM)
    return f"{scheme}://{login}{at}{hosts.split(',')[0]}{slash}{tail}", addresses
