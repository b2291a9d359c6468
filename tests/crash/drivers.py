"""The drivers whose crash points are enumerated, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowli.driver import Driver
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver

__all__ = ["DRIVERS"]

DRIVERS: Mapping[str, Callable[[str, str], Driver]] = {
    "redis-py": lambda url, prefix: RedisDriver(url, prefix=prefix),
    "glide": lambda url, prefix: GlideDriver(url, prefix=prefix),
}
"""Made of a URL and a prefix."""
