"""Limits over RESP: their rules, holds, and who draws on them; it knows their scripts' arguments and replies.

Everything that is bound lives at home, so that one partition keeps every limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import LimitView, Millis, Need, Rule
from flowli.resp.namespace import Namespace, Plain, cut, instant
from flowli.resp.scripts import Arg, script

__all__ = ["NEVER", "get_keys", "get_limit", "get_rules", "hold", "pack_needs", "set_rules"]

NEVER = 6 * 10**15
"""From here on no instant is meant: a job that is parked has this one and that since when it was ready."""

_MOST_HOLDERS = 100


def _place(limit: str, key: str | None) -> bytes:
    """As ``parts/needs.lua`` has it: no place is the beginning of another."""
    name = limit.encode()
    front = b"%d:%b" % (len(name), name)
    if key is None:
        return b"a" + front
    text = key.encode()
    return b"k%b%d:%b" % (front, len(text), text)


def _packed(rule: Rule) -> bytes:
    return b" ".join(b"" if value is None else b"%d" % value for value in (rule.at_once, rule.most, rule.span))


def pack_needs(needs: Sequence[Need]) -> bytes:
    """The bond ``l``: length and text of the place, weight and rule of each."""
    rows: list[bytes] = []
    for rule, key, weight in needs:
        place = _place(rule.limit, key)
        rows.append(b"%d:%b%d %b;" % (len(place), place, weight, _packed(rule)))
    return b"".join(rows)


async def set_rules(space: Namespace, rules: Sequence[Rule], *, now: Millis | None) -> None:
    """Throttles.set_rules."""
    for chunk in cut(rules):
        args: list[Arg] = [instant(now), 0]
        for rule in chunk:
            args += ("r", rule.limit, _packed(rule))
        await space.push(await space.one(script("throttle").call(space.keys, [], args), writes=True))


async def get_rules(space: Namespace) -> Sequence[Rule]:
    """Throttles.get_rules."""
    key = space.keys.fixed("rule")
    names = [name for name in await space.one(Plain(("HKEYS", key)), writes=False) if name[:1] == b"r"]
    if not names:
        return []
    texts = await space.one(Plain(("HMGET", key, *names)), writes=False)
    return [_rule(name[1:].decode(), text) for name, text in sorted(zip(names, texts, strict=True)) if text]


def _rule(limit: str, text: bytes) -> Rule:
    at_once, most, span = (int(part) if part else None for part in text.split(b" "))
    return Rule(limit, at_once, most, None if span is None else Millis(span))


async def hold(space: Namespace, limit: str, key: str | None, until: Millis | None, *, now: Millis | None) -> None:
    """Throttles.hold."""
    args: list[Arg] = [instant(now), 0, "h", _place(limit, key), "" if until is None else until]
    await space.push(await space.one(script("throttle").call(space.keys, [], args), writes=True))


async def get_limit(space: Namespace, limit: str, key: str, *, now: Millis | None) -> LimitView:
    """Throttles.get_limit."""
    args: list[Arg] = [instant(now), 0, _place(limit, key), _MOST_HOLDERS]
    reply = await space.one(script("limit").call(space.keys, [], args), writes=False)
    rule, held, used, parked, closed, *holders = reply
    return LimitView(
        rule=_rule(limit, rule) if rule else None,
        held=held,
        used=used,
        parked=parked,
        closed_until=Millis(int(closed)) if closed else None,
        holders=[id.decode() for id in holders],
    )


async def get_keys(space: Namespace, limit: str, *, most: int) -> Sequence[str]:
    """Throttles.get_keys."""
    args: list[Arg] = ["", 0, b"k" + _place(limit, None)[1:], "", most]
    reply = await space.one(script("limit").call(space.keys, [], args), writes=False)
    return [key.decode() for key in reply]
