"""The process dies at requests in the life of a job, before they are sent and after they were executed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.crash.drivers import DRIVERS
from tests.crash.scene import Crash, Scene
from tests.support.trouble import Hold, HoldAfter, HoldBefore

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1_800)]

_ROOT = Path(__file__).parents[2]
_EVERY = 1 if os.environ.get("FLOWLI_PROFILE") == "nightly" else 10
"""At which requests: all of them at night, a sample otherwise."""

_FEWEST = 20


async def _live_until(crash: Crash, hold: Hold) -> bool:
    """Live in a process of its own until time stands still, and kill it there. False if it came to its end."""
    process = await asyncio.create_subprocess_exec(*crash.command, cwd=_ROOT, stdin=asyncio.subprocess.DEVNULL)
    try:
        while not await asyncio.to_thread(hold.happened.wait, 0.05):
            if process.returncode is not None:
                assert process.returncode == 0, "a life that is not killed ends well"
                return False
        return True
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        hold.release()


@pytest.mark.parametrize("hold", [HoldBefore, HoldAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_kill_at_any_request_is_repaired(
    scene: Scene, kind: str, hold: Callable[[int], Hold], record_property: Callable[[str, object], None]
) -> None:
    number = 0
    for number in count(1, _EVERY):
        fault, crash = hold(number), scene.crash(kind)
        scene.proxy.set(fault)
        killed = await _live_until(crash, fault)
        try:
            await crash.heal()
        except Exception as exc:
            exc.add_note(f"killed at request {number}: {scene.proxy.seen(number)}")
            raise
        if not killed:
            break
    record_property("requests", len(range(1, number, _EVERY)))
    assert number > _FEWEST
