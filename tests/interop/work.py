"""Jobs of every kind, and the application that has them."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel

from flowli import Backoff, Flowli, current_attempt, job

__all__ = ["Request", "Shop", "ticks"]

ticks: Counter[str] = Counter()
"""How often the scheduled job ran, by the prefix of its application."""


class Request(BaseModel):
    by: str
    weight: int = 0


@job(result_ttl="10m")
async def plain(number: int) -> int:
    return number * 2


@job(result_ttl="10m")
async def with_meta(number: int, *, meta: Request) -> Request:
    return Request(by=f"{meta.by}-{number} äß\x00", weight=meta.weight + 1)


@job(max_attempts=3, backoff=Backoff(delay="10ms", max_delay="20ms"), result_ttl="10m")
async def retried(number: int) -> int:
    attempt = current_attempt().number
    if attempt < 3:
        raise ValueError("not yet")
    return number + attempt


@job(max_attempts=1, failed_ttl="10m")
async def failing(number: int) -> int:
    raise LookupError(f"no {number}")


@job
async def tick(name: str) -> None:
    ticks[name] += 1


class Shop(Flowli):
    plain = plain
    with_meta = with_meta
    retried = retried
    failing = failing
    tick = tick
