"""What redis-py raises, as Flowli's errors; it lets no text through that may hold an argument of a command."""

from __future__ import annotations

import ssl

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from flowli.errors import DriverError, DriverUnavailable
from flowli.resp import refusals
from flowli.resp.refusals import code_of, locked_out, refused, unreachable, untrusted

__all__ = ["cannot_connect", "code", "is_missing_script", "is_not_primary", "refusal"]


def is_missing_script(reply: object) -> bool:
    """Whether the server does not have the script: after SCRIPT FLUSH, a restart or a failover."""
    return isinstance(reply, NoScriptError) or (isinstance(reply, ResponseError) and _code(reply) == "NOSCRIPT")


def is_not_primary(reply: object) -> bool:
    """Whether the server is not the one that takes writes, or is so no longer."""
    return isinstance(reply, ResponseError) and refusals.is_not_primary(_code(reply))


def code(reply: object) -> str | None:
    """Which error the server answered with; None for what is no error."""
    return _code(reply) if isinstance(reply, RedisError) else None


def cannot_connect(where: str, error: BaseException) -> DriverError:
    """No connection, so nothing was sent. Only the handshake is behind it."""
    refusal_of_tls = _tls_error(error)
    if refusal_of_tls is not None:
        return untrusted(where, f"{refusal_of_tls.reason} {getattr(refusal_of_tls, 'verify_message', '')}")
    if isinstance(error, MasterNotFoundError):
        return unreachable(where, "no Sentinel that answers names a primary")
    if isinstance(error, AuthenticationError):
        return locked_out(where, "AUTH")
    if isinstance(error, ResponseError):
        return locked_out(where, _code(error))
    return unreachable(where, type(error).__name__)


def refusal(where: str, error: RedisError, *, maybe_written: bool) -> DriverError:
    """The server answered with an error. Its text may hold arguments, so only its code is told."""
    if isinstance(error, ConnectionError):
        return DriverUnavailable(f"{where} cannot serve now ({_code(error)}).", maybe_written=maybe_written)
    return refused(where, _code(error), maybe_written=maybe_written)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What is behind redis-py's own error, if that is TLS."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _code(error: BaseException) -> str:
    return _KINDS.get(type(error).__name__) or code_of(str(error))


# redis-py cuts the code off the text of these.
_KINDS = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
