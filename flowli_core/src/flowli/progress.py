"""The note in which a handler says how far it is: its bytes, which are opaque to a driver. It refuses to know who sends
it and who reads it."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from flowli.wire import FORMAT, Unreadable

__all__ = ["decode_progress", "encode_progress"]


def encode_progress(fraction: float, message: str) -> bytes:
    """What a handler says of its attempt."""
    return FORMAT + to_json({"f": fraction, "m": message} if message else {"f": fraction})


def decode_progress(note: bytes) -> tuple[float, str]:
    """Fraction and message; Unreadable for a newer format or damage."""
    if note[:1] != FORMAT:
        raise Unreadable("its progress is of another format than this version reads")
    try:
        found: Any = from_json(note[1:])
        return float(found["f"]), str(found.get("m", ""))
    except (AttributeError, LookupError, TypeError, ValueError):
        raise Unreadable("its progress is damaged") from None
