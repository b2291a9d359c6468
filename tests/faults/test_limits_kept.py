"""A recorded history of limited jobs, under runners that are killed and started again: no limit is ever exceeded."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from flowli import Flowli, job
from flowli.limiting import Concurrency, Rate
from flowli_redis import RedisDriver
from tests.support.polling import eventually
from tests.support.runners import RunnerProcess
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(180)]

_JOBS, _KILLS = 30, 3
_SPAN = 500


def _begun(history: Path) -> list[list[str]]:
    lines = history.read_text(encoding="utf-8").splitlines() if history.exists() else []
    return [line.split() for line in lines]


async def test_no_limit_is_exceeded_while_runners_are_killed(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    history, environment = tmp_path / "history", {"FLOWLI_STORE": valkey_server.url}
    environment["FLOWLI_HISTORY"] = str(history)

    @job(name="visit", limits=[Concurrency(2, key=lambda key: key), Rate(6, per="500ms")], max_deliveries=50)
    async def visit(key: str) -> None: ...

    flowli = Flowli(context=None, jobs=[visit], driver=RedisDriver(valkey_server.url, prefix="limits"))
    async with flowli:
        died: dict[int, int] = {}
        runners = [_runner(tmp_path, environment) for _ in range(2)]
        for runner in runners:
            await runner.ready()
        for kill in range(_KILLS):
            await flowli.use(visit).enqueue_many(["abc"[n % 3] for n in range(_JOBS)], result_ttl="0s")
            before = len(_begun(history))

            async def went_on(before: int = before) -> bool:
                return len(_begun(history)) > before + 8

            await eventually(went_on, within=60, what="jobs that go on")
            victim = runners[kill % 2]
            victim.kill()
            died[victim.pid] = time.monotonic_ns()
            runners[kill % 2] = await _runner(tmp_path, environment).ready()

        async def is_over() -> bool:
            counts = await flowli.inspect.get_queue_counts()
            return counts.scheduled + counts.queued + counts.active == 0

        await eventually(is_over, within=90, what="an empty queue")
        for runner in runners:
            runner.kill()
        limits = await flowli.inspect.get_limits()
    assert [one for one in limits if one.held or one.waiting] == [], "no slot is left behind"
    _check(_begun(history), died)


def _runner(folder: Path, environment: dict[str, str]) -> RunnerProcess:
    options = ("--concurrency", "20", "--lease", "2s")
    return RunnerProcess(folder, "tests.faults.limited_app:flowli", options=options, environment=environment)


def _check(history: list[list[str]], died: dict[int, int]) -> None:
    """Concurrency by when handlers began and ended, or their process did; the rate by the tokens, which are the
    instants of leases by the store's clock."""
    ends = {(pid, token): int(at) for deed, at, pid, _, token in history if deed == "end"}
    points: list[tuple[int, int, str]] = []
    starts: list[int] = []
    for deed, at, pid, key, token in history:
        if deed == "begin":
            starts.append(int(token) // 1000)
            end = ends.get((pid, token), died.get(int(pid)))
            assert end is not None, "what began has ended, or its process was killed"
            points += [(int(at), 1, key), (end, -1, key)]
    running: Counter[str] = Counter()
    for _, change, key in sorted(points, key=lambda point: (point[0], point[1])):
        running[key] += change
        assert running[key] <= 2, "two at once are two"
    assert len(starts) >= _JOBS * _KILLS
    for start in starts:
        assert sum(start <= at < start + _SPAN - 1 for at in starts) <= 6, "six in any half second are six"
