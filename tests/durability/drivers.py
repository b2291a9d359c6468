"""The drivers that can be made to wait for replicas and disks, by name."""

from __future__ import annotations

from typing import Any, TypeAlias

from flowli.resp.durability import Durability
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver

__all__ = ["CLIENTS", "AnyDriver", "make"]

AnyDriver: TypeAlias = RedisDriver | GlideDriver
CLIENTS = ("redis", "glide")


def make(
    client: str,
    source: Any,
    *,
    prefix: str = "default",
    durability: Durability = "server",
    replicas: int = 1,
    within: str = "10s",
) -> AnyDriver:
    """A driver of one client library."""
    kind = RedisDriver if client == "redis" else GlideDriver
    return kind(source, prefix=prefix, durability=durability, replicas=replicas, confirm_within=within)
