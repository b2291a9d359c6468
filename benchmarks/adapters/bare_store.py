"""The store of the bare loops: two scripts, a list of jobs and a hash of those that are being executed.

Nothing is recovered, retried, cancelled or kept: what a client can reach at best, and no product. A job is an id of 32
characters and its JSON. It refuses to know clients and loops.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Protocol

from benchmarks.payload import Payload

__all__ = ["ACTIVE", "ENQUEUE", "EXCHANGE", "ID", "READY", "Store", "make_job"]

READY, ACTIVE = "bare:ready", "bare:active"
ID = 32
"""Bytes of a job that are its id."""

ENQUEUE = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
EXCHANGE = f"""
if #ARGV > 1 then redis.call('HDEL', KEYS[2], unpack(ARGV, 2)) end
local jobs = redis.call('LPOP', KEYS[1], ARGV[1])
if not jobs then return {{}} end
local held = {{}}
for _, job in ipairs(jobs) do
  held[#held + 1] = string.sub(job, 1, {ID})
  held[#held + 1] = '1'
end
redis.call('HSET', KEYS[2], unpack(held))
return jobs
"""


def make_job(payload: Payload) -> bytes:
    return (uuid.uuid4().hex + json.dumps(payload)).encode()


class Store(Protocol):
    """Jobs as bytes."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def push(self, job: bytes) -> None:
        """One job, in one call."""

    async def push_many(self, jobs: Sequence[bytes]) -> None:
        """Many, in one pipeline of such calls."""

    async def exchange(self, done: Sequence[bytes], limit: int) -> list[bytes]:
        """Settle the jobs with the ids ``done``, and claim up to ``limit``: one call."""
        ...

    async def wait(self) -> bytes | None:
        """The next job, popped as soon as there is one; None when a second has passed."""
