"""A month of `examples/newsletter.py`, tested with the kit as a user would."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import newsletter
import pytest
from newsletter import Post, Reader, subscribe

from flowli_memory.plugin import Rigs

pytestmark = pytest.mark.anyio
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_BUDGET_S = 1.0


async def test_a_month_of_delays_retries_and_schedules_takes_less_than_a_second(rig: Rigs) -> None:
    post = Post(readers=[Reader(address="ada@example.org"), Reader(address="alan@example.org")], failures=2)
    bed = rig(newsletter.flowli, context=post, start=_START)
    began = time.process_time()
    async with newsletter.flowli:
        await subscribe("ada@example.org")
        await bed.advance("9m")
        assert post.sent == []
        await bed.advance("5m")  # ten minutes have passed, and two retries
        assert post.sent == ["welcome to ada@example.org"]
        done = await bed.advance("30d")
    spent = time.process_time() - began

    assert post.sent.count("digest to ada@example.org") == post.sent.count("digest to alan@example.org") == 30
    assert done.completed == 30 + 60
    assert bed.clock.now() == _START + timedelta(days=30, minutes=14)
    bed.assert_enqueued(newsletter.digest, input=Reader(address="alan@example.org"), count=30)
    assert spent < _BUDGET_S, spent
