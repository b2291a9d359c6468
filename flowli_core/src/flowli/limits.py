"""How large what a user hands in may be. It knows sizes, and refuses to know what has them.

What is bounded elsewhere: ids, names and keys (`flowli.ids`), spans (`flowli.durations`), counts (`flowli.options`),
cron texts (`flowli.cron`), texts of errors (`flowli.settle`), pages (`flowli.inspection`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowli.errors import DefinitionError, LimitExceeded

__all__ = ["MOST_BYTES", "Limits", "depth_of"]

MOST_BYTES = 8 * 1024 * 1024
"""No setting allows more in one payload or result; the scripts of the RESP stores refuse it as well."""

_MOST_DEPTH = 128
_MOST_BATCH = 1_000_000
_MOST_TRACEBACK = 100_000
_BOUNDS = {
    "payload_bytes": (1, MOST_BYTES),
    "result_bytes": (1, MOST_BYTES),
    "depth": (1, _MOST_DEPTH),
    "batch": (1, _MOST_BATCH),
    "traceback": (0, _MOST_TRACEBACK),
}
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a runtime takes. LimitExceeded says limit and size; DefinitionError refuses a limit out of bounds."""

    payload_bytes: int = 256 * 1024
    """Of input and meta together, as JSON, before a codec; at most 8 MiB."""
    result_bytes: int = 256 * 1024
    """Of a result, as JSON; a longer one fails its job. At most 8 MiB."""
    depth: int = 32
    """How deep lists and objects of a payload may be nested; at most 128."""
    batch: int = 100_000
    """Jobs of one `enqueue_many`; at most 1,000,000."""
    traceback: int = 16_000
    """Characters of the traceback that is kept of a failure, its end; 0 keeps none. It has lines of source and no
    values. At most 100,000."""

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise DefinitionError(f"Limits({name}=...) is a whole number from {least} to {most}; got {value!r}.")

    def check_payload(self, job: str, body: bytes) -> bytes:
        """The body, if it is neither too long nor too deep."""
        if len(body) > self.payload_bytes:
            raise LimitExceeded(
                f"Job {job!r}: its input and meta have {len(body)} bytes as JSON, and {self.payload_bytes} are the "
                f"most. Store what is large elsewhere and pass where it is, or raise Limits(payload_bytes=...).",
                limit=self.payload_bytes,
                size=len(body),
            )
        # As many brackets are needed to be so deep: few have to be looked at closely.
        if body.count(b"[") + body.count(b"{") > self.depth and (depth := depth_of(body)) > self.depth:
            raise LimitExceeded(
                f"Job {job!r}: its input or meta is nested {depth} deep, and {self.depth} is the most.",
                limit=self.depth,
                size=depth,
            )
        return body

    def check_batch(self, job: str, number: int) -> None:
        """Nothing, if one call may store so many jobs."""
        if number > self.batch:
            raise LimitExceeded(
                f"Job {job!r}: enqueue_many() got {number} inputs, and {self.batch} are the most. Make several calls.",
                limit=self.batch,
                size=number,
            )


def depth_of(text: bytes) -> int:
    """How deep lists and objects are nested in a JSON text."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
