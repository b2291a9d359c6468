"""The connection breaks at each request of a runtime and its runner: callers, handlers and records notice nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest

from flowli import JobCancelledError, JobFailedError, Runner
from flowli.driver import Driver
from tests.crash.app import Errands, starts
from tests.crash.drivers import DRIVERS
from tests.crash.enumerating import cut_at_each
from tests.support.polling import eventually
from tests.support.proxy import ChaosProxy
from tests.support.trouble import CutAfter, CutBefore, Fault

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

_FEWEST = 20


async def _live(driver: Driver, begin: Callable[[], None]) -> None:
    """Call, execute and wait for one job of each kind, and check what became of it. The trouble begins when the
    runtime is open: opening fails at once, so that a start-up with a wrong address says so."""
    async with Errands(context=None, driver=driver) as app:
        begin()
        done = await app.errand.enqueue("done")
        without_trace = await app.errand_without_trace.enqueue("no trace")
        retried = await app.fails_at_first.enqueue("retried")
        failed = await app.fails.enqueue("failed")
        cancelled = await app.errand.delay("1h", "cancelled")
        await cancelled.cancel()
        schedule = await app.errand.schedule("1h", "ticked", key="hourly")
        await schedule.delete()
        runner = Runner(app, poll_interval="50ms")

        async def all_ran() -> bool:
            await runner.run_until_idle()
            return starts["retried"] == 2

        await eventually(all_ran, what="the retry")
        assert await done.result(timeout=10) == "DONE"
        assert await retried.result(timeout=10) == 2
        with pytest.raises(JobFailedError):
            await failed.result(timeout=10)
        with pytest.raises(JobCancelledError):
            await cancelled.result(timeout=10)
        assert await app.inspect.get_job(without_trace.id) is None
        assert await app.inspect.get_schedule("hourly") is None
    assert dict(starts) == {"done": 1, "no trace": 1, "retried": 2, "failed": 1}, "each attempt starts once"


@pytest.mark.parametrize("cut", [CutBefore, CutAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_cut_at_any_request_is_invisible(
    proxy: ChaosProxy, kind: str, cut: Callable[[int], Fault], record_property: Callable[[str, object], None]
) -> None:
    async def live(fault: Fault) -> None:
        starts.clear()
        await _live(DRIVERS[kind](proxy.url, uuid4().hex), partial(proxy.set, fault))

    number = await cut_at_each(proxy, cut, live)
    record_property("requests", number - 1)
    assert number > _FEWEST
