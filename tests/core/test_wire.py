"""The stored form, format 1: what was written once is read for ever, and what cannot be read says so and nothing more.

``golden/format_1.json`` holds bytes as they were written. A change of the format adds a file beside it; none is ever
changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from flowli import Backoff, Runner
from flowli.driver import Millis, NewJob
from flowli.options import BUILT_IN, resolve
from flowli.records import FailureReason, JobError, WaitingFor
from flowli.wire import (
    Head,
    Memo,
    ScheduleBody,
    Unreadable,
    decode_head,
    decode_memo,
    decode_note,
    decode_schedule,
    encode_body,
    encode_head,
    encode_memo,
    encode_note,
    encode_schedule,
    split_body,
)
from tests.core.work import app

GOLDEN: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "golden" / "format_1.json").read_text("utf-8"))
AT = Millis(1_900_000_000_000)
CANARY = "canary-4711"

FULL = resolve(
    BUILT_IN,
    {
        "max_attempts": 3,
        "backoff": Backoff(type="fixed", delay="2s", max_delay="1m", jitter=(0.25, 1.5)),
        "timeout": "30s",
        "max_deliveries": 9,
        "result_ttl": "0s",
        "failed_ttl": "1d",
        "unknown_ttl": "2d",
    },
)
HEADS = {
    "plain": Head(),
    "full": Head(options=FULL, created_at=AT, schedule_key="d\u00e4ily:1"),
    "backoff": Head(options=resolve(BUILT_IN, {"backoff": Backoff(delay="5s", max_delay=None, jitter=False)})),
    "heartbeat": Head(options=resolve(BUILT_IN, {"heartbeat": "10s"})),
}
BODIES: dict[str, tuple[bytes, bytes | None]] = {
    "none": (b"null", None),
    "input": ('{"to":"\u00e9","n":1}'.encode(), None),
    "both": (b'"a\\nb"', b'{"request_id":"r"}'),
    "null meta": (b"1", b"null"),
}
MEMOS = {
    "empty": Memo(),
    "retry": Memo(
        attempts=2,
        failures=1,
        crashes=1,
        waiting_for=WaitingFor.RETRY,
        started_at=AT,
        error=JobError(type="LookupError", message="no \u00e9", traceback='  File "x"\n'),
    ),
    "completed": Memo(attempts=1, started_at=AT, finished_at=Millis(AT + 500), result=b'{"x":2}'),
    "failed": Memo(
        attempts=3,
        failures=3,
        reason=FailureReason.ATTEMPTS,
        finished_at=Millis(AT + 500),
        error=JobError(type="flowli.errors.JobTimeoutError", message="late", code="FLOWLI_TIMEOUT"),
    ),
    "parked": Memo(waiting_for=WaitingFor.RUNNER, parked_since=AT, parked_times=4),
}
SCHEDULES = {
    "new": ScheduleBody(
        name="send",
        when="0 8 * * *",
        tz="Europe/Berlin",
        queue="mail",
        priority=5,
        head=encode_head(FULL),
        body=b'{"to":"a"}\n{"r":1}',
        anchor=AT,
    ),
    "fired": ScheduleBody(
        name="tick",
        when="10s",
        tz="UTC",
        queue="default",
        priority=0,
        head=b"1",
        body=b"null",
        anchor=AT,
        revision=3,
        last_run_at=Millis(AT + 10_000),
        last_job_id="k:3:1900000010000",
    ),
}


def golden(kind: str, name: str) -> bytes:
    return GOLDEN[kind][name].encode()


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_read_as_it_was_written(name: str) -> None:
    head = HEADS[name]

    assert decode_head(golden("heads", name)) == head
    assert encode_head(head.options, created_at=head.created_at, schedule_key=head.schedule_key) == golden(
        "heads", name
    )


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_as_it_was_written(name: str) -> None:
    assert split_body(golden("bodies", name)) == BODIES[name]
    assert encode_body(*BODIES[name]) == golden("bodies", name)


@pytest.mark.parametrize("name", MEMOS)
def test_a_memo_is_read_as_it_was_written(name: str) -> None:
    assert decode_memo(golden("memos", name)) == MEMOS[name]
    assert decode_memo(encode_memo(MEMOS[name])) == MEMOS[name]


@pytest.mark.parametrize("name", [name for name in MEMOS if name != "empty"])
def test_a_memo_is_written_as_it_was(name: str) -> None:
    assert encode_memo(MEMOS[name]) == golden("memos", name)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_read_as_it_was_written(name: str) -> None:
    assert decode_schedule(golden("schedules", name)) == SCHEDULES[name]
    assert encode_schedule(SCHEDULES[name]) == golden("schedules", name)


def test_a_note_is_read_as_it_was_written() -> None:
    assert decode_note(golden("notes", "runner")) == ("h1", 17, ("send", "t\u00eeck"))
    assert encode_note(host="h1", pid=17, jobs=("send", "t\u00eeck")) == golden("notes", "runner")


def test_everything_that_is_golden_is_tested() -> None:
    tested: dict[str, Iterable[str]] = {
        "heads": HEADS,
        "bodies": BODIES,
        "memos": MEMOS,
        "schedules": SCHEDULES,
        "notes": ["runner"],
    }

    assert {kind: set(rows) for kind, rows in GOLDEN.items()} == {kind: set(rows) for kind, rows in tested.items()}


def test_the_head_of_a_usual_job_is_one_byte() -> None:
    assert encode_head(BUILT_IN) == b"1"


def test_keys_that_a_later_version_adds_are_ignored() -> None:
    assert decode_head(b'1{"a":3,"zz":{"new":[1]}}').options.max_attempts == 3
    assert decode_memo(b'{"a":2,"zz":1,"e":{"t":"T","m":"M","zz":1}}') == Memo(
        attempts=2, error=JobError(type="T", message="M")
    )
    assert decode_note(b'1{"h":"h","p":1,"j":[],"zz":1}') == ("h", 1, ())
    text = golden("schedules", "fired").replace(b'"n":"tick"', b'"n":"tick","zz":1', 1)
    assert decode_schedule(text) == SCHEDULES["fired"]


@pytest.mark.parametrize("decode", [decode_head, decode_schedule, decode_note])
@pytest.mark.parametrize("text", [b"", b"2", b"2{}", b"{}", b"\xff\xfe"])
def test_another_format_is_unreadable(decode: Any, text: bytes) -> None:
    with pytest.raises(Unreadable, match="of another format than this version reads"):
        decode(text)


DAMAGED: list[tuple[Any, bytes]] = [
    *((decode_head, b"1" + text) for text in (b"{", b"[]", b"null", b'{"a":', b"\xff", b"x")),
    *((decode_head, b"1" + text) for text in (b'{"a":"canary-4711"}', b'{"t":{}}', b'{"r":1.5}', b'{"d":null}')),
    *((decode_head, b"1" + text) for text in (b'{"b":"canary-4711"}', b'{"b":[]}', b'{"c":"x"}', b'{"s":7}')),
    *((decode_memo, text) for text in (b"{", b"[]", b"canary-4711", b'{"r":"canary-4711"}', b'{"w":7}')),
    *((decode_memo, text) for text in (b'{"a":"canary-4711"}', b'{"f":null}', b'{"s":[]}', b'{"e":7}', b'{"e":{}}')),
    *((decode_memo, text) for text in (b'{"e":{"t":7,"m":"M"}}', b'{"e":{"t":"T","m":null}}')),
    *((decode_schedule, b"1" + text) for text in (b"", b"{}", b"[]\n1\nnull", b'{"n":"canary-4711"}\n1\nnull')),
    *((decode_note, b"1" + text) for text in (b"", b"{}", b'{"h":"h","p":"canary-4711","j":[]}')),
]


@pytest.mark.parametrize(("decode", "text"), DAMAGED)
def test_damage_is_unreadable_and_is_not_shown(decode: Any, text: bytes) -> None:
    with pytest.raises(Unreadable, match="is damaged") as found:
        decode(text)
    assert CANARY not in repr(found.value) and found.value.__suppress_context__


@pytest.mark.parametrize("key", ["n", "w", "z", "q", "p", "a", "r", "l", "j"])
def test_a_schedule_with_a_value_of_another_kind_is_damaged(key: str) -> None:
    first, _, rest = golden("schedules", "fired").partition(b"\n")
    found = json.loads(first[1:])
    found[key] = [CANARY]

    with pytest.raises(Unreadable, match="its definition is damaged"):
        decode_schedule(b"1" + json.dumps(found).encode() + b"\n" + rest)


@pytest.mark.anyio
async def test_what_format_1_wrote_is_executed() -> None:
    flowli = app()
    driver = await flowli.__flowli__.driver("the test")
    jobs = [NewJob(name, "default", "echo", golden("heads", name), b'"x"') for name in HEADS]
    await driver.enqueue([*jobs, NewJob("audit", "default", "audit", b"1", golden("bodies", "both"))])

    assert await Runner(flowli).run_until_idle() == 1 + len(HEADS)
    assert await flowli.audit.handle("audit").result() == "a\nb"
    assert await flowli.echo.handle("plain").result() == "x"
