"""The application that runner processes serve here. Each handler notes its start in one file, whichever the process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from flowli import Flowli, current_attempt, job
from flowli_redis import RedisDriver

__all__ = ["LEDGER", "STORE", "App", "application", "pids_in"]

STORE, LEDGER = "FLOWLI_TEST_STORE", "FLOWLI_TEST_LEDGER"
"""Environment variables: the URL of the store, the path of the ledger."""


def _note() -> int:
    with Path(os.environ[LEDGER]).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{os.getpid()}\n")  # one short append is atomic
    return current_attempt().number


def pids_in(ledger: Path) -> list[int]:
    """The process of each start of a handler, in their order."""
    return [int(line) for line in ledger.read_text(encoding="utf-8").splitlines()]


@job
async def quick() -> int:
    return _note()


@job
async def meets_another() -> int:
    """Ends when handlers have been started in two processes."""
    number = _note()
    while len(set(pids_in(Path(os.environ[LEDGER])))) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return number


@job
async def hangs_at_first() -> int:
    """Never ends in its first attempt, at once in every other."""
    number = _note()
    if number == 1:
        await asyncio.Event().wait()
    return number


@job
async def is_deaf() -> None:
    _note()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@job
async def names_its_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


class App(Flowli):
    quick = quick
    meets_another = meets_another
    hangs_at_first = hangs_at_first
    is_deaf = is_deaf
    names_its_loop = names_its_loop


def application() -> App:
    return App(context=None, driver=RedisDriver(os.environ[STORE], prefix="process"))
