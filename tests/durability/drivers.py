"""The drivers that can be made to wait for replicas and disks, by name."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import pytest

from flowli.resp.durability import Durability
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver

__all__ = ["CLIENTS", "AnyDriver", "make", "need_waitaof"]

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


def need_waitaof(durability: Durability) -> None:
    """Skip what waits for a disk on a server without WAITAOF; that such a level is refused there has its own test."""
    if "fsync" in durability and os.environ.get("FLOWLI_TEST_SERVER") == "redis-7":
        pytest.skip("WAITAOF came with Redis 7.2, and this is Debian's 7.0")
