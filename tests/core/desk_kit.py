"""What the tests of the dead-letter desk share: jobs that fail in their ways, and short forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flowli import Flowli, Retry, Runner, job
from flowli_memory import MemoryDriver
from tests.core.work import App, RequestMeta, Services

__all__ = ["NOON", "Desk", "Repaired", "desk", "failed", "fragile", "states", "stubborn"]

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)


class Repaired(Exception):
    """Another failure than a LookupError."""


@job(tags=("mail", "nightly"))
async def fragile(text: str) -> str:
    if text.startswith("bad"):
        raise Repaired(text)
    return text


@job(max_attempts=2)
async def stubborn(number: int, *, meta: RequestMeta) -> int:
    if number < 0:
        raise Retry(after="0s")
    return number


class Desk(App):
    fragile = fragile
    stubborn = stubborn


def desk(driver: MemoryDriver | None = None) -> Desk:
    return Desk(context=Services(), driver=driver or MemoryDriver())


async def failed(flowli: Desk, *texts: str) -> list[str]:
    handles = await flowli.fragile.enqueue_many(texts)
    await Runner(flowli).run_until_idle()
    return [handle.id for handle in handles]


async def states(flowli: Flowli[Any], ids: Sequence[str]) -> Mapping[str, str | None]:
    found = {id: await flowli.inspect.get_job(id) for id in ids}
    return {id: None if record is None else record.state.value for id, record in found.items()}
