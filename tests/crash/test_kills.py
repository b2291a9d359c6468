"""The process dies at requests in the life of a job, before they are sent and after they were executed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.crash.drivers import DRIVERS
from tests.crash.enumerating import kill_at_each
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
    def begin() -> tuple[Sequence[str], Callable[[], Awaitable[None]]]:
        crash = scene.crash(kind)
        return crash.command, crash.heal

    number = await kill_at_each(scene.proxy, hold, _EVERY, begin)
    record_property("requests", len(range(1, number, _EVERY)))
    assert number > _FEWEST
