"""What redis-py raises, as Flowli's errors; it lets no text through that may hold an argument of a command."""

from __future__ import annotations

import re

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from flowli.errors import DriverError, DriverUnavailable, QueueFull

__all__ = ["cannot_connect", "is_missing_script", "lost", "refused"]

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


def is_missing_script(reply: object) -> bool:
    """Whether the server does not have the script: after SCRIPT FLUSH, a restart or a failover."""
    return isinstance(reply, NoScriptError) or (isinstance(reply, ResponseError) and _code(reply) == "NOSCRIPT")


def cannot_connect(where: str, error: BaseException) -> DriverError:
    """No connection, so nothing was sent. Only the handshake is behind it: its text names the host and a reason."""
    if isinstance(error, AuthenticationError):
        return DriverError(f"{where} refused the login; check user name and password.")
    if isinstance(error, ResponseError):
        return DriverError(f"{where} refused the connection ({_code(error)}); check user, password and database.")
    return DriverUnavailable(f"Cannot connect to {where}: {type(error).__name__}. Is it running and reachable?")


def lost(where: str, error: BaseException, *, maybe_written: bool) -> DriverError:
    """The connection ended, or no reply came in time, after something was sent."""
    message = f"No reply from {where}: {type(error).__name__}."
    return DriverUnavailable(message, maybe_written=maybe_written)


def refused(where: str, error: RedisError, *, maybe_written: bool) -> DriverError:
    """The server answered with an error. Its text may hold arguments, so only its code is told."""
    code = _code(error)
    if code == "OOM":
        return QueueFull(f"{where} is at its memory limit and refuses new jobs; what is stored goes on being executed.")
    if code in _UNAVAILABLE or isinstance(error, ConnectionError):
        return DriverUnavailable(f"{where} cannot serve now ({code}).", maybe_written=maybe_written)
    if code == "NOPERM":
        return DriverError(
            f"{where} denies a command or a key that Flowli needs (NOPERM); see the page of the redis-py driver."
        )
    return DriverError(f"{where} refused a command ({code}).")


def _code(error: BaseException) -> str:
    """The first word of an error reply, or the one that a server before 7.0 hides behind `ERR Error running script`."""
    text = str(error)
    kind = type(error).__name__
    if kind in _KINDS:
        return _KINDS[kind]
    first = _CODE.match(text)
    if first is None or first[1] == "ERR":
        inner = _INNER_CODE.search(text)
        return inner[1] if inner else "ERR"
    return first[1]


# redis-py cuts the code off the text of these.
_KINDS = {
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
