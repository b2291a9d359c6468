"""What a server is asked before it is trusted with jobs; it knows versions, eviction and the layout, and no job."""

from __future__ import annotations

import re
from typing import Any

from flowli.errors import DriverError
from flowli.resp.durability import Confirmation
from flowli.resp.keys import LAYOUT, Keys
from flowli.resp.namespace import Plain, Request, Transport
from flowli.resp.partitions import Division
from flowli.resp.refusals import Denied
from flowli.resp.rights import check_rights
from flowli.resp.scripts import script

__all__ = ["OLDEST", "about", "greet"]

OLDEST = (6, 2)
"""The oldest version of Redis that has the commands."""


async def greet(
    transport: Transport,
    keys: Keys,
    where: str,
    *,
    allow_eviction: bool,
    partitions: int | None,
    confirmation: Confirmation | None,
) -> Division:
    """Raise DriverError for a store that cannot keep the promises; note layout and division in one that is new.

    ``partitions`` is what was asked for, None for what stands. Returns how the namespace is divided.
    """
    await check_rights(transport, keys, where)
    ping: Request = Plain(("PING",))
    layout: Request = Plain(("HMGET", keys.fixed("meta"), "layout", "partitions"))
    _, (stands, stored) = await transport.run([ping, layout], writes=False)
    facts = await about(transport)
    _check_server(facts, where, allow_eviction=allow_eviction)
    if confirmation is not None:
        await _check_confirmation(transport, confirmation, facts, where)
    if stands is None:
        wanted = Division(*[partitions or 1] * 3)
        if wanted.reads > 1:
            note: Request = script("divide").call(keys, [], ["", 0, LAYOUT, "-", wanted.stored])
            ((stands, stored),) = await transport.run([note], writes=True)
        else:
            note = Plain(("HSETNX", keys.fixed("meta"), "layout", LAYOUT))
            _, (stands, stored) = await transport.run([note, layout], writes=True)
    if stands != LAYOUT:
        message = (
            f"{where} prefix={keys.prefix} holds layout {stands.decode()}, and this version of Flowli reads and writes "
            f"layout {LAYOUT.decode()}: use the version that wrote it, or another prefix."
        )
        raise DriverError(message)
    division = Division.read(stored)
    if partitions not in {None, division.writes, division.reads}:
        message = (
            f"{where} prefix={keys.prefix} is divided into {division.writes} partitions, not {partitions}: leave "
            f"partitions= out to take what stands. The number can be doubled while in use, with "
            f"`await driver.double_partitions()`, and never made smaller; for any other number take another prefix."
        )
        raise DriverError(message)
    return division


async def _check_confirmation(
    transport: Transport, confirmation: Confirmation, facts: dict[str, str], where: str
) -> None:
    """DriverError for a server that can never confirm; replicas that are away for now are not looked for."""
    try:
        await transport.run([confirmation.probe], writes=False, waits=confirmation.seconds)
    except DriverError as error:
        if type(error) not in {DriverError, Denied}:
            raise
        raise confirmation.impossible(facts, where) from None


async def about(transport: Transport) -> dict[str, str]:
    """What INFO says; nothing where it is not to be had (a user without the right, a store that is no server)."""
    try:
        (text,) = await transport.run([Plain(("INFO",))], writes=False)
    except DriverError as error:
        if type(error) not in {DriverError, Denied}:
            raise
        text = b""
    facts = dict(re.findall(r"^(\w+):(.*?)\r?$", text.decode(errors="replace"), re.MULTILINE))
    if "maxmemory_policy" not in facts:
        facts["maxmemory_policy"] = await _policy(transport)
    return facts


async def _policy(transport: Transport) -> str:
    try:
        pair: Any
        (pair,) = await transport.run([Plain(("CONFIG", "GET", "maxmemory-policy"))], writes=False)
    except DriverError as error:
        if type(error) not in {DriverError, Denied}:
            raise
        return ""
    policies: Any = [*pair.values()] if isinstance(pair, dict) else pair[1:]
    return policies[0].decode() if policies else ""


def _check_server(facts: dict[str, str], where: str, *, allow_eviction: bool) -> None:
    version = re.match(r"(\d+)\.(\d+)", facts.get("redis_version", ""))
    if version and (int(version[1]), int(version[2])) < OLDEST:
        message = f"{where} is version {version[0]}; Flowli needs Redis 6.2 or newer, or Valkey."
        raise DriverError(message)
    policy = facts["maxmemory_policy"]
    if policy not in {"", "noeviction"} and not allow_eviction:
        message = (
            f"{where} has the maxmemory-policy {policy}, under which a full server drops jobs: set it to noeviction, "
            "or pass allow_eviction=True and accept that."
        )
        raise DriverError(message)
