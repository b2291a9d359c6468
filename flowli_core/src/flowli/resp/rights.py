"""What a user of the server has to be allowed, and whether it is; it knows commands, and no verb that sends them.

A command that is denied in the midst of a script leaves what was written before it. So `open` asks for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowli.errors import DriverError
from flowli.resp.keys import Keys
from flowli.resp.namespace import Plain, Request, Transport
from flowli.resp.refusals import Denied
from flowli.resp.scripts import Arg, script

__all__ = ["DOCTOR", "ON_CLUSTER", "OPTIONAL", "REQUIRED", "acl_rules", "check_rights"]

_PROBES: Mapping[str, tuple[Arg, ...]] = {
    "EXISTS": (),
    "GET": (),
    "HDEL": ("field",),
    "HEXISTS": ("field",),
    "HGET": ("field",),
    "HINCRBY": ("field", 1),
    "HKEYS": (),
    "HLEN": (),
    "HMGET": ("field",),
    "HSET": ("field", "value"),
    "HSETNX": ("field", "value"),
    "LINDEX": (0,),
    "LLEN": (),
    "LPOP": (),
    "LRANGE": (0, 0),
    "LTRIM": (0, 0),
    "RPUSH": ("value",),
    "ZADD": (0, "member"),
    "ZCARD": (),
    "ZCOUNT": (0, 0),
    "ZLEXCOUNT": ("-", "+"),
    "ZPOPMIN": (),
    "ZRANGE": (0, 0),
    "ZRANGEBYSCORE": (0, 0),
    "ZRANK": ("member",),
    "ZREM": ("member",),
    "ZREMRANGEBYRANK": (0, 0),
    "ZSCORE": ("member",),
}
"""What is tried on a key that holds a text meanwhile, so that none of them does anything, and its arguments."""

REQUIRED = ("EVAL", "EVALSHA", "PING", "TIME", "DEL", "SET", "PUBLISH", "BZPOPMIN", *_PROBES)
"""Without these there is no driver: `check_rights` names the first that is missing."""

OPTIONAL = ("SUBSCRIBE", "INFO", "CONFIG|GET", "SELECT", "WAIT")
"""Without SUBSCRIBE, who waits for a result looks every few seconds. INFO and CONFIG GET let `open` judge version and
eviction (GLIDE needs INFO), SELECT is for another database than 0, WAIT is for a driver that waits for replicas; for
disks it is WAITAOF, which servers before 7.2 do not know."""

ON_CLUSTER = ("CLUSTER", "ASKING")
"""What redis-py's driver sends beside these on a cluster (``CLUSTER SLOTS`` alone)."""

DOCTOR = ("HSCAN", "ZSCAN", "HSTRLEN", "HGETALL", "TYPE", "SCAN", "PTTL", "DBSIZE")
"""What `flowli doctor` reads with, besides."""


def acl_rules(prefix: str) -> list[str]:
    """The rules of ``ACL SETUSER`` for one prefix, and nothing beyond it."""
    keys = f"flowli:{{{Keys(prefix).prefix}"
    # A partition has the tag {prefix/number}: `/` is in no prefix, so that no other application is let in.
    patterns = [f"~{keys}}}:*", f"~{keys}/*", f"&{keys}}}:*", f"&{keys}/*"]
    commands = [f"+{command.lower()}" for command in (*REQUIRED, *OPTIONAL, *DOCTOR)]
    return ["resetkeys", "resetchannels", *patterns, "-@all", *commands]


async def check_rights(transport: Transport, keys: Keys, where: str) -> None:
    """DriverError that names the first command, or says that it is the keys, that this user is denied."""
    words = [word for command, args in _PROBES.items() for word in (command, len(args), *args)]
    call = script("probe").call(keys, [], ["", 0, keys.channel("probe"), *words])
    await _allowed(transport, Plain(("PING",)), "PING", where)
    await _allowed(transport, call, "EVAL", where)
    # The second time it is sent by its digest.
    denied = await _allowed(transport, call, "EVALSHA", where)
    if denied:
        command, what = denied
        raise _denied(where, command.decode(), is_key=what == b"key")
    # Older servers let no script block, and say so before they look at rights: this one is asked for by itself.
    await _allowed(transport, Plain(("BZPOPMIN", keys.fixed("none"), "0.001")), "BZPOPMIN", where)


async def _allowed(transport: Transport, request: Request, command: str, where: str) -> Any:
    try:
        (reply,) = await transport.run([request], writes=True)
    except Denied:
        raise _denied(where, command, is_key=False) from None
    return reply


def _denied(where: str, command: str, *, is_key: bool) -> DriverError:
    if is_key:
        return DriverError(f"{where} denies this user keys or channels of the prefix; docs/security.md has its rules.")
    return DriverError(f"{where} denies this user the command {command}; docs/security.md has its rules.")
