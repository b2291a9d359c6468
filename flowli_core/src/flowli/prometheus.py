"""Prometheus: counters and histograms of what this process sends and executes, and gauges of the store's queues.

Units are seconds and jobs. It knows the client library of Prometheus; who serves the figures is its user's choice
(`prometheus_client.start_http_server`, or an endpoint of the application).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from flowli import instruments
from flowli.errors import DriverError
from flowli.portal import call
from flowli.runtime import Flowli
from flowli.settle import Verdict

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as _missing:
    raise ImportError(
        'flowli.prometheus needs the client of Prometheus: pip install "flowli[prometheus]".'
    ) from _missing

__all__ = ["QueueCollector", "instrument"]


def instrument(registry: CollectorRegistry = REGISTRY) -> Callable[[], None]:
    """Count from now on, in this process, into this registry; what it returns ends that. DefinitionError where it is
    counted already."""
    instruments.need_none(_Prometheus, "flowli.prometheus counts")
    one = _Prometheus(registry)
    return instruments.add(one, one.unregister)


class _Prometheus(instruments.Instrument):
    def __init__(self, registry: CollectorRegistry) -> None:
        kept: dict[str, Any] = {"registry": registry, "namespace": "flowli"}
        self._enqueued = Counter("jobs_enqueued_total", "Jobs sent by this process.", ["job"], **kept)
        self._started = Counter("jobs_started_total", "Attempts begun by this process.", ["job"], **kept)
        self._finished = Counter("jobs_finished_total", "Attempts ended in this process.", ["job", "outcome"], **kept)
        self._recovered = Counter("leases_recovered_total", "Lapsed leases handed back.", ["job"], **kept)
        self._active = Gauge("jobs_active", "Attempts under way in this process.", ["job"], **kept)
        self._ran = Histogram(
            "job_duration_seconds",
            "From start to end of an attempt.",
            ["job", "outcome"],
            buckets=instruments.SECONDS,
            **kept,
        )
        self._waited = Histogram(
            "job_wait_seconds", "From when a job was due to its start.", ["job"], buckets=instruments.SECONDS, **kept
        )
        self._registry = registry

    def unregister(self) -> None:
        """Leave nothing in the registry."""
        for one in (
            self._enqueued,
            self._started,
            self._finished,
            self._recovered,
            self._active,
            self._ran,
            self._waited,
        ):
            self._registry.unregister(one)

    @contextmanager
    def sending(self, moment: instruments.Sending) -> Generator[None]:
        """Counted when it was stored."""
        yield
        self._enqueued.labels(moment.job).inc(moment.count)

    @contextmanager
    def executing(self, moment: instruments.Executing) -> Generator[Callable[[Verdict], None]]:
        """Counted at both ends."""
        self._started.labels(moment.job).inc()
        self._waited.labels(moment.job).observe(moment.wait_s)
        heard: list[Verdict] = []
        with self._active.labels(moment.job).track_inprogress():
            try:
                yield heard.append
            finally:
                outcome = instruments.outcome_of(heard)
                self._finished.labels(moment.job, outcome).inc()
                if heard:
                    self._ran.labels(moment.job, outcome).observe(heard[0].run_s)

    def recovered(self, job: str) -> None:
        """Counted."""
        self._recovered.labels(job).inc()


class QueueCollector(Collector):
    """``REGISTRY.register(QueueCollector(flowli))``: what the store holds, asked at each scrape. One process is enough,
    whichever: every one would say the same. A store that is away has ``flowli_up`` 0 and nothing else. On an event loop
    a scrape raises StrategyError: make it in a thread, as a ``def`` endpoint of FastAPI does."""

    def __init__(self, flowli: Flowli[Any]) -> None:
        self._flowli = flowli

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is asked when it is registered."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        up = GaugeMetricFamily("flowli_up", "Whether the store answers.")
        jobs = GaugeMetricFamily("flowli_queue_jobs", "Jobs in the store.", labels=["queue", "state"])
        age = GaugeMetricFamily(
            "flowli_queue_oldest_due_seconds", "How long the oldest job that is due has waited.", labels=["queue"]
        )
        runners = GaugeMetricFamily("flowli_runners", "Runners that say that they live.")
        try:
            queues, living = call(self._look())
        except DriverError:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        runners.add_metric([], living)
        for queue in queues:
            for state in ("scheduled", "queued", "active"):
                jobs.add_metric([queue.name, state], getattr(queue, state))
            age.add_metric([queue.name], 0.0 if queue.oldest_age is None else queue.oldest_age.total_seconds())
        return [up, jobs, age, runners]

    async def _look(self) -> tuple[list[Any], int]:
        inspect = self._flowli.inspect
        return list(await inspect.get_queues()), len(await inspect.get_runners())
