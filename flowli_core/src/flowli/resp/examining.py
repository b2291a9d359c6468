"""Whether what a namespace holds is consistent; it knows what each key owes the others, and no setting of the server.

A step of the look is one script, so it sees no job that is half way. What concerns several steps is looked at twice:
only what was wrong both times is a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from flowli.driver import Millis
from flowli.driver.examination import Examination, Fact, Finding
from flowli.resp import walks
from flowli.resp.condition import facts_of, judge, pairs
from flowli.resp.faults import FAULTS
from flowli.resp.namespace import Namespace, Plain, instant
from flowli.resp.scripts import SCRIPTS, Arg, script

__all__ = ["examine"]

_MOST_OF_A_CODE = 1_000
_MOST_GHOSTS = 5_000
_MOST_KEYS = 1_000_000
_PER_QUEUE = ("rank", "due", "lease", "done", "fail", "gone")
_OF_JOBS = ("active", "state", "crash", "more", "asked", "watch", "bond", "kids", "open")
_SHOWN = 60


@dataclass(slots=True)
class _Look:
    """What was found so far."""

    space: Namespace
    now: Arg
    findings: list[Finding] = field(default_factory=list[Finding])
    counts: Counter[str] = field(default_factory=Counter[str])
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])

    def find(self, code: str, subject: str | bytes, about: str = "") -> None:
        """Note a finding; ``about`` completes its message."""
        self.counts[code] += 1
        if self.counts[code] <= _MOST_OF_A_CODE:
            severity, text = FAULTS[code]
            shown = subject.decode(errors="replace") if isinstance(subject, bytes) else subject
            self.findings.append(Finding(code, severity, shown[:200], text.format(about=about)))


async def examine(space: Namespace, where: str, *, allow_eviction: bool, now: Millis | None) -> Examination:
    """Driver.examine for a store that speaks RESP."""
    look = _Look(space, instant(now))
    look.facts |= await facts_of(space)
    look.findings += judge(look.facts, where, allow_eviction=allow_eviction)
    if await _kinds(look):
        return Examination(findings=look.findings, facts=look.facts)
    queues = await space.learn()
    lines = await _lines(look, queues)
    await _records(look, lines)
    await _indexes(look, queues)
    await _schedules(look)
    await _unique_keys(look)
    await _limits(look)
    await _strangers(look)
    look.facts["findings"] = sum(look.counts.values())
    return Examination(findings=look.findings, facts=look.facts)


async def _kinds(look: _Look) -> bool:
    """Whether a key is of another type than its scripts expect: then nothing else can be looked at."""
    space = look.space
    expected = {space.keys.fixed(name): kind for name, kind in _fixed_kinds().items()}
    queues = await space.learn() if await _kind_of(space, "queues") in {b"hash", b"none"} else []
    expected |= {
        space.keys.of_queue(name, queue): "list" if name == "line" else "zset"
        for queue in queues
        for name in _queue_names()
    }
    keys = list(expected)
    for at in range(0, len(keys), 500):
        part = keys[at : at + 500]
        kinds = await space.transport.run([Plain(("TYPE", key)) for key in part], writes=False)
        for key, kind in zip(part, map(_text, kinds), strict=True):
            if kind not in {"none", expected[key]}:
                look.find("key-type", key, f"a {kind} instead of a {expected[key]}")
    return look.counts["key-type"] > 0


async def _kind_of(space: Namespace, name: str) -> bytes:
    return _text(await space.one(Plain(("TYPE", space.keys.fixed(name))), writes=False)).encode()


def _text(kind: bytes | str) -> str:
    return kind.decode() if isinstance(kind, bytes) else kind


@cache
def _fixed_kinds() -> dict[str, str]:
    strings = {"fence"}
    sets = {"tick", "alive", "turns", "call", "lapse", "noted", "park", "move", "rate", "reopen", "fair"}
    names = {name for one in SCRIPTS for name in script(one).fixed} | {"meta"}
    names -= {"none", "first", "sent", "index", "behind"}
    return {name: "string" if name in strings else "zset" if name in sets else "hash" for name in names}


@cache
def _queue_names() -> frozenset[str]:
    return frozenset(name for one in SCRIPTS for name in script(one).of_queue)


@dataclass(slots=True)
class _Lines:
    """The jobs that stand in lines, by the hashes of queue and id: a million are some ten MB."""

    met: set[int] = field(default_factory=set[int])
    ghosts: Counter[tuple[str, bytes]] = field(default_factory=Counter[tuple[str, bytes]])


_LETTERS = {"s": "line-orphan", "m": "line-and-elsewhere", "o": "line-of-another"}


async def _lines(look: _Look, queues: Sequence[str]) -> _Lines:
    """Walk the lines; what is wrong in one is wrong only if a second walk says so too."""
    lines = _Lines()
    for queue in queues:
        wrong = await _line(look.space, queue, lines)
        if wrong:
            wrong &= await _line(look.space, queue, _Lines())
        for element, letter in sorted(wrong):
            look.find(_LETTERS[letter], element[13:], queue)
    await _ghosts(look, queues, lines)
    return lines


async def _line(space: Namespace, queue: str, lines: _Lines) -> set[tuple[bytes, str]]:
    wrong: set[tuple[bytes, str]] = set()
    async for step in walks.line(space, queue):
        for element, letter in step:
            lines.met.add(hash((queue, element[13:])))
            if letter == "g":
                lines.ghosts[queue, element[13:]] += 1
            elif letter != ".":
                wrong.add((element, letter))
    return wrong


async def _ghosts(look: _Look, queues: Iterable[str], lines: _Lines) -> None:
    """A ghost without an element takes the next job of its id out of the line, unseen."""
    missing = {key: count for key, count in (await _ghost_counts(look)).items() if key[1] and lines.ghosts[key] < count}
    if not missing:
        return
    again = _Lines()
    for queue in {queue for queue, _ in missing} & set(queues):
        await _line(look.space, queue, again)
    now = await _ghost_counts(look)
    for (queue, id), count in sorted(missing.items()):
        if again.ghosts[queue, id] < count <= now.get((queue, id), 0):
            look.find("ghost-missing", id, queue)


async def _ghost_counts(look: _Look) -> dict[tuple[str, bytes], int]:
    """The ghosts of each job; their sums by queue are compared on the way, for all are read in one step."""
    space = look.space
    key = space.keys.fixed("ghost")
    look.facts["ghosts"] = total = await space.one(Plain(("HLEN", key)), writes=False)
    if total > _MOST_GHOSTS:
        look.facts["ghosts_checked"] = False
        return {}
    counts = {
        _ghost_key(name): int(count) for name, count in pairs(await space.one(Plain(("HGETALL", key)), writes=False))
    }
    sums: Counter[str] = Counter()
    for (queue, id), count in counts.items():
        sums[queue] += count if id else -count
    for queue in sorted(queue for queue, difference in sums.items() if difference):
        if not any(one.code == "ghost-sum" and one.subject == queue for one in look.findings):
            look.find("ghost-sum", queue)
    return counts


def _ghost_key(name: bytes) -> tuple[str, bytes]:
    length, _, rest = name.partition(b":")
    return rest[: int(length)].decode(), rest[int(length) :]


async def _records(look: _Look, lines: _Lines) -> None:
    space, total = look.space, 0
    suspects: dict[bytes, str] = {}
    async for met, step in walks.records(space, look.now):
        total += met
        suspects |= {id: fault for id, queue, fault in step if fault != "line" or hash((queue, id)) not in lines.met}
    look.facts["records"] = total
    async for step in walks.jobs_again(space, look.now, list(suspects)):
        for id, queue, fault in step:
            # What has another fault now was on its way; what stands in a line has been found there.
            if fault == suspects[id] or (fault, suspects[id]) == ("unreachable", "line"):
                look.find(fault, id, queue)


async def _indexes(look: _Look, queues: Sequence[str]) -> None:
    keys = look.space.keys
    jobs = keys.fixed("jobs")
    pairs = [(keys.of_queue(name, queue), jobs, "ZH", queue) for queue in queues for name in _PER_QUEUE]
    pairs += [(keys.fixed(name), jobs, "HH", "") for name in _OF_JOBS]
    for one, other, kinds in (
        ("runners", "alive", "HZ"),
        ("last", "turns", "HZ"),
        ("audit", "noted", "HZ"),
        ("tick", "plan", "ZH"),
        ("lapse", "uniq", "ZH"),
    ):
        pairs += [(keys.fixed(one), keys.fixed(other), kinds, "")]
        if kinds == "HZ":
            pairs += [(keys.fixed(other), keys.fixed(one), kinds[::-1], "")]
    for index, behind, kinds, queue in pairs:
        found: list[bytes] = []
        async for _, without in walks.members(look.space, index, behind, kinds, queue):
            found += without
        for member in await walks.members_again(look.space, index, behind, kinds, queue, found):
            look.find("orphan", member, index)


async def _schedules(look: _Look) -> None:
    total, found = 0, list[bytes]()
    async for met, wrong in walks.plan(look.space):
        total += met
        found += wrong
    look.facts["schedules"] = total
    for key in await walks.plan_again(look.space, found):
        look.find("schedule-instant", key)


async def _unique_keys(look: _Look) -> None:
    total, found = 0, list[bytes]()
    async for met, wrong in walks.unique_keys(look.space, look.now):
        total += met
        found += wrong
    look.facts["unique_keys"] = total
    for key in await walks.unique_keys_again(look.space, look.now, found):
        look.find("unique-leaked", key)


async def _limits(look: _Look) -> None:
    """What is lent is read in one step, so that it is right or wrong as it stands."""
    call = script("examine_limits").call(look.space.keys, [], [look.now, 0])
    look.facts["limits_in_use"], *found = await look.space.one(call, writes=False)
    for place in found:
        look.find("limit-drift", place)


async def _strangers(look: _Look) -> None:
    """Keys below the prefix that no script writes, and those that should expire and do not."""
    space = look.space
    if look.facts["cluster"] or not isinstance(count := look.facts["keys"], int) or count > _MOST_KEYS:
        look.facts["keys_searched"] = False
        return
    look.facts["keys_searched"] = True
    async for found in _unknown(space):
        for name in found:
            if not name.startswith(space.keys.fixed("sent:")):
                look.find("key-unknown", name)
            elif await space.one(Plain(("PTTL", name)), writes=False) == -1:
                look.find("key-without-expiry", name)


async def _unknown(space: Namespace) -> AsyncIterator[list[str]]:
    fixed = {space.keys.fixed(name) for name in _fixed_kinds()}
    of_queue = tuple(space.keys.of_queue(name, "") for name in _queue_names())
    async for found in walks.names(space):
        yield [name for name in found if name not in fixed and not name.startswith(of_queue)]
