"""The trace that a record carries, in its head and outside of what the user's models see.

It knows the key under which a head keeps it. It refuses to know spans: `flowli.otel` makes and reads the context.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic_core import from_json, to_json

__all__ = ["Trace", "read_trace", "with_trace"]


class Trace(NamedTuple):
    """The trace in which a job was sent, as W3C Trace Context writes it."""

    parent: str
    state: str
    at_once: bool
    """Whether the job was due when it was sent, so that its execution belongs to what was going on then."""


def with_trace(head: bytes, trace: Trace) -> bytes:
    """The same head with a trace; what reads no traces passes over it."""
    found: dict[str, object] = from_json(head[1:]) if len(head) > 1 else {}
    return head[:1] + to_json({**found, "T": [*trace]})


def read_trace(found: object) -> Trace | None:
    """What stands under the key of a head; None for anything that is no trace: it is not worth a job."""
    match found:
        case [str() as parent, str() as state, bool() as at_once]:
            return Trace(parent, state, at_once)
        case _:
            return None
