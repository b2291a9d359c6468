"""X14: a fork has connections of its own or none, whichever client it is; threads and loops each have theirs."""

from __future__ import annotations

import asyncio
import os

import pytest

from flowli.errors import DriverClosed
from flowli.resp.driver import RespDriver
from tests.support.jobs import job_of

pytestmark = pytest.mark.anyio


async def _use(driver: RespDriver) -> bool:
    try:
        await driver.get_jobs(["a"])
    except DriverClosed:
        return False
    return True


def _status_of_a_fork(driver: RespDriver) -> int:
    child = os.fork()
    if child == 0:
        os._exit(int(asyncio.run(_use(driver))))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def test_a_fork_cannot_use_what_its_parent_opened(driver: RespDriver) -> None:
    await driver.enqueue([job_of("a")])
    assert _status_of_a_fork(driver) == 0, "DriverClosed, and neither a hang nor a reply"
    assert await _use(driver), "the parent is served as before"


async def test_a_thread_takes_a_twin(driver: RespDriver) -> None:
    async def beside() -> bool:
        twin = driver.twin()
        await twin.open()
        try:
            return (await twin.get_jobs(["a"]))[0] is not None
        finally:
            await twin.close()

    await driver.enqueue([job_of("a")])
    assert await asyncio.to_thread(lambda: asyncio.run(beside()))
    assert await _use(driver)
