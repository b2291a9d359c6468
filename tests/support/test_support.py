from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.polling import eventually, eventually_sync
from tests.support.servers import ValkeyServer

pytestmark = pytest.mark.anyio


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    started = ValkeyServer(tmp_path, options=("--appendonly", "yes")).start()
    yield started
    started.stop()


async def test_polling_returns_the_first_true_answer() -> None:
    answers = iter([0, 0, 7])

    async def ask() -> int:
        return next(answers)

    assert await eventually(ask, every=0) == 7


async def test_polling_past_its_deadline_says_what_was_awaited() -> None:
    async def never() -> int:
        return 0

    with pytest.raises(AssertionError, match="a runner did not come true within 0 s; the last answer was 0"):
        await eventually(never, within=0, what="a runner")


def test_polling_without_a_loop_keeps_its_deadline_too() -> None:
    answers = iter([None, "up"])
    assert eventually_sync(lambda: next(answers), every=0) == "up"
    with pytest.raises(AssertionError, match="the last answer was None"):
        eventually_sync(lambda: None, within=0)


def test_a_killed_server_starts_again_on_its_port(server: ValkeyServer) -> None:
    url, first = server.url, server.pid
    server.kill()
    assert not _is_alive(first)
    server.start()
    assert server.url == url
    assert server.pid != first


def test_a_stopped_server_leaves_no_process(server: ValkeyServer) -> None:
    pid = server.pid
    server.stop()
    assert not _is_alive(pid)
    with pytest.raises(RuntimeError, match="call start"):
        _ = server.pid


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_server_fails_in_ci_and_skips_elsewhere(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "find_server", lambda: None)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no server"):
        servers.require_server()
