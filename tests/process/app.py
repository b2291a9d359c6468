"""The application that the runner processes of these tests serve. Every handler writes its start into the ledger."""

from __future__ import annotations

import asyncio
import os
import time

from flowli import Flowli, current_attempt, job
from flowli_redis import RedisDriver
from tests.support.runners import Ledger


def _note() -> int:
    attempt = current_attempt()
    Ledger.write(os.environ["FLOWLI_TEST_LEDGER"], attempt.job_id or "-", attempt.number)
    return attempt.number


@job
async def quick(number: int) -> int:
    _note()
    return number


@job
async def half_a_second() -> int:
    number = _note()
    await asyncio.sleep(0.5)
    return number


@job
async def hangs_at_first() -> int:
    """Never ends in its first attempt, at once in every other."""
    number = _note()
    if number == 1:
        await asyncio.sleep(600)
    return number


@job
async def is_deaf() -> None:
    _note()
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            continue


@job
def sits_in_a_thread() -> None:
    _note()
    time.sleep(600)


@job
async def blocks_the_loop(seconds: float) -> int:
    number = _note()
    time.sleep(seconds)  # noqa: ASYNC251
    return number


@job
async def only_in_the_new_version(number: int) -> int:
    _note()
    return number


class Old(Flowli):
    quick = quick
    half_a_second = half_a_second
    hangs_at_first = hangs_at_first
    is_deaf = is_deaf
    sits_in_a_thread = sits_in_a_thread
    blocks_the_loop = blocks_the_loop


class New(Old):
    only_in_the_new_version = only_in_the_new_version


def _driver() -> RedisDriver:
    return RedisDriver(os.environ["FLOWLI_TEST_STORE"], prefix="process")


def current() -> New:
    return New(context=None, driver=_driver())


def previous() -> Old:
    return Old(context=None, driver=_driver())
