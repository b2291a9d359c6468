"""What a server says of itself and whether that keeps the promises; it knows settings, and neither keys nor jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from flowli.driver.examination import Fact, Finding, Severity
from flowli.errors import DriverError
from flowli.resp.greeting import OLDEST, about
from flowli.resp.namespace import Namespace, Plain
from flowli.resp.refusals import Denied

__all__ = ["facts_of", "judge", "pairs"]

_MOST_OFFSET = 1_000
"""Milliseconds between the clocks of server and this machine from which on it is said: `due` instants are the
callers' own."""
_FULL = 0.9


async def facts_of(space: Namespace) -> dict[str, Fact]:
    """What INFO, TIME and the sizes say; None where the user may not ask."""
    said = await about(space.transport)
    number = {name: int(said[name]) if said.get(name, "").isdigit() else None for name in _NUMBERS}
    return {
        "product": "Valkey" if said.get("server_name") == "valkey" else "Redis" if "redis_version" in said else None,
        "version": said.get("valkey_version") or said.get("redis_version"),
        "role": said.get("role"),
        "cluster": said.get("cluster_enabled") == "1",
        "maxmemory_policy": said.get("maxmemory_policy") or None,
        "aof": _is_on(said.get("aof_enabled")),
        "aof_write": said.get("aof_last_write_status"),
        "rdb_save": said.get("rdb_last_bgsave_status"),
        "rdb_saves": await _saves(space),
        "keys": await _or_none(space, "DBSIZE"),
        **number,
        **await _clock(space),
    }


_NUMBERS = ("maxmemory", "used_memory", "connected_clients", "evicted_keys", "uptime_in_seconds")


def _is_on(text: str | None) -> bool | None:
    return None if text is None else text == "1"


async def _saves(space: Namespace) -> bool | None:
    """Whether snapshots are taken."""
    reply = await _or_none(space, "CONFIG", "GET", "save")
    if reply is None:
        return None
    return any(value for _, value in pairs(reply))


def pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    """A reply of names and values, which some clients make a dictionary of."""
    return list(reply.items() if hasattr(reply, "items") else zip(reply[::2], reply[1::2], strict=True))


async def _or_none(space: Namespace, *words: str) -> Any:
    try:
        return await space.one(Plain(words), writes=False)
    except DriverError as error:
        if type(error) not in {DriverError, Denied}:
            raise
        return None


async def _clock(space: Namespace) -> dict[str, Fact]:
    began = time.time_ns() // 1_000_000
    reply = await _or_none(space, "TIME")
    ended = time.time_ns() // 1_000_000
    if reply is None:
        return {"clock_offset_ms": None, "round_trip_ms": None}
    seconds, micros = map(int, reply)
    then = seconds * 1000 + micros // 1000
    # The server read its clock somewhere between: what fits in there is no offset.
    offset = min(0, then - began) + max(0, then - ended)
    return {"clock_offset_ms": offset, "round_trip_ms": ended - began}


def judge(facts: Mapping[str, Fact], where: str, *, allow_eviction: bool) -> list[Finding]:
    """What an operator should change."""
    return [*_settings(facts, where, allow_eviction=allow_eviction), *_persistence(facts, where), *_rest(facts, where)]


def _settings(facts: Mapping[str, Fact], where: str, *, allow_eviction: bool) -> Iterator[Finding]:
    version = re.match(r"(\d+)\.(\d+)", str(facts["version"]))
    if version is None:
        yield _warning("unknown-settings", where, "INFO is denied to this user: allow it, so that this can be judged")
    elif facts["product"] == "Redis" and (int(version[1]), int(version[2])) < OLDEST:
        yield _error("version", where, f"it is version {version[0]}: Flowli needs Redis 6.2 or newer, or Valkey")
    policy = facts["maxmemory_policy"]
    if policy not in {None, "noeviction"}:
        level = _warning if allow_eviction else _error
        yield level("eviction", where, f"maxmemory-policy is {policy}: a full server drops jobs; set it to noeviction")
    if facts["evicted_keys"]:
        yield _warning("evicted", where, f"{facts['evicted_keys']} keys were evicted since the server was started")
    if facts["role"] == "slave":
        yield _error("replica", where, "it is a replica, which takes no writes: connect to its primary")


def _persistence(facts: Mapping[str, Fact], where: str) -> Iterator[Finding]:
    if facts["aof"] is False and facts["rdb_saves"] is False:
        yield _warning("no-persistence", where, "jobs are lost when it ends: set appendonly yes, or accept that")
    elif facts["aof"] is False:
        yield _warning("no-aof", where, "jobs since the last snapshot are lost when it crashes: set appendonly yes")
    for fact, what in (("aof_write", "append to its log"), ("rdb_save", "save a snapshot")):
        if facts[fact] not in {None, "ok"}:
            yield _error("persistence-fails", where, f"it could not {what}: look at its log and its disk")


def _rest(facts: Mapping[str, Fact], where: str) -> Iterator[Finding]:
    used, most = facts["used_memory"], facts["maxmemory"]
    if isinstance(used, int) and isinstance(most, int) and most > 0 and used > _FULL * most:
        yield _warning("memory", where, f"{used} of {most} bytes are used: soon it refuses new jobs (QueueFull)")
    offset = facts["clock_offset_ms"]
    if isinstance(offset, int) and abs(offset) > _MOST_OFFSET:
        direction = "ahead of" if offset > 0 else "behind"
        yield _warning("clock", where, f"its clock is {abs(offset)} ms {direction} this machine's: let both follow NTP")


def _error(code: str, subject: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, message)


def _warning(code: str, subject: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, subject, message)
