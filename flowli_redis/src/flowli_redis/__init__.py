"""The redis-py driver of Flowli: `RedisDriver`."""

from __future__ import annotations

from flowli_redis.driver import RedisDriver

__all__ = ["RedisDriver"]
