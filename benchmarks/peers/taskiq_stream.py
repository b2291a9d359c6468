"""taskiq-redis, a stream."""

from __future__ import annotations

from taskiq_redis import RedisStreamBroker

from benchmarks.payload import URL
from benchmarks.peers.taskiq_jobs import Adapter

adapter = Adapter(RedisStreamBroker(URL))
broker = adapter.broker
