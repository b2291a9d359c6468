"""Settle, claim and wait over RESP; it knows the order in which they travel, and no connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowli.driver import Claim, Exchanged, Lease, Millis, Recovered, Settled, Settlement
from flowli.resp.namespace import Namespace, cut, instant
from flowli.resp.records import LETTERS, lease_of, recovered_of
from flowli.resp.scripts import Arg, Call, script

__all__ = [
    "LONGEST_SLEEP",
    "claim_call",
    "claimed",
    "exchange",
    "exchanged",
    "names_of",
    "note_queues",
    "schedule_came",
    "settle_again",
    "settle_call",
    "settled_of",
    "size_of",
    "sleep_before",
    "tell",
]

_SETTLED = {
    ord("W"): Settled.WRITTEN,
    ord("R"): Settled.REPEATED,
    ord("L"): Settled.LOST,
    ord("G"): Settled.GONE,
}

_STATES = {state: (letter, state.is_terminal) for state, letter in LETTERS.items()}

_MOMENT = 0.1
"""Seconds for which what a wait ended with is still how things are, but for what tokens tell."""

LONGEST_SLEEP = 2.0
"""Seconds between two looks of a waiting claim: the price of a wake-up that died with the runner that took it."""


async def exchange(
    space: Namespace, settlements: Sequence[Settlement], claim: Claim | None, *, now: Millis | None
) -> Exchanged:
    """Driver.exchange: settlements and a first claim travel together, and only then is there a wait."""
    chunks = list(cut(settlements, size_of))
    calls = [settle_call(space, chunk, now) for chunk in chunks]
    if claim is None:
        replies = await space.transport.run(calls or [settle_call(space, [], now)], writes=True)
        replies = await settle_again(space, chunks, replies, now)
        tell(space, replies)
        return exchanged(settled_of(replies), Millis(int(replies[-1][0])))
    if claim.queues is None:
        await space.queues()
    known = None if settlements or now is not None else _found_idle(space, claim)
    if known is not None:
        return await _wait(space, claim, *known, now)
    names = names_of(space, claim)
    replies = await space.transport.run([*calls, claim_call(space, claim, names, now)], writes=True)
    settled = await settle_again(space, chunks, replies[:-1], now)
    tell(space, [*settled, replies[-1]])
    first = claimed(settled_of(settled), replies[-1], claim)
    if first.leases or claim.limit <= 0 or replies[-1][11]:
        note_queues(space, claim, replies[-1])
        return first
    with space.after_writes(True):
        return await _wait(space, claim, first, replies[-1], now)


async def _wait(space: Namespace, claim: Claim, first: Exchanged, reply: Any, now: Millis | None) -> Exchanged:
    deadline = time.monotonic() + claim.wait / 1000
    found, recovered = first, list(first.recovered)
    while not (found.leases or reply[11]):
        renamed = note_queues(space, claim, reply)
        if renamed:
            await space.learn()
        names = names_of(space, claim)
        call = claim_call(space, claim, names, now)
        if renamed or found.more:
            reply = await space.one(call, writes=True)
        else:
            seconds = min(deadline - time.monotonic(), sleep_before(found, now))
            if deadline <= time.monotonic() or schedule_came(first, found, now):
                break
            keys = [space.keys.wake(name) for name in names]
            if claim.queues is None:
                keys.append(space.keys.call)
            _, reply = await space.transport.idle(keys or [space.keys.fixed("none")], max(seconds, 0.001), call)
        tell(space, [reply])
        found = claimed(first.settled, reply, claim)
        recovered += found.recovered
    note_queues(space, claim, reply)
    if not (found.leases or found.more or reply[11]):
        ended = time.monotonic()
        fresh = {sender: one for sender, one in space.idle.items() if ended - one[0] <= _MOMENT}
        space.idle = {**fresh, claim.turn.sender: (ended, claim.queues, found, reply)}
    return replace(found, recovered=recovered)


def _found_idle(space: Namespace, claim: Claim) -> tuple[Exchanged, Any] | None:
    """What the sender's last wait ended with a moment ago, if it was nothing: this one begins with its sleep.

    Whatever came since has pushed a token, which ends the sleep at once.
    """
    at, queues, found, reply = space.idle.pop(claim.turn.sender, (0.0, None, None, None))
    passed = time.monotonic() - at
    if found is None or queues != claim.queues or claim.wait <= 0 or claim.limit <= 0 or passed > _MOMENT:
        return None
    later = Millis(found.now + int(passed * 1000))
    instants = [until for until in (found.next_at, found.schedule_at) if until is not None]
    if min(instants, default=later + 1) <= later:
        return None
    return replace(found, settled=(), recovered=(), now=later), reply


def sleep_before(found: Exchanged, now: Millis | None) -> float:
    """Seconds until something is known to come. Under a `now` that was passed in nothing comes by itself."""
    if now is not None:
        return LONGEST_SLEEP
    instants = [at for at in (found.next_at, found.schedule_at) if at is not None and at > found.now]
    return min([LONGEST_SLEEP, *((at - found.now) / 1000 for at in instants)])


def schedule_came(first: Exchanged, found: Exchanged, now: Millis | None) -> bool:
    """Whether core has something to fire that it could not know of when it began to wait."""
    if now is not None or found.schedule_at is None or found.schedule_at > found.now:
        return False
    return first.schedule_at != found.schedule_at or found.schedule_at > first.now


def names_of(space: Namespace, claim: Claim) -> Sequence[str]:
    return space.rotated() if claim.queues is None else list(dict.fromkeys(claim.queues))


def note_queues(space: Namespace, claim: Claim, reply: Any) -> bool:
    """Whether the store knows other queues than were claimed from."""
    if claim.queues is None and reply[10] != len(space.known):
        space.stale = True
        return True
    return False


def size_of(settlement: Settlement) -> int:
    return len(settlement.memo)


async def settle_again(
    space: Namespace, chunks: Sequence[Sequence[Settlement]], replies: Sequence[Any], now: Millis | None
) -> Sequence[Any]:
    """The replies, once nothing asks for the keys of further queues any more: those of jobs that wait for these."""
    found: Sequence[Any] = replies
    for at, chunk in enumerate(chunks):
        if found[at][0] == b"again":
            further = [name.decode() for name in found[at][1:]]

            def build(names: Sequence[str], chunk: Sequence[Settlement] = chunk) -> Call:
                return settle_call(space, chunk, now, names)

            with space.after_writes(True):
                found = [*found[:at], await space.complete(further, build, writes=True), *found[at + 1 :]]
    return found


def settle_call(
    space: Namespace, settlements: Sequence[Settlement], now: Millis | None, further: Sequence[str] = ()
) -> Call:
    named = dict.fromkeys([*[item.queue for item in settlements], *further])
    number = {queue: place for place, queue in enumerate(named, 1)}
    args: list[Arg] = [instant(now), 0]
    for job_id, queue, token, state, memo, due, delay, keep_for in settlements:
        letter, is_terminal = _STATES[state]
        if is_terminal:
            at: Arg = f"+{keep_for}" if keep_for > 0 else "+0"
        else:
            at = f"+{delay or 0}" if due is None else due
        args += (number[queue], job_id, token, letter, at, memo)
    return script("settle").call(space.keys, list(number), args)


def tell(space: Namespace, replies: Sequence[Any]) -> None:
    """Wake runners of queues for which a limit has room: the last of each reply, which scripts could not reach."""
    names = {name for reply in replies for name in reply[-1]}
    if names:
        space.push_soon(sorted(names))


def settled_of(replies: Sequence[Any]) -> list[Settled]:
    return [_SETTLED[letter] for reply in replies for letter in reply[1]]


def claim_call(space: Namespace, claim: Claim, names: Sequence[str], now: Millis | None) -> Call:
    args: list[Arg] = [instant(now), len(names), *names]
    args += (claim.limit, claim.lease_for, claim.max_bytes, claim.turn.sender, claim.turn.number)
    args.append("1" if claim.queues is None else "")
    # A claim of all queues takes the call for new ones with it; any other deletes what is never there.
    first = {"first": space.keys.call if claim.queues is None else space.keys.fixed("none")}
    return script("claim").call(space.keys, names, args, first)


def exchanged(settled: Sequence[Settled], now: Millis) -> Exchanged:
    return Exchanged(
        settled=settled,
        leases=(),
        lease_until=now,
        recovered=(),
        more=False,
        next_at=None,
        schedule_at=None,
        now=now,
    )


def claimed(settled: Sequence[Settled], reply: Any, claim: Claim) -> Exchanged:
    now = int(reply[0])
    return Exchanged(
        settled=settled,
        leases=_leases(*reply[1:6]),
        lease_until=Millis(now + claim.lease_for),
        recovered=_recovered(reply[6]),
        more=reply[9] == 1,
        next_at=Millis(int(reply[7])) if reply[7] else None,
        schedule_at=Millis(int(float(reply[8]))) if reply[8] else None,
        now=Millis(now),
    )


def _leases(token: Any, elements: Any, records: Any, states: Any, crashes: Any) -> list[Lease]:
    # One number: the first of a row. A repeated turn has a list, for some of its leases may be lost.
    tokens: Any = range(token, token + len(elements)) if isinstance(token, int) else token
    if not states:
        none = [b""] * len(elements)
        states = crashes = none
    return list(map(lease_of, elements, records, tokens, crashes, states))


def _recovered(flat: Any) -> list[Recovered]:
    return [recovered_of(flat[at], int(flat[at + 1]), flat[at + 2]) for at in range(0, len(flat), 3)]
