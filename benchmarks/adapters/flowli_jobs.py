"""Flowli's jobs and runtime, on whichever driver; through its public surface alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from benchmarks.ledger import done
from benchmarks.payload import NAP, SETTINGS, Payload
from flowli import Defaults, Flowli, job
from flowli.driver import Driver
from flowli.limiting import Concurrency

__all__ = ["Adapter", "Contestant", "make_contestant"]


class Mail(BaseModel):
    id: int
    email: str
    subject: str


_KEYS = 1_000
_LIMITS = [Concurrency(1, key=lambda mail: str(mail.id % _KEYS))] if SETTINGS.endswith("limited") else []


@job(limits=_LIMITS)
async def send(mail: Mail) -> None:
    done(mail.id)


@job
async def nap(mail: Mail) -> None:
    await asyncio.sleep(NAP)
    done(mail.id)


class Contestant(Flowli[None]):
    """The runtime; results are kept for an hour by default, and not at all when tuned."""

    send = send
    nap = nap


def make_contestant(driver: Driver) -> Contestant:
    kept = Defaults() if SETTINGS.startswith("defaults") else Defaults(result_ttl="0s")
    return Contestant(context=None, driver=driver, defaults=kept)


class Adapter:
    """What a producer calls."""

    def __init__(self, flowli: Contestant) -> None:
        self._flowli = flowli

    async def open(self) -> None:
        await self._flowli.__aenter__()

    async def close(self) -> None:
        await self._flowli.__aexit__(None, None, None)

    async def one(self, payload: Payload) -> None:
        await self._flowli.send.enqueue(Mail(**payload))

    async def bulk(self, payloads: Sequence[Payload]) -> None:
        await self._flowli.send.enqueue_many([Mail(**payload) for payload in payloads])

    async def nap(self, payload: Payload) -> None:
        await self._flowli.nap.enqueue(Mail(**payload))

    async def later(self, payload: Payload, epoch: float) -> None:
        await self._flowli.send.delay(datetime.fromtimestamp(epoch, UTC), Mail(**payload))

    async def every(self, payload: Payload, interval: float, key: str) -> None:
        await self._flowli.send.schedule(timedelta(seconds=interval), Mail(**payload), key=key)
