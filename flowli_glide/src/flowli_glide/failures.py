"""What GLIDE raises, as Flowli's errors; it lets no text through that may hold an argument of a command."""

from __future__ import annotations

import re

from glide import ClosingError, ConfigurationError, ConnectionError, GlideError, RequestError, TimeoutError

from flowli.errors import DriverError
from flowli.resp import refusals
from flowli.resp.refusals import code_of, locked_out, lost, refused, unreachable, untrusted

__all__ = ["cannot_connect", "code", "is_missing_script", "is_not_primary", "no_reply", "refusal"]

_PREAMBLE = "An error was signalled by the server: - "
_KIND = re.compile(r"^([A-Z][A-Za-z]+): ")
_LOGIN = re.compile(r"\b(WRONGPASS|NOAUTH|NOPERM|AuthenticationFailed|PermissionDenied)\b")

# The core of GLIDE puts names of its own in the place of these codes.
_KINDS = {
    "Ask": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterDown": "CLUSTERDOWN",
    "CrossSlot": "CROSSSLOT",
    "MasterDown": "MASTERDOWN",
    "Moved": "MOVED",
    "NoScriptError": "NOSCRIPT",
    "PermissionDenied": "NOPERM",
    "ReadOnly": "READONLY",
    "TryAgain": "TRYAGAIN",
}


def is_missing_script(reply: object) -> bool:
    """Whether the server does not have the script: after SCRIPT FLUSH, a restart or a failover."""
    return code(reply) == "NOSCRIPT"


def code(reply: object) -> str | None:
    """Which error the server answered with; None for what is no answer of a server's, or no error."""
    if not isinstance(reply, RequestError) or _own_kind(reply) is not None:
        return None
    return _code(reply)


def is_not_primary(reply: object) -> bool:
    """Whether the server is not the one that takes writes, or is so no longer."""
    return isinstance(reply, RequestError) and refusals.is_not_primary(code(reply) or "")


def cannot_connect(where: str, error: Exception) -> DriverError:
    """No connection, so nothing was sent. Of what GLIDE says, only a code is told."""
    if "certificate" in str(error):
        return untrusted(where, str(error))
    refusal_of_login = _LOGIN.search(str(error))
    if refusal_of_login or isinstance(error, ConfigurationError):
        code = refusal_of_login[1] if refusal_of_login else type(error).__name__
        return locked_out(where, _KINDS.get(code, code))
    return unreachable(where, type(error).__name__)


def no_reply(where: str, error: GlideError, *, maybe_written: bool) -> DriverError:
    """A whole batch failed, so what became of it is unknown, unless the server refused it whole."""
    if isinstance(error, RequestError) and not isinstance(error, (ConnectionError, TimeoutError)):
        code = _code(error)
        if code != "ERR":
            return refused(where, code, maybe_written=maybe_written)
    return lost(where, type(error).__name__, maybe_written=maybe_written)


def refusal(where: str, error: RequestError, *, maybe_written: bool) -> DriverError:
    """One command of a batch was answered with an error. A connection that broke in between is told likewise."""
    own = _own_kind(error)
    if own is not None:
        return lost(where, own, maybe_written=True)
    return refused(where, _code(error), maybe_written=maybe_written)


def _own_kind(error: RequestError) -> str | None:
    """What GLIDE calls it, if the error is none of the server's: within a cluster a broken connection is told like one,
    as ``BrokenPipe: ...``."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return type(error).__name__
    kind = _KIND.match(str(error))
    is_own = kind is not None and not kind[1].isupper() and kind[1] not in {*_KINDS, "ResponseError"}
    return kind[1] if kind is not None and is_own else None


def _code(error: ClosingError | GlideError) -> str:
    text = str(error).removeprefix(_PREAMBLE)
    kind = _KIND.match(text)
    if kind is None:
        return code_of(text)
    return _KINDS.get(kind[1]) or code_of(text.removeprefix("ResponseError: "))
