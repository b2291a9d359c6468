"""F23: handlers that sit in threads: a thousand of them, and some that do not come back in time."""

from __future__ import annotations

import pytest

from flowli import JobFailedError
from flowli.records import State
from tests.faults.lab import SECRET, Lab

pytestmark = pytest.mark.anyio


async def test_a_thousand_handlers_share_the_threads(lab: Lab) -> None:
    [runner] = await lab.start()
    await lab.send_many(lab.app.in_a_thread.enqueue_many, [SECRET] * 1_000)
    await lab.until_over()
    assert len(lab.history.runs) == 1_000
    assert runner.terminate(within=30)[0] == 0
    await lab.check()


async def test_a_thread_that_comes_back_late_changes_nothing_and_gives_its_place_back(lab: Lab) -> None:
    """Forty of them, more than there are threads: each attempt ends as a time-out, and what waited is done then."""
    [runner] = await lab.start()
    stuck = await lab.send_many(lab.app.sits_in_a_thread.enqueue_many, [2.0] * 40, timeout="500ms")
    for handle in stuck:
        with pytest.raises(JobFailedError, match="timeout"):
            await handle.result(timeout=60)
    after = await lab.send_many(lab.app.in_a_thread.enqueue_many, [SECRET] * 50)
    for handle in after:
        assert await handle.result(timeout=60) > 0
    for handle in stuck:
        record = await handle.record()
        assert (record.state, record.failures, record.result_json) == (State.FAILED, 1, None)
        assert record.error is not None and record.error.code == "FLOWLI_TIMEOUT"
    assert runner.terminate(within=30)[0] in (0, 4)
    assert SECRET not in runner.said


async def test_what_is_cancelled_in_a_thread_ends_as_cancelled(lab: Lab) -> None:
    await lab.start()
    handle = await lab.send(lab.app.sits_in_a_thread.enqueue, 3.0)
    await lab.until_runs(1)
    assert await handle.cancel()
    await lab.until_over()
    assert (await handle.record()).state is State.CANCELLED
    after = await lab.send(lab.app.in_a_thread.enqueue, SECRET)
    assert await after.result(timeout=30) > 0
