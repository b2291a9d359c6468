"""`flowli.prometheus`: what a scrape says, and the names that dashboards and alerts use."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from flowli import DefinitionError, StrategyError
from flowli.instruments import active
from flowli.prometheus import QueueCollector, instrument
from flowli_memory import MemoryDriver
from flowli_memory.testing import Rig
from flowli_redis import RedisDriver
from tests.support.runners import ROOT
from tests.telemetry.app import SECRET, App, Note

_OPERATIONS = ROOT / "examples" / "operations"


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    made = CollectorRegistry()
    end = instrument(made)
    yield made
    end()


def _scraped(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def _worked(registry: CollectorRegistry) -> str:
    """A scrape after some of everything."""
    with Rig(App(context=None, driver=MemoryDriver())) as bed:
        registry.register(QueueCollector(bed.flowli))
        bed.flowli.follow.sync.enqueue_many([Note(), Note()])
        bed.flowli.fails.sync.enqueue(Note())
        bed.advance_sync("2m", allow_failures=True)
        bed.crash()
        bed.flowli.follow.sync.enqueue(Note())
        bed.advance_sync("31s")
        bed.flowli.follow.sync.delay("1h", Note())
        bed.flowli.follow.sync.enqueue(Note())
        bed.clock.advance("10s")
        return _scraped(registry)


def test_a_scrape_says_what_was_done_and_what_waits(registry: CollectorRegistry) -> None:
    text = _worked(registry)
    lines = text.splitlines()
    for line in (
        'flowli_jobs_enqueued_total{job="follow"} 5.0',
        'flowli_jobs_started_total{job="fails"} 2.0',
        'flowli_jobs_finished_total{job="fails",outcome="retried"} 1.0',
        'flowli_jobs_finished_total{job="fails",outcome="failed"} 1.0',
        'flowli_leases_recovered_total{job="follow"} 1.0',
        'flowli_jobs_active{job="follow"} 0.0',
        'flowli_job_duration_seconds_count{job="follow",outcome="completed"} 3.0',
        'flowli_job_wait_seconds_count{job="fails"} 2.0',
        "flowli_up 1.0",
        'flowli_queue_jobs{queue="default",state="queued"} 1.0',
        'flowli_queue_jobs{queue="default",state="scheduled"} 1.0',
        'flowli_queue_oldest_due_seconds{queue="default"} 10.0',
        "flowli_runners 0.0",
    ):
        assert line in lines, line
    assert SECRET not in text


def test_a_store_that_is_away_is_down_and_does_not_fail_the_scrape() -> None:
    registry = CollectorRegistry()
    away = App(context=None, driver=RedisDriver("redis://127.0.0.1:1/0", prefix="x"))
    registry.register(QueueCollector(away))
    assert "flowli_up 0.0" in _scraped(registry).splitlines()


def test_a_scrape_on_an_event_loop_says_so_and_does_not_call_the_store_away() -> None:
    registry = CollectorRegistry()
    registry.register(QueueCollector(App(context=None, driver=MemoryDriver())))

    async def scrape() -> None:
        _scraped(registry)

    with pytest.raises(StrategyError, match="inside a running event loop"):
        asyncio.run(scrape())


def test_it_counts_once_and_leaves_nothing_behind(registry: CollectorRegistry) -> None:
    with pytest.raises(DefinitionError, match="counts already"):
        instrument(registry)
    assert len(active) == 1


def test_an_endpoint_serves_it(registry: CollectorRegistry) -> None:
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            assert b"flowli_jobs_enqueued_total" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _names(registry: CollectorRegistry) -> set[str]:
    text = _worked(registry)
    return set(re.findall(r"^(flowli_\w+)", text, flags=re.MULTILINE))


def test_dashboard_alerts_and_autoscaler_name_what_there_is(registry: CollectorRegistry) -> None:
    known = _names(registry)
    dashboard: dict[str, Any] = json.loads((_OPERATIONS / "grafana.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((_OPERATIONS / "alerts.yaml").read_text(encoding="utf-8"))
    scaler = yaml.safe_load((_OPERATIONS / "keda.yaml").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    queries += [rule["expr"] for rule in rules]
    queries += [trigger["metadata"]["query"] for trigger in scaler["spec"]["triggers"]]
    used = {name for query in queries for name in re.findall(r"flowli_\w+", query)}

    assert used <= known, used - known
    assert len(used) >= 8
    assert {rule["alert"] for rule in rules} >= {
        "FlowliBacklogIsOld",
        "FlowliJobsFail",
        "FlowliNoRunner",
        "FlowliLeasesLapse",
    }
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert scaler["kind"] == "ScaledObject"
