"""Which jobs a `JobFilter` finds, and in which pieces."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from flowli import Runner, ValidationError
from flowli.filters import JobFilter
from flowli.records import FailureReason, State
from flowli_memory import ManualClock, MemoryDriver
from tests.core.desk_kit import NOON, Repaired, desk, failed, fragile
from tests.core.work import RequestMeta

pytestmark = pytest.mark.anyio


FINDS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"mail", "mail too", "lookup"}),
    ({"job": "fragile"}, {"mail", "mail too"}),
    ({"job": "nobody"}, set()),
    ({"queue": "audits"}, set()),
    ({"queue": "default"}, {"mail", "mail too", "lookup"}),
    ({"tag": "nightly"}, {"mail", "mail too"}),
    ({"tag": "unheard of"}, set()),
    ({"error": LookupError}, {"lookup"}),
    ({"error": "LookupError"}, {"lookup"}),
    ({"error": Exception}, set()),
    ({"error": Repaired}, {"mail", "mail too"}),
    ({"error": "Repaired"}, {"mail", "mail too"}),
    ({"error": "tests.core.desk_kit.Repaired"}, {"mail", "mail too"}),
    ({"error": "paired"}, set()),
    ({"message": "too"}, {"mail too"}),
    ({"reason": "attempts"}, {"mail", "mail too", "lookup"}),
    ({"reason": FailureReason.POISON}, set()),
    ({"after": NOON + timedelta(minutes=30)}, {"mail too", "lookup"}),
    ({"before": NOON + timedelta(minutes=30)}, {"mail"}),
    ({"after": NOON, "before": NOON + timedelta(minutes=31), "job": "fragile"}, {"mail", "mail too"}),
    ({"state": "completed"}, {"fine"}),
    ({"state": State.QUEUED}, {"waits"}),
]


@pytest.mark.parametrize(("where", "found"), FINDS)
async def test_a_filter_finds(where: Mapping[str, Any], found: set[str]) -> None:
    clock = ManualClock(NOON)
    flowli = desk(MemoryDriver(clock=clock))
    await flowli.fragile.enqueue("bad", id="mail")
    await flowli.fragile.enqueue("good", id="fine")
    await Runner(flowli).run_until_idle()
    clock.advance("30m")
    await flowli.fragile.enqueue("bad, too", id="mail too")
    await flowli.boom.enqueue("x", id="lookup")
    await Runner(flowli).run_until_idle()
    await flowli.fragile.enqueue("good", id="waits")

    page = await flowli.inspect.find_jobs(JobFilter(**where))
    assert {record.id for record in page} == found
    assert all(record.input_json is None for record in page)


async def test_a_filter_reads_meta() -> None:
    flowli = desk()
    for number, request in ((-1, "a"), (-2, "b"), (-3, "a")):
        await flowli.stubborn.enqueue(number, meta=RequestMeta(request_id=request), id=f"{request}{number}")
    await failed(flowli, "bad")

    page = await flowli.inspect.find_jobs(JobFilter(meta={"request_id": "a"}))
    assert sorted(record.id for record in page) == ["a-1", "a-3"]
    assert all(record.meta_json is None for record in page)
    assert list(await flowli.inspect.find_jobs(JobFilter(meta={"request_id": None}))) == []
    assert list(await flowli.inspect.find_jobs(JobFilter(meta={"tenant": "a"}))) == []


@pytest.mark.parametrize("limit", [1, 3, 500])
async def test_matches_are_paged_exactly(limit: int) -> None:
    flowli = desk()
    await failed(flowli, *(f"bad {number % 3}" for number in range(20)))
    where, met, cursor = JobFilter(message="bad 1"), list[str](), None
    while True:
        page = await flowli.inspect.find_jobs(where, limit=limit, cursor=cursor)
        assert len(page) <= limit
        met += [record.id for record in page]
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page) == limit
    assert len(met) == len(set(met)) == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "broken"},
        {"reason": "bad luck"},
        {"after": datetime(2030, 1, 1)},
        {"before": datetime(2030, 1, 1)},
        {"queue": "no queue"},
        {"job": fragile},
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        JobFilter(**wrong)
