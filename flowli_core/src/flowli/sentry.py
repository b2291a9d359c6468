"""Sentry: a scope for each attempt, an event for each job that fails for good, spans for queues.

It knows Sentry's scopes and its fields for queues. It refuses to patch anything, and sends no input, meta or result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from flowli import instruments
from flowli.lifecycle import Move
from flowli.settle import Verdict

try:
    import sentry_sdk
except ImportError as _missing:
    raise ImportError('flowli.sentry needs the SDK of Sentry: pip install "flowli[sentry]".') from _missing

__all__ = ["instrument"]


def instrument(*, every_attempt: bool = False) -> Callable[[], None]:
    """Look on from now on, in this process; what it returns ends that. ``sentry_sdk.init`` is the application's.

    Failures for good are captured, grouped by the job's name and the exception; with ``every_attempt`` those that are
    retried too. DefinitionError where it looks on already.
    """
    instruments.need_none(_Sentry, "flowli.sentry looks on")
    return instruments.add(_Sentry(every_attempt))


class _Sentry(instruments.Instrument):
    def __init__(self, every_attempt: bool) -> None:
        self._moves = (Move.FAIL, Move.RETRY) if every_attempt else (Move.FAIL,)

    @contextmanager
    def sending(self, moment: instruments.Sending) -> Generator[Mapping[str, str]]:
        """A span; the trace goes on by flowli.otel, if at all."""
        with sentry_sdk.start_span(op="queue.publish", name=moment.job) as span:
            _describe(span, moment.store, moment.id)
            yield {}

    @contextmanager
    def executing(self, moment: instruments.Executing) -> Generator[Callable[[Verdict], None]]:
        """A scope and a transaction of its own."""
        with sentry_sdk.isolation_scope() as scope:
            scope.clear_breadcrumbs()
            scope.set_transaction_name(moment.job, source="task")
            scope.set_tag("flowli.job", moment.job)
            scope.set_tag("flowli.queue", moment.queue)
            facts = {"id": moment.id, "attempt": moment.attempt, "max_attempts": moment.max_attempts}
            scope.set_context("flowli", facts)
            with sentry_sdk.start_transaction(op="queue.process", name=moment.job, source="task") as transaction:
                _describe(transaction, moment.store, moment.id)
                transaction.set_data("messaging.message.receive.latency", round(moment.wait_s * 1000))
                transaction.set_data("messaging.message.retry.count", moment.attempt - 1)

                def tell(verdict: Verdict) -> None:
                    transaction.set_status("ok" if verdict.move is Move.COMPLETE else "internal_error")
                    if verdict.error is not None and verdict.move in self._moves:
                        scope.fingerprint = ["flowli", moment.job, type(verdict.error).__name__]
                        sentry_sdk.capture_exception(verdict.error)

                yield tell


def _describe(span: Any, store: str, id: str | None) -> None:
    span.set_data("messaging.system", "flowli")
    span.set_data("messaging.destination.name", store)
    if id is not None:
        span.set_data("messaging.message.id", id)
