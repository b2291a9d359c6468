"""The encoding of what core stores: head, body and memo of a job, the body of a schedule, the note of a runner.

It is the only module that knows these bytes; to a driver they are opaque. It refuses to know what the values mean.

Format 1. A head is ``1`` and, where an option differs from the built-in default, a JSON object with short keys. A body
is the input's JSON, then, if there is meta, LF and the meta's JSON: compact JSON never holds a raw LF. A memo is empty
or a JSON object, then, if there is a result, LF and the result's JSON. Readers ignore keys that they do not know;
another first byte is a newer format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import NoneType
from typing import Any

from pydantic_core import SchemaValidator, core_schema, to_json

from flowli.backoff import Backoff
from flowli.driver import MOST_PARENTS, Bonds, Millis, Need, OnConflict, Rule, UniqueKey, Until
from flowli.options import BUILT_IN, Options
from flowli.records import FailureReason, JobError, WaitingFor
from flowli.rules import EVERY_INSTANT, Rules
from flowli.traces import Trace, read_trace

__all__ = [
    "FORMAT",
    "Gather",
    "Head",
    "Memo",
    "ScheduleBody",
    "Unreadable",
    "decode_head",
    "decode_memo",
    "decode_note",
    "decode_schedule",
    "encode_body",
    "encode_head",
    "encode_memo",
    "encode_note",
    "encode_schedule",
    "split_body",
]

FORMAT = b"1"
_OBJECT = SchemaValidator(core_schema.dict_schema(keys_schema=core_schema.str_schema()))


class Unreadable(Exception):
    """These bytes are of a newer format, or damaged. The text says which, never what they hold."""


class Gather(StrEnum):
    """What a step of a chain has as its input: of its one parent, or a list of what its parents give."""

    RESULT = "r"
    RESULTS = "R"
    OUTCOME = "o"
    OUTCOMES = "O"

    @property
    def is_list(self) -> bool:
        return self in (Gather.RESULTS, Gather.OUTCOMES)

    @property
    def is_of_outcomes(self) -> bool:
        """Whether it wants to know how they ended, instead of what they returned."""
        return self in (Gather.OUTCOME, Gather.OUTCOMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What was fixed when the job was enqueued. Queue and priority are the store's own fields, and default here."""

    options: Options = BUILT_IN
    created_at: Millis | None = None
    """Only where the id does not say it."""
    schedule_key: str | None = None
    gather: Gather | None = None
    """Of a step of a chain, whose stored input is empty."""
    parents: int = 0
    """How many steps come before it; `flowli.ids.parent_ids` has their ids."""
    unique_key: str | None = None
    is_replaceable: bool = False
    """It may have been stored in the place of another job, under an id that is not the one it was made with."""
    trace: Trace | None = None


_OPTION_KEYS = {
    "max_attempts": "a",
    "backoff": "b",
    "timeout": "t",
    "heartbeat": "h",
    "max_deliveries": "d",
    "result_ttl": "r",
    "failed_ttl": "f",
    "unknown_ttl": "u",
    "expires_in": "e",
}
_OPTION_NAMES = {key: name for name, key in _OPTION_KEYS.items()}


def encode_head(
    options: Options,
    *,
    created_at: Millis | None = None,
    schedule_key: str | None = None,
    gather: Gather | None = None,
    parents: int = 0,
    unique_key: str | None = None,
    is_replaceable: bool = False,
) -> bytes:
    """Head bytes: as short as the options are usual."""
    found: dict[str, Any] = {}
    for name, key in _OPTION_KEYS.items():
        value = getattr(options, name)
        if value != getattr(BUILT_IN, name):
            found[key] = value.to_wire() if isinstance(value, Backoff) else value
    if created_at is not None:
        found["c"] = created_at
    if schedule_key is not None:
        found["s"] = schedule_key
    if gather is not None:
        found["g"] = gather
        found["n"] = parents
    if unique_key is not None:
        found["R" if is_replaceable else "k"] = unique_key
    return FORMAT + to_json(found) if found else FORMAT


def decode_head(head: bytes) -> Head:
    """Raises Unreadable for a newer format or damage."""
    if head[:1] != FORMAT:
        raise Unreadable("its head is of another format than this version reads")
    if len(head) == 1:
        return Head()
    found = _object(head[1:], "head")
    try:
        _of_kind(found, "athdrfuecn", int)
        _of_kind(found, "skR", str)
        given: dict[str, Any] = {_OPTION_NAMES[key]: value for key, value in found.items() if key in _OPTION_NAMES}
        if "backoff" in given:
            given["backoff"] = Backoff.from_wire(given["backoff"])
        parents = found.get("n", 0)
        if not 0 <= parents <= MOST_PARENTS:
            raise ValueError("n")
        return Head(
            options=BUILT_IN._replace(**given),
            created_at=found.get("c"),
            schedule_key=found.get("s"),
            gather=Gather(found["g"]) if "g" in found else None,
            parents=parents,
            unique_key=found.get("R", found.get("k")),
            is_replaceable="R" in found,
            trace=read_trace(found.get("T")),
        )
    except (TypeError, ValueError, LookupError):
        raise Unreadable("its head is damaged") from None


def encode_body(input_json: bytes, meta_json: bytes | None) -> bytes:
    """Body bytes from two pieces of compact JSON."""
    return input_json if meta_json is None else b"%b\n%b" % (input_json, meta_json)


def split_body(body: bytes) -> tuple[bytes, bytes | None]:
    """The input's JSON and the meta's, if there is any. Never fails: what is no JSON is found when it is validated."""
    input_json, line, meta_json = body.partition(b"\n")
    return input_json, meta_json if line else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What the settlements of a job left: counters, the last error, why it waits or failed, and the result."""

    attempts: int = 0
    """Starts of the handler that are settled, and the crashes before the last of them."""
    failures: int = 0
    crashes: int = 0
    """How many of the store's deliveries ``attempts`` contains."""
    error: JobError | None = None
    reason: FailureReason | None = None
    waiting_for: WaitingFor | None = None
    parked_since: Millis | None = None
    parked_times: int = 0
    started_at: Millis | None = None
    finished_at: Millis | None = None
    start_by: Millis | None = None
    """Of one that was never started, where its lease no longer says since when it is ready."""
    replay: tuple[int, str] | None = None
    """How often it was replayed, and the act that did so last."""
    result: bytes | None = None


_EMPTY_MEMO = Memo()
_MEMO_KEYS = {
    "attempts": "a",
    "failures": "f",
    "crashes": "x",
    "reason": "r",
    "waiting_for": "w",
    "parked_since": "p",
    "parked_times": "n",
    "started_at": "s",
    "finished_at": "d",
    "start_by": "b",
    "replay": "y",
}
_MEMO_SHORT = tuple(_MEMO_KEYS.values())
_memo_values = attrgetter(*_MEMO_KEYS)
_MEMO_NUMBERS = "afxpnsdb"
_ERROR_KEYS = {"type": "t", "message": "m", "code": "c", "traceback": "b"}


def encode_memo(memo: Memo) -> bytes:
    """Memo bytes; what is zero or absent is left out."""
    found: dict[str, Any] = {key: value for key, value in zip(_MEMO_SHORT, _memo_values(memo), strict=True) if value}
    if memo.error is not None:
        error = memo.error
        found["e"] = {key: value for name, key in _ERROR_KEYS.items() if (value := getattr(error, name)) is not None}
    text = to_json(found)
    return text if memo.result is None else b"%b\n%b" % (text, memo.result)


def decode_memo(memo: bytes) -> Memo:
    """Raises Unreadable for damage."""
    if not memo:
        return _EMPTY_MEMO
    text, line, result = memo.partition(b"\n")
    found = _object(text, "memo")
    try:
        _of_kind(found, _MEMO_NUMBERS, int)
        values: dict[str, Any] = {name: found[key] for name, key in _MEMO_KEYS.items() if key in found}
        if "reason" in values:
            values["reason"] = FailureReason(values["reason"])
        if "waiting_for" in values:
            values["waiting_for"] = WaitingFor(values["waiting_for"])
        if "replay" in values:
            number, act = values["replay"]
            values["replay"] = int(number), str(act)
        if (error := found.get("e")) is not None:
            _of_kind(error, _ERROR_KEYS.values(), str)
            values["error"] = JobError(**{name: error[key] for name, key in _ERROR_KEYS.items() if key in error})
        return Memo(**values, result=result if line else None)
    except (TypeError, ValueError, LookupError):
        raise Unreadable("its memo is damaged") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleBody:
    """A schedule's definition and history: enough to fire it without knowing its job."""

    name: str
    when: str
    tz: str
    queue: str
    priority: int
    head: bytes
    body: bytes
    anchor: Millis
    """From when an interval counts."""
    rules: Rules = EVERY_INSTANT
    revision: int = 1
    """Grows with each change of the definition; part of the ids of its jobs."""
    declared: str | None = None
    """Which definition in code this was last made the same as."""
    is_paused: bool = False
    past: Millis | None = None
    """The latest instant that was dealt with, where it is not ``last_run_at``: nothing up to it is fired any more."""
    runs: int = 0
    """How many jobs its instants made."""
    last_run_at: Millis | None = None
    last_job_id: str | None = None
    backlog: tuple[Millis, ...] = ()
    """Instants that wait until the last job is settled."""
    bonds: Bonds | None = None
    """What each of its jobs draws on."""
    recent: tuple[tuple[Millis, str], ...] = ()
    """The last jobs: instant and id, the latest last."""
    unique: UniqueKey | None = None
    """What each of its jobs asks for."""


_SCHEDULE_KEYS = {
    "name": "n",
    "when": "w",
    "tz": "z",
    "queue": "q",
    "priority": "p",
    "anchor": "a",
    "revision": "r",
    "last_run_at": "l",
    "last_job_id": "j",
}
_SCHEDULE_EXTRAS = {
    "declared": "d",
    "is_paused": "o",
    "past": "t",
    "runs": "u",
    "backlog": "b",
    "recent": "h",
    "unique": "k",
}


def encode_schedule(body: ScheduleBody) -> bytes:
    """Schedule bytes: a line of JSON, a line of head, then the job's body; what is usual is left out."""
    found: dict[str, Any] = {key: getattr(body, name) for name, key in _SCHEDULE_KEYS.items()}
    found |= {key: value for name, key in _SCHEDULE_EXTRAS.items() if (value := getattr(body, name))}
    if body.bonds is not None:
        found["y"] = [[*need.rule, need.key, need.weight] for need in body.bonds.needs]
        found["g"] = body.bonds.group
    if body.rules != EVERY_INSTANT:
        usual = EVERY_INSTANT._asdict()
        found["x"] = {name: value for name, value in body.rules._asdict().items() if value != usual[name]}
    return b"%b%b\n%b\n%b" % (FORMAT, to_json(found), body.head, body.body)


def decode_schedule(body: bytes) -> ScheduleBody:
    """Raises Unreadable for a newer format or damage."""
    if body[:1] != FORMAT:
        raise Unreadable("it is of another format than this version reads")
    text, _, rest = body[1:].partition(b"\n")
    head, _, job_body = rest.partition(b"\n")
    found = _object(text, "definition")
    try:
        _of_kind(found, "nwzqd", str)
        _of_kind(found, "partu", int)
        _of_kind(found, "l", int, NoneType)
        _of_kind(found, "j", str, NoneType)
        values: dict[str, Any] = {name: found[key] for name, key in _SCHEDULE_KEYS.items()}
        values |= {name: found[key] for name, key in _SCHEDULE_EXTRAS.items() if key in found}
        values["backlog"] = tuple(Millis(int(at)) for at in found.get("b", ()))
        values["bonds"] = _bonds(found)
        values["recent"] = tuple((Millis(int(at)), str(id)) for at, id in found.get("h", ()))
        values["unique"] = _unique(found["k"]) if "k" in found else None
        return ScheduleBody(**values, rules=_rules(found.get("x", {})), head=head, body=job_body)
    except (LookupError, TypeError, ValueError):
        raise Unreadable("its definition is damaged") from None


def _unique(found: list[Any]) -> UniqueKey:
    key, until, on_conflict, within = found
    return UniqueKey(str(key), Until(until), OnConflict(on_conflict), None if within is None else Millis(int(within)))


def _bonds(found: dict[str, Any]) -> Bonds | None:
    if "y" not in found:
        return None
    _of_kind(found, "g", str, NoneType)
    needs = [
        Need(Rule(str(limit), at_once, most, span), str(key), int(weight))
        for limit, at_once, most, span, key, weight in found["y"]
    ]
    return Bonds(needs=needs, group=found.get("g"))


def _rules(found: dict[str, Any]) -> Rules:
    _of_kind(found, ("jitter", "start", "end", "limit", "misfire_cap"), int)
    _of_kind(found, ("misfire", "overlap"), str)
    return EVERY_INSTANT._replace(**{name: value for name, value in found.items() if name in Rules._fields})


def encode_note(*, host: str, pid: int, jobs: tuple[str, ...]) -> bytes:
    """What a runner says of itself."""
    return FORMAT + to_json({"h": host, "p": pid, "j": jobs})


def decode_note(note: bytes) -> tuple[str, int, tuple[str, ...]]:
    """Host, process id and names of jobs; Unreadable for a newer format or damage."""
    if note[:1] != FORMAT:
        raise Unreadable("its note is of another format than this version reads")
    found = _object(note[1:], "note")
    try:
        return str(found["h"]), int(found["p"]), tuple(found["j"])
    except (LookupError, TypeError, ValueError):
        raise Unreadable("its note is damaged") from None


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = _OBJECT.validate_json(text)
    except ValueError:
        raise Unreadable(f"its {what} is damaged") from None
    return found


def _of_kind(found: dict[str, Any], keys: Iterable[str], *kinds: type) -> None:
    """TypeError for a value of another kind, which would fail far from here; what is absent passes."""
    for key in keys:
        if key in found and type(found[key]) not in kinds:
            raise TypeError(key)
