"""`flowli.otel`: one waterfall from request to follow-up, links for what comes later, metrics, and no payload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flowli import DefinitionError, Runner, close_sync
from flowli.driver import Driver
from flowli.instruments import active
from flowli.otel import Parenting, instrument
from flowli.wire import decode_head
from flowli_glide import GlideDriver
from flowli_memory import ManualClock, MemoryDriver
from flowli_memory.testing import Rig
from flowli_redis import RedisDriver
from tests.support.servers import ValkeyServer
from tests.telemetry.app import SECRET, App, Note

pytestmark = pytest.mark.anyio


class Seen:
    """What was exported."""

    def __init__(self, parenting: Parenting = "auto") -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader])
        self.end = instrument(tracer_provider=self.provider, meter_provider=meters, parenting=parenting)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        [found] = self.spans(name)
        return found

    def metrics(self) -> dict[str, dict[tuple[Any, ...], float]]:
        data = self._reader.get_metrics_data()
        found: dict[str, dict[tuple[Any, ...], float]] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data is not None else ():
            points: Any = metric.data.data_points
            found[metric.name] = {
                tuple(dict[str, Any](point.attributes or {}).values()): getattr(
                    point, "value", getattr(point, "count", 0)
                )
                for point in points
            }
        return found

    def text(self) -> str:
        return "".join(span.to_json() for span in self._exporter.get_finished_spans()) + repr(self.metrics())


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.end()


def _drivers() -> dict[str, Callable[[str], Driver]]:
    return {
        "memory": lambda url: MemoryDriver(),
        "redis": lambda url: RedisDriver(url, prefix=uuid4().hex),
        "glide": lambda url: GlideDriver(url, prefix=uuid4().hex),
    }


@pytest.mark.parametrize("kind", ["memory", "redis", "glide"])
async def test_request_job_and_follow_up_are_one_waterfall(seen: Seen, kind: str, valkey_server: ValkeyServer) -> None:
    async with App(context=None, driver=_drivers()[kind](valkey_server.url)) as app:
        with seen.provider.get_tracer("web").start_as_current_span("POST /notes") as request:
            handle = await app.lead.enqueue(Note())
        await Runner(app).run_until_idle()
        assert await handle.result() == "follow-1"
    await asyncio.to_thread(close_sync)  # what the thread of the first job opened
    chain = ["enqueue lead", "process lead", "enqueue follow", "process follow"]
    parent = request.get_span_context()
    for name in chain:
        span = seen.span(name)
        assert span.parent is not None and span.parent.span_id == parent.span_id, name
        assert span.context is not None and span.context.trace_id == parent.trace_id
        parent = span.context
    sent, processed = seen.span("enqueue lead"), seen.span("process lead")
    assert sent.context is not None
    assert [link.context.span_id for link in processed.links] == [sent.context.span_id]
    found = dict(processed.attributes or {})
    assert found["messaging.system"] == "flowli" and found["messaging.message.id"] == handle.id
    assert (found["flowli.job.attempt"], found["flowli.queue"]) == (1, "default")


async def test_what_comes_later_is_linked_and_begins_a_trace_of_its_own(seen: Seen) -> None:
    app = App(context=None, driver=MemoryDriver())
    with Rig(app) as bed:
        await app.follow.delay("1h", Note())
        await app.fails.enqueue(Note())
        await bed.advance("2h", allow_failures=True)
    delayed, (first, second) = seen.span("process follow"), seen.spans("process fails")
    for span, sent in ((delayed, "delay follow"), (second, "enqueue fails")):
        made = seen.span(sent).context
        assert span.parent is None and made is not None
        assert [link.context.span_id for link in span.links] == [made.span_id]
    assert first.parent is not None, "the first attempt of a job that was due at once belongs to its call"
    assert dict(second.attributes or {})["error.type"] == "LookupError"
    assert second.status.description == "LookupError" and second.events == ()


@pytest.mark.parametrize(("parenting", "has_parent"), [("link", False), ("parent", True)])
async def test_whose_child_it_is_can_be_chosen(parenting: Parenting, has_parent: bool) -> None:
    seen = Seen(parenting)
    try:
        with Rig(App(context=None, driver=MemoryDriver())) as bed:
            await bed.flowli.follow.delay("1h", Note())
            await bed.advance("1h")
        assert (seen.span("process follow").parent is not None) is has_parent
    finally:
        seen.end()


async def test_metrics_count_what_was_sent_and_how_it_ended(seen: Seen) -> None:
    with Rig(App(context=None, driver=MemoryDriver())) as bed:
        await bed.flowli.follow.enqueue_many([Note(), Note()])
        await bed.flowli.fails.enqueue(Note())
        await bed.flowli.sleeps.enqueue(Note())
        await bed.advance("2m", allow_failures=True)
        bed.crash()
        await bed.flowli.follow.enqueue(Note())
        await bed.advance("31s")
    found = seen.metrics()
    assert found["messaging.client.sent.messages"] == {
        ("follow", "enqueue_many"): 2,
        ("fails", "enqueue"): 1,
        ("sleeps", "enqueue"): 1,
        ("follow", "enqueue"): 1,
    }
    assert found["flowli.jobs.finished"] == {
        ("follow", "completed"): 3,
        ("fails", "retried"): 1,
        ("fails", "failed"): 1,
        ("sleeps", "released"): 1,
        ("sleeps", "completed"): 1,
    }
    assert set(found["flowli.jobs.active"].values()) == {0}
    assert found["flowli.leases.recovered"] == {("follow",): 1}
    assert (
        found["flowli.job.wait.duration"][("fails",)] == 2
        and ("fails", "failed") in found["messaging.process.duration"]
    )


async def test_no_payload_and_no_text_of_an_exception_is_told(seen: Seen) -> None:
    with Rig(App(context=None, driver=MemoryDriver())) as bed:
        for bound in (bed.flowli.follow, bed.flowli.fails, bed.flowli.sleeps):
            await bound.enqueue(Note())
        await bed.advance("2m", allow_failures=True)
    assert "process fails" in seen.text() and SECRET not in seen.text()


async def test_without_it_nothing_travels_and_nobody_looks_on() -> None:
    app = App(context=None, driver=(driver := MemoryDriver(clock=ManualClock())))
    handle = await app.follow.enqueue(Note())
    [stored] = await driver.get_jobs([handle.id])
    assert active == [] and stored is not None and decode_head(stored.head).trace is None


async def test_what_ends_is_ended_and_wrong_options_are_refused(seen: Seen) -> None:
    with pytest.raises(DefinitionError, match="looks on already"):
        instrument()
    seen.end()
    seen.end()
    assert active == []
    with pytest.raises(DefinitionError, match="parenting is 'auto'"):
        instrument(parenting="sibling")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def test_log_records_say_whose_they_are(caplog: pytest.LogCaptureFixture) -> None:
    from flowli.logfields import JobFields, job_fields
    from tests.telemetry.logged import Logged

    caplog.handler.addFilter(JobFields())
    with Rig(Logged(context=None, driver=MemoryDriver())) as bed, caplog.at_level(logging.INFO, "shop"):
        handle = await bed.flowli.plain.enqueue("x")
        await bed.flowli.threaded.enqueue("x")
        await bed.drain()
        logging.getLogger("shop").info("outside")
    said: list[Any] = [record for record in caplog.records if record.name == "shop"]
    assert {(one.flowli_job, one.flowli_attempt) for one in said} == {("plain", 1), ("threaded", 1), ("", "")}
    assert handle.id in {one.flowli_id for one in said} and job_fields() == {}
