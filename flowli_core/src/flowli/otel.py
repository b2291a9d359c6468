"""OpenTelemetry: spans for what is sent and executed, in one waterfall, and metrics.

It knows the semantic conventions for messaging (1.44, in development). It refuses to carry baggage, payloads and the
texts of exceptions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from flowli import instruments
from flowli.errors import DefinitionError
from flowli.lifecycle import Move
from flowli.settle import Verdict, name_of

try:
    from opentelemetry import context as _context
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as _missing:
    raise ImportError('flowli.otel needs the API of OpenTelemetry: pip install "flowli[otel]".') from _missing

__all__ = ["Parenting", "instrument"]

Parenting: TypeAlias = Literal["auto", "link", "parent"]
"""Whose child an execution is: ``auto``, of the call that sent it if the job was due then and this is its first
attempt, and linked to it in any case; ``link``, of nobody; ``parent``, always of that call."""

_SYSTEM = "flowli"
_PROPAGATOR = TraceContextTextMapPropagator()


def instrument(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    parenting: Parenting = "auto",
) -> Callable[[], None]:
    """Look on from now on, in this process; what it returns ends that. The providers are the global ones by default.

    DefinitionError for a ``parenting`` that is none, and where it looks on already.
    """
    if parenting not in ("auto", "link", "parent"):
        raise DefinitionError(f"parenting is 'auto', 'link' or 'parent'; got {parenting!r}.")
    instruments.need_none(_OpenTelemetry, "flowli.otel looks on")
    one = _OpenTelemetry(
        trace.get_tracer("flowli", tracer_provider=tracer_provider),
        metrics.get_meter("flowli", meter_provider=meter_provider),
        parenting,
    )
    return instruments.add(one)


class _OpenTelemetry(instruments.Instrument):
    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter, parenting: Parenting) -> None:
        self._tracer = tracer
        self._parenting = parenting
        self._sent = meter.create_counter("messaging.client.sent.messages", unit="{message}")
        self._started = meter.create_counter("messaging.client.consumed.messages", unit="{message}")
        self._finished = meter.create_counter("flowli.jobs.finished", unit="{attempt}")
        self._recovered = meter.create_counter("flowli.leases.recovered", unit="{lease}")
        self._active = meter.create_up_down_counter("flowli.jobs.active", unit="{attempt}")
        buckets: Any = {"explicit_bucket_boundaries_advisory": instruments.SECONDS}
        self._ran = meter.create_histogram("messaging.process.duration", unit="s", **buckets)
        self._waited = meter.create_histogram("flowli.job.wait.duration", unit="s", **buckets)

    @contextmanager
    def sending(self, moment: instruments.Sending) -> Generator[Mapping[str, str]]:
        """A span of kind producer, whose context travels in the records."""
        attributes: dict[str, Any] = {
            "messaging.system": _SYSTEM,
            "messaging.operation.name": moment.strategy,
            "messaging.operation.type": "send",
            "messaging.destination.name": moment.store,
            "flowli.job.name": moment.job,
        }
        if moment.count != 1:
            attributes["messaging.batch.message_count"] = moment.count
        if moment.id is not None:
            attributes["messaging.message.id"] = moment.id
        with self._span(f"{moment.strategy} {moment.job}", SpanKind.PRODUCER, attributes) as span:
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
            yield carrier
        self._sent.add(moment.count, {"flowli.job.name": moment.job, "messaging.operation.name": moment.strategy})

    @contextmanager
    def executing(self, moment: instruments.Executing) -> Generator[Callable[[Verdict], None]]:
        """A span of kind consumer around the handler."""
        name = {"flowli.job.name": moment.job}
        self._started.add(1, name)
        self._active.add(1, name)
        self._waited.record(moment.wait_s, name)
        parent, links = self._relations(moment)
        attributes: dict[str, Any] = {
            "messaging.system": _SYSTEM,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": moment.store,
            "messaging.message.id": moment.id,
            "flowli.job.name": moment.job,
            "flowli.job.attempt": moment.attempt,
            "flowli.job.max_attempts": moment.max_attempts,
            "flowli.job.wait_ms": round(moment.wait_s * 1000),
            "flowli.queue": moment.queue,
        }
        if moment.schedule_key is not None:
            attributes["flowli.schedule.key"] = moment.schedule_key
        heard: list[Verdict] = []
        try:
            with self._span(f"process {moment.job}", SpanKind.CONSUMER, attributes, parent, links) as span:
                yield heard.append
                if heard and heard[0].error is not None and heard[0].move in (Move.FAIL, Move.RETRY):
                    _mark(span, heard[0].error)
        finally:
            outcome = instruments.outcome_of(heard)
            self._active.add(-1, name)
            self._finished.add(1, {**name, "outcome": outcome})
            if heard:
                self._ran.record(heard[0].run_s, {**name, "outcome": outcome})

    def recovered(self, job: str) -> None:
        """Counted."""
        self._recovered.add(1, {"flowli.job.name": job})

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, Any],
        parent: _context.Context | None = None,
        links: list[Link] | None = None,
    ) -> Generator[trace.Span]:
        """The current span meanwhile. Of an exception its type is told and nothing else: its text may be a payload."""
        span = self._tracer.start_span(name, parent, kind, attributes, links)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as exc:
                _mark(span, exc)
                raise

    def _relations(self, moment: instruments.Executing) -> tuple[_context.Context, list[Link]]:
        """The parent of an execution, and its links."""
        nobody = _context.Context()
        if moment.trace is None:
            return nobody, []
        carrier = {"traceparent": moment.trace.parent, "tracestate": moment.trace.state}
        sent = _PROPAGATOR.extract(carrier, nobody)
        made = trace.get_current_span(sent).get_span_context()
        links = [Link(made)] if made.is_valid else []
        is_near = moment.trace.at_once and moment.attempt == 1
        is_child = self._parenting == "parent" or (self._parenting == "auto" and is_near)
        return (sent if is_child else nobody), links


def _mark(span: trace.Span, error: BaseException) -> None:
    kind = name_of(type(error))
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))
