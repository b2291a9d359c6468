"""Which job a log record belongs to: fields for every record that is emitted below a handler.

It knows the attempt that is under way. It refuses to configure logging.
"""

from __future__ import annotations

import logging

from flowli.attempt import current

__all__ = ["JobFields", "job_fields"]

_NAMES = ("flowli_job", "flowli_id", "flowli_attempt")


def job_fields() -> dict[str, str | int]:
    """``flowli_job``, ``flowli_id`` and ``flowli_attempt`` of the attempt that is under way here; empty outside of one.

    For structlog: ``structlog.contextvars.bind_contextvars(**job_fields())`` at the beginning of a handler.
    """
    try:
        attempt = current.get()()
    except LookupError:
        return {}
    return dict(zip(_NAMES, (attempt.name, attempt.job_id or "", attempt.number), strict=True))


class JobFields(logging.Filter):
    """``handler.addFilter(JobFields())``: every record has the fields, empty outside of handlers, so that a formatter
    may name them. It passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the fields."""
        found = job_fields()
        for name in _NAMES:
            setattr(record, name, found.get(name, ""))
        return True
