"""Flowli over redis-py: the runtime that `flowli runner` finds, and what a producer calls."""

from __future__ import annotations

from benchmarks.adapters.flowli_jobs import Adapter, make_contestant
from benchmarks.payload import URL
from flowli_redis import RedisDriver

__all__ = ["adapter", "flowli"]

flowli = make_contestant(RedisDriver(URL, prefix="bench"))
adapter = Adapter(flowli)
