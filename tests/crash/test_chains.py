"""A chain and a group lose their only runner, or a connection, at each request: each step settles once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest

from flowli.driver import State
from tests.crash.chain_app import Steps, enqueue, expected, ids_of, run
from tests.crash.drivers import DRIVERS
from tests.crash.enumerating import cut_at_each, kill_at_each
from tests.crash.ledger import Ledger
from tests.crash.residue import check_residue
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer
from tests.support.trouble import CutAfter, CutBefore, Fault, Hold, HoldAfter, HoldBefore

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1_800)]

_NIGHTLY = os.environ.get("FLOWLI_PROFILE") == "nightly"
_SIZES = [3, 1_000] if _NIGHTLY else [3]
_EVERY = 1 if _NIGHTLY else 6
"""At which requests a process is killed: all of them at night, a sample otherwise."""

_FEWEST = 15


class _Chains:
    """The chain and the group of one namespace, whatever became of them."""

    def __init__(self, server: ValkeyServer, proxy: ChaosProxy, kind: str, size: int, path: Path) -> None:
        self._server, self._proxy, self._size = server, proxy, size
        self._prefix, self._make = uuid4().hex, DRIVERS[kind]
        self.ledger = Ledger(path)
        module = [sys.executable, "-m", "tests.crash.chain_app"]
        self.command = [*module, kind, proxy.url, self._prefix, str(size), str(path)]

    async def live(self, begin: Callable[[], None]) -> None:
        """Enqueue and execute both through the proxy; the trouble begins when the runtime is open."""
        async with Steps(context=None, driver=self._make(self._proxy.url, self._prefix)) as app:
            begin()
            await enqueue(app, self._size)
            await run(app)

    async def heal(self) -> None:
        """Whoever enqueued both calls again, a healthy runner finishes, and nothing may be wrong."""
        async with Steps(context=None, driver=self._make(self._server.url, self._prefix)) as app:
            over = {id: record for id in ids_of(self._size) if (record := await app.inspect.get_job(id))}
            before = {id: record.finished_at for id, record in over.items() if record.state.is_terminal}
            await enqueue(app, self._size)
            await asyncio.wait_for(run(app), 60)
            last = [(id, await app.inspect.get_job(id)) for id in expected(self._size)]
            results = {id: record and record.result_json for id, record in last}
            assert results == expected(self._size), "both come to their end"
            for state in (State.SCHEDULED, State.QUEUED, State.ACTIVE):
                assert list(await app.inspect.get_jobs_by_state(state)) == [], "an orphan"
            for id, finished_at in before.items():
                record = await app.inspect.get_job(id)
                assert record is None or record.finished_at == finished_at, f"{id} has ended twice"
            await check_residue(await app.__flowli__.driver("a test"), self._server.url, self._prefix)


Make: TypeAlias = Callable[[str, int], _Chains]


@pytest.fixture
def make(valkey_server: ValkeyServer, proxy: ChaosProxy, tmp_path: Path) -> Make:
    numbers = count(1)
    return lambda kind, size: _Chains(valkey_server, proxy, kind, size, tmp_path / f"ledger-{next(numbers)}")


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
        chains = make(kind, 3)
        await chains.live(partial(proxy.set, fault))
        await chains.heal()

    number = await cut_at_each(proxy, cut, live)
    record_property("requests", number - 1)
    assert number > _FEWEST


@pytest.mark.parametrize("hold", [HoldBefore, HoldAfter])
@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_kill_of_the_only_runner_at_any_request_is_repaired(
    make: Make,
    proxy: ChaosProxy,
    kind: str,
    size: int,
    hold: Callable[[int], Hold],
    record_property: Callable[[str, object], None],
) -> None:
    def begin() -> tuple[Sequence[str], Callable[[], Awaitable[None]]]:
        chains = make(kind, size)

        async def heal() -> None:
            await chains.heal()
            most = max(chains.ledger.started.values(), default=0)
            assert most <= 3, "a step is executed again only where its runner was lost"

        return chains.command, heal

    number = await kill_at_each(proxy, hold, _EVERY, begin)
    record_property("requests", len(range(1, number, _EVERY)))
    assert number > _FEWEST
