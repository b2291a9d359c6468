"""Telemetry, as pyright and mypy see it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import assert_type

from prometheus_client import CollectorRegistry

from flowli import Flowli, otel, prometheus, sentry
from flowli.logfields import JobFields, job_fields


def calls(flowli: Flowli) -> None:
    assert_type(otel.instrument(parenting="link"), Callable[[], None])
    otel.instrument(parenting="child")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(prometheus.instrument(CollectorRegistry()), Callable[[], None])
    prometheus.QueueCollector(flowli)
    prometheus.QueueCollector("flowli")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(sentry.instrument(every_attempt=True), Callable[[], None])
    logging.StreamHandler().addFilter(JobFields())
    assert_type(job_fields(), dict[str, str | int])
