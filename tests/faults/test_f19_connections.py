"""F19, F20: connections run out, calls are cancelled at random, a process forks."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.faults.lab import SECRET, Lab, lasts
from tests.support.outside import Outside, outside
from tests.support.runners import ROOT

pytestmark = pytest.mark.anyio

_CANCELS = 1_000
_MOST_AT_ONCE = 16
"""Connections that one driver opens for requests; those of calls that were cancelled are among them, or closed."""


async def test_a_server_without_a_free_connection_is_waited_for(own_lab: Callable[..., Any]) -> None:
    lab: Lab = await own_lab()
    await lab.start(2)
    await lab.send_many(lab.app.naps.enqueue_many, [0.5] * 4)
    async with outside(lab.server.url) as operator:
        known = len(await operator.clients())
        await operator.ask("CONFIG", "SET", "maxclients", 3)
        with lab.ledger.trouble("maxclients"):
            await operator.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await lasts(3)
        assert len(await operator.clients()) < known
        await operator.ask("CONFIG", "SET", "maxclients", 1_000)
        after = await lab.send_many(lab.app.quick.enqueue_many, [SECRET] * 20)
        for handle in after:
            assert await handle.result(timeout=30) > 0
    await lab.until_over()
    await lab.check()


async def test_a_thousand_cancelled_calls_leave_no_connection_behind_and_mix_up_no_reply(
    own_lab: Callable[..., Any],
) -> None:
    lab: Lab = await own_lab()
    dice = random.Random(4711)
    async with outside(lab.server.url) as operator:
        await asyncio.gather(*(lab.app.quick.enqueue(SECRET, id=f"before-{number}") for number in range(200)))
        before = await _connections(operator)
        for _ in range(_CANCELS // 50):
            calls = [asyncio.create_task(_enqueue_and_read(lab, dice.random())) for _ in range(50)]
            await lasts(dice.uniform(0, 0.01))
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        found = await asyncio.gather(*(_enqueue_and_read(lab, number) for number in range(100)))
        assert len(set(found)) == 100

        async def no_more() -> bool:
            return await _connections(operator) <= before + _MOST_AT_ONCE

        await lab.until(no_more, "no more connections than a driver may have")


async def _enqueue_and_read(lab: Lab, number: float) -> str:
    """Its own reply, or a defect."""
    id = f"one-{number!r}"
    handle = await lab.app.quick.enqueue(SECRET, id=id)
    assert handle.id == id
    record = await handle.record()
    assert record.id == id
    return record.id


async def _connections(operator: Outside) -> int:
    return len(await operator.clients())


_FORKS = """
import asyncio, os, sys
from tests.faults.app import runtime

async def enqueue(app, id):
    handle = await asyncio.wait_for(app.quick.enqueue("x", id=id), 20)
    assert handle.id == id
    await asyncio.wait_for(handle.record(), 20)

client, url, prefix, when = sys.argv[1:]
app = runtime(client, url, prefix)
if when == "after":
    asyncio.run(enqueue(app, "parent-before"))
child = os.fork()
if child == 0:
    try:
        asyncio.run(enqueue(app, "child"))
    except BaseException as error:
        print(type(error).__name__, error, flush=True)
        os._exit(3)
    os._exit(0)
_, status = os.waitpid(child, 0)
asyncio.run(enqueue(app, "parent"))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_fork_before_and_after_the_first_use_is_a_process_as_any_other(
    lab: Lab, client: str, when: str
) -> None:
    command = [sys.executable, "-c", _FORKS, client, lab.server.url, lab.prefix, when]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 90)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0, said.decode()
    for id in ("child", "parent"):
        assert await lab.app.inspect.get_job(id) is not None, "both processes reached the store"
