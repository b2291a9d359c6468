"""The application whose life is interrupted through core: every handler notes its start."""

from __future__ import annotations

from collections import Counter

from flowli import Backoff, Flowli, current_attempt, job

__all__ = ["Errands", "starts"]

starts: Counter[str] = Counter()
"""By name of the errand; a test clears it."""


@job(result_ttl="10m")
async def errand(name: str) -> str:
    starts[name] += 1
    return name.upper()


@job(result_ttl="0s")
async def errand_without_trace(name: str) -> None:
    starts[name] += 1


@job(max_attempts=2, backoff=Backoff(delay="1ms", max_delay="1ms"), result_ttl="10m")
async def fails_at_first(name: str) -> int:
    starts[name] += 1
    number = current_attempt().number
    if number == 1:
        raise ValueError("not yet")
    return number


@job(failed_ttl="10m")
async def fails(name: str) -> None:
    starts[name] += 1
    raise LookupError(name)


class Errands(Flowli):
    errand = errand
    errand_without_trace = errand_without_trace
    fails_at_first = fails_at_first
    fails = fails
