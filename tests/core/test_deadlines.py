"""One timer for many deadlines: each comes once, in time, unless it was taken off."""

from __future__ import annotations

import pytest

from flowli.deadlines import Deadlines
from tests.core.runner_kit import until

pytestmark = pytest.mark.anyio


async def test_deadlines_pass_in_their_order_whatever_the_order_they_were_added_in() -> None:
    passed: list[str] = []
    deadlines = Deadlines[str](passed.append)
    for item, seconds in (("late", 0.02), ("early", 0.0), ("middle", 0.01)):
        deadlines.add(item, seconds)
    await until(lambda: len(passed) == 3)
    assert passed == ["early", "middle", "late"]


async def test_what_was_taken_off_does_not_pass() -> None:
    passed: list[str] = []
    deadlines = Deadlines[str](passed.append)
    deadlines.add("off", 0.0)
    deadlines.add("on", 0.005)
    deadlines.discard("off")
    deadlines.discard("never there")
    await until(lambda: passed)
    assert passed == ["on"] and len(deadlines) == 0


async def test_an_item_may_come_back_with_another_deadline() -> None:
    passed: list[str] = []
    deadlines = Deadlines[str](passed.append)
    deadlines.add("it", 0.0)
    deadlines.discard("it")
    deadlines.add("it", 600)
    deadlines.add("other", 0.005)
    await until(lambda: passed)
    assert passed == ["other"] and len(deadlines) == 1
    deadlines.clear()


async def test_entries_of_what_was_taken_off_do_not_pile_up() -> None:
    deadlines = Deadlines[int](lambda _: None)
    deadlines.add(-1, 600)
    for number in range(20_000):
        deadlines.add(number, 600)
        deadlines.discard(number)
    assert len(deadlines) == 1
    assert deadlines.places < 2_000, "an attempt that ended must not be kept until its time has passed"
    deadlines.clear()


async def test_clear_leaves_nothing_that_could_pass() -> None:
    passed: list[str] = []
    deadlines = Deadlines[str](passed.append)
    deadlines.add("it", 0.0)
    deadlines.clear()
    deadlines.add("other", 0.005)
    await until(lambda: passed)
    assert passed == ["other"]
