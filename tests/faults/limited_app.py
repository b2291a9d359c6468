"""An application whose jobs are limited, and write down when they began and ended. Runner processes import it."""

from __future__ import annotations

import asyncio
import os
import time

from flowli import Flowli, current_attempt, job
from flowli.limiting import Concurrency, Rate
from flowli_redis import RedisDriver

__all__ = ["App", "flowli"]


def _write(*words: object) -> None:
    """One line at the end of the history: what is appended by one write is not torn."""
    line = " ".join(map(str, words)) + "\n"
    file = os.open(os.environ["FLOWLI_HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@job(
    limits=[Concurrency(2, key=lambda key: key), Rate(6, per="500ms")],
    max_deliveries=50,
    result_ttl="0s",
)
async def visit(key: str) -> None:
    token = current_attempt().token or 0
    _write("begin", time.monotonic_ns(), os.getpid(), key, token)
    await asyncio.sleep(0.05)
    _write("end", time.monotonic_ns(), os.getpid(), key, token)


class App(Flowli):
    visit = visit


flowli = App(context=None, driver=RedisDriver(os.environ.get("FLOWLI_STORE", "redis://127.0.0.1:1/0"), prefix="limits"))
