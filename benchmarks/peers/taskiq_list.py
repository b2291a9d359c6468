"""taskiq-redis, a list."""

from __future__ import annotations

from taskiq_redis import ListQueueBroker

from benchmarks.payload import URL
from benchmarks.peers.taskiq_jobs import Adapter

adapter = Adapter(ListQueueBroker(URL))
broker = adapter.broker
