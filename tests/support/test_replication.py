"""The builders of a primary with replicas and of Sentinels do what their names say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.polling import eventually_sync
from tests.support.replication import Replication, ask, facts, stalled
from tests.support.sentinels import Sentinels

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Replication]:
    started = Replication(tmp_path).start()
    yield started
    started.stop()


@pytest.fixture
def sentinels(tmp_path: Path, pair: Replication) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path, pair).start()
    yield started
    started.stop()


def _roles(pair: Replication) -> list[str | None]:
    return [facts(node).get("role") for node in pair.nodes]


def test_a_replica_follows_and_a_stalled_one_confirms_nothing(pair: Replication) -> None:
    assert _roles(pair) == ["master", "slave"]
    ask(pair.first, "SET", "a", "1")
    eventually_sync(lambda: ask(pair.replicas[0], "GET", "a") == b"1", what="the write at the replica")
    with stalled(pair.replicas[0]):
        ask(pair.first, "SET", "a", "2")
        assert facts(pair.first)["connected_slaves"] == 1, "it is there, and stands still"
    eventually_sync(lambda: ask(pair.replicas[0], "GET", "a") == b"2", what="the write at the replica once it goes on")


def test_a_replica_can_be_promoted(pair: Replication) -> None:
    pair.promote(pair.replicas[0])
    assert _roles(pair) == ["slave", "master"]


def test_sentinels_replace_a_primary_on_demand_and_when_it_is_killed(sentinels: Sentinels, pair: Replication) -> None:
    assert sentinels.primary() is pair.first
    assert sentinels.failover() is pair.replicas[0]
    eventually_sync(lambda: _roles(pair) == ["slave", "master"], what="roles exchanged")
    eventually_sync(lambda: facts(pair.first).get("master_link_status") == "up", what="the old primary in step")
    pair.replicas[0].kill()
    assert sentinels.await_other_than(pair.replicas[0]) is pair.first
    pair.replicas[0].start()
    eventually_sync(lambda: _roles(pair) == ["master", "slave"], what="the killed one as a replica")
