"""An operator's replay and purge are cut off or killed at each request: each job once, each act on record."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest

from flowli.records import JobRecord, State
from tests.crash.desk_app import EDITED, IDS, Desk, enqueue, execute, purge, replay
from tests.crash.drivers import DRIVERS
from tests.crash.enumerating import cut_at_each, kill_at_each
from tests.crash.ledger import Ledger
from tests.crash.residue import check_residue
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer
from tests.support.trouble import CutAfter, CutBefore, Fault, Hold, HoldAfter, HoldBefore

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1_800)]

_EVERY = 1 if os.environ.get("FLOWLI_PROFILE") == "nightly" else 7
"""At which requests a process is killed: all of them at night, a sample otherwise."""

_FEWEST = 15


class _Work:
    """What is done in one namespace, and what has to be true of it at the end."""

    def __init__(self, server: ValkeyServer, proxy: ChaosProxy, kind: str, path: Path) -> None:
        self._server, self._proxy = server, proxy
        self._prefix, self._make = uuid4().hex, DRIVERS[kind]
        self._ledger = Ledger(path)
        self.command = [sys.executable, "-m", "tests.crash.desk_app", kind, proxy.url, self._prefix, str(path)]

    async def live(self, begin: Callable[[], None]) -> None:
        """All of it through the proxy; the trouble begins when the runtime is open. It notices nothing."""
        async with Desk(context=None, driver=self._make(self._proxy.url, self._prefix)) as app:
            begin()
            await enqueue(app)
            await execute(app)
            await replay(app)
            await execute(app)
            self._check_completed(await self._records(app, State.COMPLETED))
            assert set(await self._records(app, State.COMPLETED)) == set(IDS)
            await purge(app)
            assert await self._records(app, State.COMPLETED) == {}, "purged"
            acts = [(act.deed, act.by, act.asked, act.done, act.is_over) for act in await app.inspect.get_acts()]
            others = len(IDS) - 1
            replays = [("replay", "ann", others, others, True), ("replay", "ann", 1, 1, True)]
            assert acts == [("delete", "ann", len(IDS), len(IDS), True), *replays], "each act is on record, once"

    async def heal(self) -> None:
        """Another operator goes on where the first was killed, and nothing may be wrong."""
        async with Desk(context=None, driver=self._make(self._server.url, self._prefix)) as app:
            before = await self._records(app, State.COMPLETED)
            await execute(app)
            await replay(app)
            await execute(app)
            found = await self._records(app, State.COMPLETED)
            self._check_completed(found)
            for state in (State.SCHEDULED, State.QUEUED, State.ACTIVE, State.FAILED, State.CANCELLED):
                assert await self._records(app, state) == {}, f"nothing is {state}"
            purged = set(IDS) if self._ledger.about_to_end else set[str]()
            assert set(self._ledger.acknowledged) - set(found) <= purged, "acknowledged, and lost"
            assert {id: found[id].finished_at for id in before} == {id: one.finished_at for id, one in before.items()}
            assert {act.by for act in await app.inspect.get_acts()} <= {"ann"}
            await purge(app)
            assert await self._records(app, State.COMPLETED) == {}
        await self.check_residue()
        assert max(self._ledger.started.values(), default=0) <= 3, "again only where its runner was lost"

    def _check_completed(self, records: dict[str, JobRecord]) -> None:
        assert {id: one.replays for id, one in records.items()} == dict.fromkeys(records, 1), "replayed once"
        said = {id: one.result_json for id, one in records.items()}
        assert said == {id: b'"right"' if id == EDITED else b'"good"' for id in records}

    async def _records(self, app: Desk, state: State) -> dict[str, JobRecord]:
        return {record.id: record for record in await app.inspect.get_jobs_by_state(state)}

    async def check_residue(self) -> None:
        """Nothing contradicts itself, and nothing is left; read past the proxy."""
        async with Desk(context=None, driver=self._make(self._server.url, self._prefix)) as app:
            await check_residue(await app.__flowli__.driver("a test"), self._server.url, self._prefix)


Make: TypeAlias = Callable[[str], _Work]


@pytest.fixture
def make(valkey_server: ValkeyServer, proxy: ChaosProxy, tmp_path: Path) -> Make:
    numbers = count(1)
    return lambda kind: _Work(valkey_server, proxy, kind, tmp_path / f"ledger-{next(numbers)}")


@pytest.mark.parametrize("cut", [CutBefore, CutAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_cut_at_any_request_is_repaired(
    make: Make,
    proxy: ChaosProxy,
    kind: str,
    cut: Callable[[int], Fault],
    record_property: Callable[[str, object], None],
) -> None:
    async def live(fault: Fault) -> None:
        work = make(kind)
        await work.live(partial(proxy.set, fault))
        await work.check_residue()

    number = await cut_at_each(proxy, cut, live)
    record_property("requests", number - 1)
    assert number > _FEWEST


@pytest.mark.parametrize("hold", [HoldBefore, HoldAfter])
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_kill_at_any_request_is_repaired(
    make: Make,
    proxy: ChaosProxy,
    kind: str,
    hold: Callable[[int], Hold],
    record_property: Callable[[str, object], None],
) -> None:
    def begin() -> tuple[Sequence[str], Callable[[], Awaitable[None]]]:
        work = make(kind)
        return work.command, work.heal

    number = await kill_at_each(proxy, hold, _EVERY, begin)
    record_property("requests", len(range(1, number, _EVERY)))
    assert number > _FEWEST
