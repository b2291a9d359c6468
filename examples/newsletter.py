# /// script
# requires-python = ">=3.11"
# dependencies = ["flowli[redis,cli]==0.1.0"]
# ///
"""A newsletter: a welcome that is delayed, a digest each morning, a mail server that is sometimes down.

`tests/examples/test_newsletter.py` tests a month of it in less than a second.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from pydantic import BaseModel

from flowli import Backoff, Flowli, Schedule, Unique, job
from flowli_redis import RedisDriver


class Reader(BaseModel):
    address: str


@dataclass
class Post:
    """Where mails go."""

    sent: list[str] = field(default_factory=list[str])
    readers: list[Reader] = field(default_factory=list[Reader])
    failures: int = 0

    def send(self, address: str, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the mail server is down")
        self.sent.append(f"{text} to {address}")


@job(max_attempts=5, backoff=Backoff(delay="1m", max_delay="1h"))
async def welcome(reader: Reader, *, ctx: Post) -> None:
    ctx.send(reader.address, "welcome")


@job(max_attempts=3, backoff=Backoff(delay="5m"))
async def digest(reader: Reader, *, ctx: Post) -> None:
    ctx.send(reader.address, "digest")


@job
async def morning(none: None = None, *, ctx: Post) -> int:
    for reader in ctx.readers:
        await flowli.digest.enqueue(reader, unique=Unique(reader.address, within="1h"))
    return len(ctx.readers)


class Newsletter(Flowli[Post]):
    welcome = welcome
    digest = digest
    morning = morning


flowli = Newsletter(
    context=Post(),
    driver=RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="newsletter"),
    schedules=[Schedule(morning, "0 8 * * *", key="morning", tz="Europe/Berlin")],
)


async def subscribe(address: str) -> None:
    """What a web application calls."""
    await flowli.welcome.delay("10m", Reader(address=address), id=f"welcome-{address}")
