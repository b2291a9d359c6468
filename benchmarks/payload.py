"""The payload of every job, and what the environment tells a contestant. Only the standard library, as in `ledger`."""

from __future__ import annotations

import os
from typing import Any, TypedDict

__all__ = ["CONCURRENCY", "DURABILITY", "NAP", "SETTINGS", "URL", "Payload", "make_payload"]

URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379/0")
"""The server."""
SETTINGS = os.environ.get("BENCH_SETTINGS", "tuned")
"""``tuned`` (no results kept, the fast settings of its documentation) or ``defaults`` (as its tutorial has it); in the
measure `limits` either with ``, limited`` behind."""
DURABILITY: Any = os.environ.get("BENCH_DURABILITY", "server")
"""What the measure `durability` asks for; the default everywhere else."""
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))
"""Jobs that a worker may have in hand."""
NAP = 0.1
"""Seconds that the job of the measure `sleep` sleeps."""


class Payload(TypedDict):
    id: int
    email: str
    subject: str


def make_payload(number: int) -> Payload:
    """About 70 bytes of JSON; ``id`` is the job's place in the ledger."""
    return {"id": number, "email": f"user-{number:07}@example.org", "subject": "Welcome aboard"}
