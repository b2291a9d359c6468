"""Log lines: their levels, what they say, and what they never hold."""

from __future__ import annotations

import logging

import pytest
from pydantic import BaseModel

from flowli import Backoff, Cancel, Defaults, Runner, job
from flowli.events import RunnerEvent
from flowli_memory import ManualClock
from tests.core.runner_kit import lost_runner, raw_job, record, runtime, store_raw

pytestmark = pytest.mark.anyio

CANARY = "canary-5f1c"


class Secret(BaseModel):
    number: int


@job(max_attempts=2, backoff=Backoff(delay="2s", jitter=False))
async def boom(text: str) -> None:
    raise LookupError("connection lost")


@job
async def fine(text: str) -> str:
    return text


@job
async def drop(text: str) -> None:
    raise Cancel


@job
async def validate(text: str) -> None:
    """A handler that trips over what it was given."""
    Secret.model_validate({"number": text})


@job
async def wrap(text: str) -> None:
    try:
        Secret.model_validate({"number": text})
    except ValueError as exc:
        raise RuntimeError("the form is wrong") from exc


def _lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == level and one.name == "flowli.runner"]


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="flowli.runner")


async def test_start_and_completion_of_a_job_are_debug(caplog: pytest.LogCaptureFixture) -> None:
    flowli = runtime(fine)
    handle = await flowli.use(fine).enqueue("x")
    await Runner(flowli).run_once()
    started, completed = _lines(caplog, logging.DEBUG)
    assert started.startswith(f"→ fine {handle.id} attempt 1, waited ")
    assert completed.startswith(f"✓ fine {handle.id} attempt 1, ")
    assert {one.levelno for one in caplog.records} == {logging.DEBUG}


async def test_a_retry_is_a_warning_and_the_end_an_error(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    flowli = runtime(boom, clock=clock)
    handle = await flowli.use(boom).enqueue("x")
    await Runner(flowli).run_once()
    clock.advance("2s")
    await Runner(flowli).run_once()
    [retry], [end] = _lines(caplog, logging.WARNING), _lines(caplog, logging.ERROR)
    assert retry.startswith(f"↻ boom {handle.id} attempt 1 failed after ")
    assert retry.endswith("s, retry in 2.0s: LookupError: connection lost")
    assert end.startswith(f"✗ boom {handle.id} failed for good (attempts) at attempt 2: LookupError: connection lost\n")
    assert "raise LookupError" in end


async def test_a_recovery_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    flowli = runtime(fine, clock=clock)
    handle = await flowli.use(fine).enqueue("x")
    await lost_runner(flowli, clock)
    await Runner(flowli).run_once()
    assert _lines(caplog, logging.WARNING) == [f"⟲ fine {handle.id} lease lapsed, queued again (lost runners: 1)"]


async def test_the_life_of_a_runner_is_info(caplog: pytest.LogCaptureFixture) -> None:
    flowli = runtime(fine)
    async with Runner(flowli, concurrency=7, lease="5s") as runner:
        pass
    assert _lines(caplog, logging.INFO) == [
        f"runner started  app=Flowli driver=memory jobs=1 concurrency=7 lease=5s id={runner.id}",
        "draining  0 running, grace 30s",
        f"runner stopped  id={runner.id}",
    ]


async def test_a_cancellation_is_info_and_parking_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    flowli = runtime(drop)
    handle = await flowli.use(drop).enqueue("x")
    await store_raw(flowli, raw_job(name="stranger"))
    await Runner(flowli).run_once()
    assert _lines(caplog, logging.INFO) == [f"drop {handle.id} cancelled in attempt 1: the handler cancelled it"]
    [parked] = _lines(caplog, logging.WARNING)
    assert parked == "stranger raw parked for 1.0s: FlowliError: no job 'stranger' is registered on Flowli"


@pytest.mark.parametrize("name", ["fine", "validate", "wrap", "drop", "stored"])
async def test_no_payload_is_ever_logged_or_kept_in_an_error(name: str, caplog: pytest.LogCaptureFixture) -> None:
    flowli = runtime(fine, validate, wrap, drop, defaults=Defaults(max_attempts=2, backoff=Backoff(delay="1ms")))
    if name == "stored":
        await store_raw(flowli, raw_job("the-id", name="fine", body=b'{"canary":"%b"}' % CANARY.encode()))
    else:
        await flowli.use({"fine": fine, "validate": validate, "wrap": wrap, "drop": drop}[name]).enqueue(
            CANARY, id="the-id"
        )
    runner = Runner(flowli)
    runner.on(RunnerEvent)(_trip)
    await runner.run_until_idle()
    error = (await record(flowli, "the-id")).error
    assert CANARY not in caplog.text
    assert CANARY not in f"{error} {error.traceback if error else ''}"
    assert caplog.records


def _trip(event: object) -> None:
    Secret.model_validate({"number": CANARY})


async def test_a_result_that_cannot_be_written_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    @job
    async def wrong(text: str) -> int:
        return text  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    flowli = runtime(wrong)
    handle = await flowli.use(wrong).enqueue(CANARY)
    await Runner(flowli).run_once()
    error = (await record(flowli, handle.id)).error
    assert error is not None
    assert "its result, a str, cannot be serialised" in error.message
    assert CANARY not in caplog.text + str(error) + str(error.traceback)
