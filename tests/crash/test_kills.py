"""The process dies at requests in the life of a job, before they are sent and after they were executed."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count

import pytest

from tests.crash.drivers import DRIVERS
from tests.crash.killing import live_until
from tests.crash.scene import Scene
from tests.support.trouble import Hold, HoldAfter, HoldBefore

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1_800)]

_EVERY = 1 if os.environ.get("FLOWLI_PROFILE") == "nightly" else 10
"""At which requests: all of them at night, a sample otherwise."""

_FEWEST = 20


@pytest.mark.parametrize("hold", [HoldBefore, HoldAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_kill_at_any_request_is_repaired(
    scene: Scene, kind: str, hold: Callable[[int], Hold], record_property: Callable[[str, object], None]
) -> None:
    number = 0
    for number in count(1, _EVERY):
        fault, crash = hold(number), scene.crash(kind)
        scene.proxy.set(fault)
        killed = await live_until(crash.command, fault)
        try:
            await crash.heal()
        except Exception as exc:
            exc.add_note(f"killed at request {number}: {scene.proxy.seen(number)}")
            raise
        if not killed:
            break
    record_property("requests", len(range(1, number, _EVERY)))
    assert number > _FEWEST
