"""What servers refuse, as Flowli's errors; it knows codes, and lets no text through that may hold an argument."""

from __future__ import annotations

import re
from typing import ClassVar

from flowli.errors import DriverError, DriverUnavailable, QueueFull

__all__ = ["Denied", "code_of", "is_not_primary", "locked_out", "lost", "refused", "unreachable", "untrusted"]

_UNAVAILABLE = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "FAILOVER",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
    }
)
_CODE = re.compile(r"^-?([A-Z]{2,20})\b")
_INNER_CODE = re.compile(r"(?:^|[ :])-([A-Z]{3,20}) ")


class Denied(DriverError):
    """The user of the server lacks a right."""

    code: ClassVar[str] = DriverError.code


def code_of(text: str) -> str:
    """The first word of an error reply, or the one that a server before 7.0 hides behind `ERR Error running script`.

    A WAIT that has met a server which is no primary any more is answered in words; its code is READONLY here.
    """
    if "cannot be used with replica" in text:
        return "READONLY"
    first = _CODE.match(text)
    if first is None or first[1] == "ERR":
        inner = _INNER_CODE.search(text)
        return inner[1] if inner else "ERR"
    return first[1]


def is_not_primary(code: str) -> bool:
    """Whether the server that answered with this code is not the one that takes writes: look for that one."""
    return code in {"READONLY", "MASTERDOWN", "UNBLOCKED"}


def refused(where: str, code: str, *, maybe_written: bool) -> DriverError:
    """The server answered with an error of this code."""
    if code == "OOM":
        return QueueFull(f"{where} is at its memory limit and refuses new jobs; what is stored goes on being executed.")
    if code in _UNAVAILABLE:
        return DriverUnavailable(f"{where} cannot serve now ({code}).", maybe_written=maybe_written)
    if code == "TOOLARGE":
        return DriverError(f"{where} refuses jobs of more than 8 MiB, and more than 1,000 in a step.")
    if code == "NOPERM":
        message = f"{where} denies a command or a key that Flowli needs (NOPERM); see docs/security.md."
        return Denied(message)
    return DriverError(f"{where} refused a command ({code}).")


def locked_out(where: str, code: str) -> DriverError:
    """The server refused the handshake, so nothing was sent."""
    return DriverError(f"{where} refused the connection ({code}); check user, password and database.")


def unreachable(where: str, reason: str) -> DriverUnavailable:
    """No connection, so nothing was sent. A server without TLS lets a client wait that begins with it, and one that
    misses a client's certificate hangs up."""
    tls = " Is that port one for TLS, and does it want a client's certificate?" if where.startswith("rediss") else ""
    return DriverUnavailable(f"Cannot connect to {where}: {reason}. Is it running and reachable?{tls}")


def untrusted(where: str, reason: str) -> DriverUnavailable:
    """TLS could not be agreed on, so nothing was sent. ``reason`` is a library's word for it, or several."""
    for words, advice in _TLS.items():
        if words.search(reason):
            return DriverUnavailable(f"Cannot connect to {where} by TLS: {advice}.")
    return DriverUnavailable(
        f"Cannot connect to {where} by TLS: is that port one for TLS, and does it want a client's certificate?"
    )


_TLS = {
    re.compile(r"expired", re.IGNORECASE): "its certificate has expired; renew it",
    re.compile(r"mismatch|not valid for name|NotValidForName", re.IGNORECASE): (
        "its certificate is for another host; connect by a name that is in it"
    ),
    re.compile(r"issuer|self.signed|UnknownIssuer", re.IGNORECASE): (
        "its certificate is signed by an authority that is not trusted here; name that authority's certificate"
    ),
}


def lost(where: str, reason: str, *, maybe_written: bool) -> DriverUnavailable:
    """The connection ended, or no reply came in time, after something was sent."""
    return DriverUnavailable(f"No reply from {where}: {reason}.", maybe_written=maybe_written)
