"""The bytes of layout 1, which every later version has to read."""

from __future__ import annotations

import pytest

from flowli.driver import Lease, Millis, NewJob, Recovered, State, StoredJob
from flowli.resp.cursors import Cursor, decode, encode
from flowli.resp.records import job_of, lease_of, pack, recovered_of, unpack

JOB = NewJob("id", "mail", "send", b"\x00h\n", b"\tb", 3)
PACKED = b"34\t4\t3\nmailsend\x00h\n\tb"
STORED = b"11900000000000" + PACKED


def test_a_job_is_written_as_in_layout_1() -> None:
    assert pack(JOB) == PACKED


def test_a_job_of_layout_1_is_read() -> None:
    assert unpack(STORED) == (3, "mail", "send", b"\x00h\n", b"\tb")


def test_a_lease_is_read_from_its_parts() -> None:
    lease = lease_of(b"1900000000007id", STORED, 5, b"2:4", b"S3 0\nmemo\nmore")
    assert lease == Lease("id", "mail", "send", 5, 2, Millis(1_900_000_000_007), b"\x00h\n", b"\tb", b"memo\nmore")


def test_a_recovered_job_is_read_from_a_record_without_its_body() -> None:
    assert recovered_of(b"id", 2, STORED.removesuffix(b"\tb")) == Recovered("id", "mail", "send", 2)


def test_a_record_shows_the_last_token_of_all() -> None:
    job = job_of("id", (b"Q", 0, b"", b"1:9", b"S7 0\nmemo", STORED), body=False)
    assert job == StoredJob(
        id="id",
        queue="mail",
        name="send",
        state=State.QUEUED,
        priority=3,
        due=Millis(0),
        token=9,
        deliveries=1,
        head=b"\x00h\n",
        body=None,
        memo=b"memo",
    )


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match="priority"):
        pack(JOB._replace(priority=priority))


def test_a_cursor_is_read_where_it_was_written_for() -> None:
    cursor = Cursor("Q", None, "a\nb", "L", "12", "ü\x00")
    assert decode(encode(cursor), "Q", None) == cursor


@pytest.mark.parametrize(("kind", "scope"), [("S", None), ("Q", "mail")])
def test_a_cursor_of_another_listing_is_refused(kind: str, scope: str | None) -> None:
    with pytest.raises(ValueError, match="cursor"):
        decode(encode(Cursor("Q", None, "mail", "L", "12", "a")), kind, scope)


@pytest.mark.parametrize("text", ["", "x", "bnVsbA==", "WzEsMl0=", "WyJRIixudWxsLDEsIkwiLCIxIiwieCJd", "é"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        decode(text, "Q", None)
