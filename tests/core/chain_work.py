"""The jobs that the tests of chains share."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import BaseModel

from flowli import Backoff, Cancel, Flowli, JobHandle, Runner, job
from flowli.chains import Outcome
from flowli.records import JobRecord
from tests.core.runner_kit import record

__all__ = ["Meta", "Work", "calls", "fetch_flaky", "finished", "parse", "step"]

calls: Counter[str] = Counter()
"""Of each handler; a test clears it."""


class Meta(BaseModel):
    actor: str


@job
async def fetch(url: str) -> int:
    calls["fetch"] += 1
    if url == "bad":
        raise ValueError("no such host")
    if url == "unwanted":
        raise Cancel("not wanted")
    return len(url)


@job(result_ttl="0s", failed_ttl="0s")
async def fetch_once(url: str) -> int:
    return len(url)


@job(max_attempts=2, backoff=Backoff(delay="1s", max_delay="1s", jitter=False))
async def fetch_flaky(url: str) -> int:
    calls["flaky"] += 1
    if calls["flaky"] == 1:
        raise ValueError("not yet")
    return len(url)


@job
async def parse(number: int) -> str:
    calls["parse"] += 1
    return "x" * number


@job
async def sign(text: str, *, meta: Meta) -> str:
    return f"{text} by {meta.actor}"


@job
async def merge(numbers: list[int]) -> int:
    calls["merge"] += 1
    return sum(numbers)


@job
async def join(texts: list[str]) -> str:
    return " ".join(texts)


@job
async def report(outcome: Outcome[int]) -> str:
    error = outcome.error
    return f"{outcome.name} {outcome.state} {outcome.result} {error and error.message}"


@job
async def reports(outcomes: list[Outcome[int]]) -> list[str]:
    return [f"{one.state} {one.result} {one.error and one.error.message}" for one in outcomes]


@job
async def anything(url: str) -> Any:
    return url


class Work(Flowli):
    fetch = fetch
    fetch_once = fetch_once
    fetch_flaky = fetch_flaky
    parse = parse
    sign = sign
    merge = merge
    join = join
    report = report
    reports = reports
    anything = anything


async def finished(flowli: Work) -> None:
    """Execute whatever can be executed now."""
    await Runner(flowli).run_until_idle()


async def step(flowli: Work, handle: JobHandle[Any]) -> JobRecord:
    """The record of the last step."""
    return await record(flowli, handle.id)
