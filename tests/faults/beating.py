"""The application of the schedule tests: its one job does nothing, for what matters is which instants made jobs."""

from __future__ import annotations

import os

from flowli import Flowli, job
from tests.faults.clients import driver_of

__all__ = ["beat", "current", "runtime"]


@job
async def beat(number: int) -> int:
    return number


def runtime(client: str, url: str, prefix: str) -> Flowli[None]:
    """On a store."""
    return Flowli(context=None, jobs=[beat], driver=driver_of(client, url, prefix))


def current() -> Flowli[None]:
    """The application of a runner's process."""
    return runtime(*(os.environ[f"FLOWLI_FAULTS_{name}"] for name in ("CLIENT", "STORE", "PREFIX")))
