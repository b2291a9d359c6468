"""Records that are not for a runner, beside fifty good ones, on a real store and with real runner processes."""

from __future__ import annotations

import pytest

from flowli.driver import NewJob
from flowli.options import Defaults
from flowli.wire import encode_head
from flowli_redis import RedisDriver
from tests.process.app import New
from tests.process.conftest import StartRunner
from tests.support.polling import eventually
from tests.support.runners import Ledger
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_good_jobs_complete_and_strangers_end_as_they_should(
    server: ValkeyServer, flowli: New, ledger: Ledger, start_runner: StartRunner
) -> None:
    driver = RedisDriver(server.url, prefix="process")
    await driver.open()
    soon = encode_head(Defaults(unknown_ttl="1500ms").resolved())
    unreadable = NewJob("unreadable", "default", "quick", soon, b"\xff\x00 no json")
    invalid = NewJob("invalid", "default", "quick", encode_head(Defaults(max_attempts=9).resolved()), b'"no number"')
    await driver.enqueue([unreadable, invalid])
    await driver.close()
    unknown = await flowli.only_in_the_new_version.enqueue(7)
    good = await flowli.quick.enqueue_many(range(50))

    old = start_runner(app="previous")
    assert [await handle.result(timeout=20) for handle in good] == list(range(50))

    async def reasons() -> bool:
        found = [await flowli.inspect.get_job(id) for id in ("unreadable", "invalid")]
        return [None if one is None else (one.state, one.reason) for one in found] == [
            ("failed", "unreadable"),
            ("failed", "validation"),
        ]

    await eventually(reasons, what="both failed, with their reasons")
    parked = await unknown.record()
    assert (parked.state, parked.waiting_for, parked.attempts_made) == ("scheduled", "runner", 0)
    assert ledger.starts() and not [start for start in ledger.starts() if start.job in ("unreadable", "invalid")]

    new = start_runner(app="current")
    assert await unknown.result(timeout=40) == 7
    assert [start.pid for start in ledger.starts() if start.job == unknown.id] == [new.pid]
    assert old.terminate(within=40)[0] == 0
    assert new.terminate(within=40)[0] == 0
