"""Where a RESP message ends in a stream of bytes. It knows both versions of the protocol, and no command."""

from __future__ import annotations

__all__ = ["end_of_frame", "take_frame"]


def end_of_frame(data: bytes | bytearray, at: int = 0) -> int | None:
    """The place behind the message that begins at ``at``; None while it is not there whole."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, behind = data[at : at + 1], line_end + 2
    if kind in (b"$", b"!", b"="):
        size = int(data[at + 1 : line_end])
        end = behind if size < 0 else behind + size + 2
        return end if end <= len(data) else None
    if kind in (b"*", b"~", b">", b"%", b"|"):
        items = max(int(data[at + 1 : line_end]), 0) * (2 if kind in (b"%", b"|") else 1)
        for _ in range(items + (kind == b"|")):  # attributes stand in front of the message they are of
            item_end = end_of_frame(data, behind)
            if item_end is None:
                return None
            behind = item_end
    return behind


def take_frame(data: bytearray) -> bytes | None:
    """Remove the first message, and return it; None while it is not there whole."""
    end = end_of_frame(data)
    if end is None:
        return None
    frame = bytes(data[:end])
    del data[:end]
    return frame
