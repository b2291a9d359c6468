from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import RedisCluster

from tests.support.cluster import Cluster, slot_of

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path).start()
    yield cluster
    cluster.stop()


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(cluster: Cluster) -> None:
    assert len(cluster.nodes) == 6
    assert cluster.primaries() == cluster.nodes[:3]
    slot = slot_of("key")
    lost = cluster.owner(slot)
    lost.kill()
    assert cluster.owner(slot) in cluster.nodes[3:]
    lost.start()
    cluster.await_ok()
    assert lost not in cluster.primaries()


def test_a_slot_moves_with_its_keys(cluster: Cluster) -> None:
    slot = slot_of("{a}")
    source, target = cluster.owner(slot), next(node for node in cluster.primaries() if node != cluster.owner(slot))
    client = RedisCluster(host="127.0.0.1", port=source.port)
    for number in range(250):
        client.set(f"{{a}}{number}", number)
    states: list[bytes] = []
    moved = cluster.move_slot(slot, target, between=lambda: states.append(cluster.ask(source, "CLUSTER", "NODES")))
    assert moved == 250
    assert len(states) == 3
    assert all(b"[%d->-" % slot in state for state in states)
    assert cluster.owner(slot) is target
    assert client.mget_nonatomic([f"{{a}}{number}" for number in range(250)]) == [
        b"%d" % number for number in range(250)
    ]
    client.close()


def test_a_slot_moves_in_one_step_where_the_server_can(cluster: Cluster) -> None:
    if not cluster.product.startswith("Valkey"):
        pytest.skip("only Valkey 9 has CLUSTER MIGRATESLOTS")
    slot = slot_of("{a}")
    source, target = cluster.owner(slot), next(node for node in cluster.primaries() if node != cluster.owner(slot))
    cluster.ask(source, "SET", "{a}", "value")
    cluster.migrate_slot(slot, target)
    assert cluster.ask(target, "GET", "{a}") == b"value"
