"""The drivers that go through the faults, by the name of their client library. Each is imported when it is wanted."""

from __future__ import annotations

from flowli.resp.driver import RespDriver

__all__ = ["CLIENTS", "driver_of"]

CLIENTS = ("redis", "glide")


def driver_of(client: str, url: str, prefix: str) -> RespDriver:
    """A driver through this client library."""
    if client == "redis":
        from flowli_redis import RedisDriver

        return RedisDriver(url, prefix=prefix)
    from flowli_glide import GlideDriver

    return GlideDriver(url, prefix=prefix)
