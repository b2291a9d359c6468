"""F24 and F26: what ten thousand jobs of every outcome leave behind, and what ten idle runners ask of a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flowli import Defaults, Runner
from tests.faults.app import New
from tests.faults.clients import driver_of
from tests.faults.conftest import Figure
from tests.faults.lab import SECRET, Lab, lasts
from tests.support.outside import Outside, outside
from tests.support.proxy import ChaosProxy

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

_EACH = 2_000
_FOR_GOOD = {"meta", "queues", "fence", "last", "turns", "alive", "runners"}
"""All that a namespace with runners at work keeps: none of it grows with jobs. The last four hold what is about senders
of the last ten minutes and runners of the last thirty seconds."""

_OF_A_SENDER = 30_000
"""Bytes: the last turn of each runner is remembered, with up to 500 places in a line."""

_IDLE_RUNNERS = 10
_BUDGET = 2.0
"""Commands of each idle runner in a second at the default poll interval: a sleep and a claim, which take a bit more
than a second together, and each twenty seconds a word that it lives."""
_WATCHED_S = 20.0


@pytest.fixture
async def brief(own_lab: Callable[..., Any]) -> AsyncIterator[Lab]:
    """A lab whose jobs are kept for a second."""
    lab: Lab = await own_lab()
    driver = driver_of(lab.client, lab.server.url, lab.prefix)
    lab.app = New(context=None, driver=driver, defaults=Defaults(result_ttl="1s", failed_ttl="1s"))
    async with lab.app:
        yield lab


async def _names(lab: Lab, operator: Outside) -> set[str]:
    root = f"flowli:{{{lab.prefix}}}:"
    return {name.removeprefix(root) for name in await operator.keys(f"{root}*")}


async def test_jobs_of_every_outcome_leave_nothing_when_their_retention_has_passed(brief: Lab, figure: Figure) -> None:
    lab, app = brief, brief.app
    await lab.start(2)
    for call in (app.quick, app.leaves_nothing, app.fails, app.gives_up):
        for _ in range(_EACH // 500):
            await call.enqueue_many([SECRET] * 500)
    waiting = [await app.quick.delay("1h", SECRET) for _ in range(_EACH // 10)]
    for handle in waiting:
        assert await handle.cancel()
    schedule = await app.ticks.schedule("1s", key="every-second")
    await lasts(1.5)
    assert await schedule.delete()
    await lab.until_over(within=120)

    async def forgotten() -> bool:
        counts = await app.inspect.get_queue_counts()
        return counts.completed + counts.failed + counts.cancelled == 0

    await lab.until(forgotten, "the end of every retention", within=60)
    async with outside(lab.server.url) as operator:

        async def bare() -> bool:
            names = {name for name in await _names(lab, operator) if not name.startswith(("wake:", "sent:"))}
            return names <= _FOR_GOOD

        await lab.until(bare, "no key but those that are there for good")
        for name in ("last", "turns", "runners"):
            assert await operator.ask("MEMORY", "USAGE", f"flowli:{{{lab.prefix}}}:{name}") < 2 * _OF_A_SENDER
    await lab.check_store()
    figure("200 jobs done: what stays for good, per job", "none")


async def test_an_idle_runner_asks_the_server_no_more_than_its_budget(lab: Lab, client: str) -> None:
    with ChaosProxy(lab.server.port) as proxy:
        driver = driver_of(client, proxy.url, lab.prefix)
        async with New(context=None, driver=driver) as app:
            runners = [Runner(app) for _ in range(_IDLE_RUNNERS)]
            await asyncio.gather(*(runner.start() for runner in runners))
            await lasts(3)
            before = proxy.requests
            await lasts(_WATCHED_S)
            asked = (proxy.requests - before) / _WATCHED_S / _IDLE_RUNNERS
            await asyncio.gather(*(runner.stop() for runner in runners))
    assert asked <= _BUDGET, asked
