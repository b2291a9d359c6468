"""`flowli.sentry`: what reaches Sentry's transport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from flowli import DefinitionError
from flowli.sentry import instrument
from flowli_memory import MemoryDriver
from flowli_memory.testing import Rig
from tests.telemetry.app import SECRET, App, Note

pytestmark = pytest.mark.anyio


class _Kept(Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [item.payload.json for item in envelope.items if item.payload.json is not None]


@pytest.fixture
def kept() -> Iterator[_Kept]:
    kept = _Kept()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            dsn="https://key@localhost/1",
            transport=kept,
            traces_sample_rate=1.0,
            include_local_variables=False,
            default_integrations=False,
        )
        yield kept
        sentry_sdk.get_client().close()
        sentry_sdk.init()


@pytest.mark.parametrize(("every_attempt", "events"), [(False, 1), (True, 2)])
async def test_failures_are_grouped_by_job_and_each_attempt_has_a_scope(
    kept: _Kept, every_attempt: bool, events: int
) -> None:
    end = instrument(every_attempt=every_attempt)
    try:
        with Rig(App(context=None, driver=MemoryDriver())) as bed:
            await bed.flowli.follow.enqueue(Note())
            await bed.flowli.fails.enqueue(Note())
            await bed.flowli.sleeps.enqueue(Note())
            await bed.advance("2m", allow_failures=True)
    finally:
        end()
    errors = [item for item in kept.items if "exception" in item]
    assert len(errors) == events
    last = errors[-1]
    assert last["fingerprint"] == ["flowli", "fails", "LookupError"]
    assert last["contexts"]["flowli"]["attempt"] == 2 and last["tags"]["flowli.job"] == "fails"
    runs = [item for item in kept.items if item.get("type") == "transaction"]
    assert sorted(run["transaction"] for run in runs) == ["fails", "fails", "follow", "sleeps", "sleeps"]
    [follow] = [run for run in runs if run["transaction"] == "follow"]
    data = follow["contexts"]["trace"]["data"]
    assert data["messaging.message.retry.count"] == 0 and data["messaging.system"] == "flowli"
    assert SECRET not in repr([run for run in kept.items if "exception" not in run])


def test_it_looks_on_once() -> None:
    end = instrument()
    try:
        with pytest.raises(DefinitionError, match="looks on already"):
            instrument()
    finally:
        end()
