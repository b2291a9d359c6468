"""The connection breaks at each request in the life of a job, before it is sent and after it was executed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.crash.drivers import DRIVERS
from tests.crash.enumerating import cut_at_each
from tests.crash.scene import Crash, Scene
from tests.support.trouble import CutAfter, CutBefore, Fault, HoldAfter

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

_FEWEST = 20
"""Requests in a life; fewer would mean that the cuts were not where they should be."""

STARTS = {"kept": 1, "kept-not": 1, "retried": 2, "asked": 1, "lapsed": 2, "tick-first": 1, "woken": 1}
OVER = {"kept", "kept-not", "retried", "asked", "lapsed", "tick-first", "waiting", "woken"}


async def _live_and_check(crash: Crash) -> None:
    """A life that repeats what was lost notices nothing."""
    await crash.life.live()
    assert dict(crash.ledger.started) == STARTS, "each attempt starts once"
    assert set(crash.ledger.over) == OVER, "every job ends"
    await crash.heal()


@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_life_without_a_crash_passes_every_check(scene: Scene, kind: str) -> None:
    crash = scene.crash(kind)
    await _live_and_check(crash)
    assert scene.proxy.requests >= _FEWEST


@pytest.mark.parametrize("cut", [CutBefore, CutAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_cut_at_any_request_is_repaired(
    scene: Scene, kind: str, cut: Callable[[int], Fault], record_property: Callable[[str, object], None]
) -> None:
    async def live(fault: Fault) -> None:
        scene.proxy.set(fault)
        await _live_and_check(scene.crash(kind))

    number = await cut_at_each(scene.proxy, cut, live)
    record_property("requests", number - 1)
    assert number > _FEWEST


@pytest.mark.parametrize("kind", DRIVERS)
async def test_an_enqueue_that_is_repeated_after_its_job_left_nothing_makes_no_second_job(
    scene: Scene, kind: str
) -> None:
    crash = scene.crash(kind)
    producer, hold = crash.life, HoldAfter(1)
    await producer.open()
    scene.proxy.set(hold)
    async with asyncio.TaskGroup() as group:
        group.create_task(producer.enqueue("kept-not"))
        assert await asyncio.to_thread(hold.happened.wait, 20)
        await crash.execute_all_and_keep_nothing()
        hold.release()
    left = await producer.exchange()
    await producer.close()
    assert left == [], "the turn says that this enqueue had its effect already"
    await crash.heal()
