"""X10: what a codec does to payloads, and that a record which was changed, moved or made by a stranger is not run."""

from __future__ import annotations

import logging
import zlib
from dataclasses import replace
from typing import Any

import pytest

from flowli import DefinitionError, Flowli, JobFailedError, Runner, ValidationError, job
from flowli.codec import Binding, HmacCodec, PayloadCodec, PayloadRefused
from flowli.driver import Change, Millis, NewJob, State
from flowli.wire import decode_schedule, encode_schedule
from flowli_memory import MemoryDriver

pytestmark = pytest.mark.anyio

KEY, OTHER = b"k" * 32, b"o" * 32
BINDING = Binding("body", "send", "a", "1")


@job
async def greet(name: str) -> str:
    return f"hello {name}"


@job
async def forget(name: str) -> str:
    return f"bye {name}"


class App(Flowli):
    greet = greet
    forget = forget


def _app(driver: MemoryDriver, codec: PayloadCodec | None) -> App:
    return App(context=None, driver=driver, codec=codec)


def _signed(*, key: bytes = KEY, **more: Any) -> HmacCodec:
    return HmacCodec({"k1": key}, sign_with="k1", **more)


async def _run(driver: MemoryDriver, codec: PayloadCodec | None) -> None:
    await Runner(_app(driver, codec)).run_once()


async def _state(driver: MemoryDriver, id: str) -> State:
    [found] = await driver.get_jobs([id])
    assert found is not None
    return found.state


async def _forge(driver: MemoryDriver, job: NewJob) -> None:
    await driver.enqueue([job])


async def test_a_job_is_signed_on_its_way_out_and_verified_on_its_way_in() -> None:
    driver = MemoryDriver()
    app = _app(driver, _signed())
    async with app:
        handle = await app.greet.enqueue("Ada", id="a")
        [stored] = await driver.get_jobs(["a"])
        assert stored is not None and stored.body is not None and stored.body.startswith(b"\x01h1\x02k1")
        await _run(driver, _signed())
        assert await handle.result(timeout=20) == "hello Ada"
        record = await handle.record()
        assert (record.input_json, record.result_json) == (b'"Ada"', b'"hello Ada"')
        [ended] = await driver.get_jobs(["a"])
        assert ended is not None and b"\n\x01h1\x02k1" in ended.memo, "the result is signed too"


async def test_a_job_of_a_stranger_is_parked_and_not_run(caplog: pytest.LogCaptureFixture) -> None:
    driver = MemoryDriver()
    async with _app(driver, None):
        await _forge(driver, NewJob("plain", "default", "greet", b"1", b'"Eve"'))
        stranger = _signed(key=OTHER).encode(b'"Eve"', Binding("body", "greet", "signed", "1"))
        await _forge(driver, NewJob("signed", "default", "greet", b"1", stranger))
        with caplog.at_level(logging.DEBUG):
            await _run(driver, _signed())
        assert [await _state(driver, id) for id in ("plain", "signed")] == [State.SCHEDULED] * 2
    assert "it is not signed" in caplog.text and "its signature is wrong" in caplog.text
    assert "Eve" not in caplog.text


async def test_a_job_that_never_verifies_fails_as_unreadable() -> None:
    driver = MemoryDriver()
    async with _app(driver, None):
        head = b'1{"u":0}'  # unknown_ttl
        await _forge(driver, NewJob("a", "default", "greet", head, b'"Eve"'))
        app = _app(driver, _signed())
        await Runner(app).run_until_idle()
        record = await app.inspect.get_job("a")
    assert record is not None and (record.state, record.reason) == (State.FAILED, "unreadable")
    assert (record.attempts_made, record.input_json) == (0, None), "what does not verify is not shown"


@pytest.mark.parametrize(
    "moved",
    [
        NewJob("b", "default", "greet", b"1", b""),
        NewJob("a", "default", "forget", b"1", b""),
    ],
)
async def test_a_signed_payload_cannot_be_moved_to_another_record(moved: NewJob) -> None:
    driver = MemoryDriver()
    async with _app(driver, None):
        body = _signed().encode(b'"Ada"', Binding("body", "greet", "a", "1"))
        await _forge(driver, moved._replace(body=body))
        await _run(driver, _signed())
        assert await _state(driver, moved.id) is State.SCHEDULED


async def test_a_result_cannot_take_the_place_of_an_input() -> None:
    driver = MemoryDriver()
    async with _app(driver, None):
        body = _signed().encode(b'"Ada"', Binding("result", "greet", "a", "1"))
        await _forge(driver, NewJob("a", "default", "greet", b"1", body))
        await _run(driver, _signed())
        assert await _state(driver, "a") is State.SCHEDULED


async def test_a_result_that_was_forged_is_no_result() -> None:
    driver = MemoryDriver()
    async with _app(driver, None) as plain:
        handle = await plain.greet.enqueue("Ada", id="a")
        await _run(driver, None)
        assert await handle.result(timeout=20) == "hello Ada"
        signed = _app(driver, _signed()).greet.handle("a")
        with pytest.raises(ValidationError, match="result does not validate"):
            await signed.result(timeout=20)


async def test_keys_are_changed_without_a_break() -> None:
    driver = MemoryDriver()
    old, both = _signed(), HmacCodec({"k1": KEY, "k2": OTHER}, sign_with="k2")
    new = HmacCodec({"k2": OTHER}, sign_with="k2")
    async with _app(driver, old) as producer:
        first = await producer.greet.enqueue("Ada")
        await _run(driver, both)
        second = await _app(driver, both).greet.enqueue("Bob")
        await _run(driver, new)
        assert await _app(driver, both).greet.handle(first.id).result(timeout=20) == "hello Ada"
        assert await _app(driver, new).greet.handle(second.id).result(timeout=20) == "hello Bob"


async def test_what_was_stored_before_there_was_a_codec_is_read_if_that_is_asked_for() -> None:
    driver = MemoryDriver()
    async with _app(driver, None) as plain:
        handle = await plain.greet.enqueue("Ada")
        await _run(driver, _signed(accept_unsigned=True))
        reader = _app(driver, _signed(accept_unsigned=True))
        assert await reader.greet.handle(handle.id).result(timeout=20) == "hello Ada"


async def test_the_input_of_a_schedule_is_signed_for_the_schedule_and_for_each_job() -> None:
    driver = MemoryDriver()
    app = _app(driver, _signed())
    async with app:
        schedule = await app.greet.schedule("1h", "Ada", key="daily")
        again = await app.greet.schedule("1h", "Ada", key="daily")
        assert (again.key, again.next_run_at) == ("daily", schedule.next_run_at), "the same again changes nothing"
        [stored] = await driver.get_schedules(["daily"])
        assert stored is not None and decode_schedule(stored.body).body.startswith(b"\x01h1"), "signed in the store"
        made = await schedule.trigger()
        assert made is not None
        await _run(driver, _signed())
        assert await app.greet.handle(made).result(timeout=20) == "hello Ada"


async def test_a_schedule_that_was_changed_is_not_fired_and_not_lost() -> None:
    driver = MemoryDriver()
    app = _app(driver, _signed())
    async with app:
        await app.greet.schedule("1h", "Ada", key="daily")
        [stored] = await driver.get_schedules(["daily"])
        assert stored is not None
        body = encode_schedule(replace(decode_schedule(stored.body), name="forget"))
        forged = replace(stored, body=body, next_run_at=Millis(1))
        await driver.change_schedules([Change(key="daily", expected=stored.version, successor=forged)])
        await _run(driver, _signed())
        [stands] = await driver.get_schedules(["daily"])
        assert stands is not None and stands.body == body, "kept as it is, for a runner that can read it"
        assert stands.next_run_at is not None and stands.next_run_at > 1, "and out of the way of the others"
        counts = await app.inspect.get_queue_counts()
        assert (counts.queued, counts.completed) == (0, 0)


class Shorter:
    """A codec with randomness left out: compression."""

    def encode(self, data: bytes, binding: Binding) -> bytes:
        del binding
        return zlib.compress(data)

    def decode(self, data: bytes, binding: Binding) -> bytes:
        del binding
        return zlib.decompress(data)


async def test_a_codec_of_ones_own() -> None:
    driver = MemoryDriver()
    app = _app(driver, Shorter())
    async with app:
        handle = await app.greet.enqueue("Ada" * 1000)
        [stored] = await driver.get_jobs([handle.id])
        assert stored is not None and stored.body is not None and len(stored.body) < 100
        await _run(driver, Shorter())
        assert await handle.result(timeout=20) == f"hello {'Ada' * 1000}"


async def test_whatever_a_codec_raises_parks_the_job(caplog: pytest.LogCaptureFixture) -> None:
    driver = MemoryDriver()
    async with _app(driver, None) as plain:
        handle = await plain.greet.enqueue("Ada")
        await _run(driver, Shorter())
        assert await _state(driver, handle.id) is State.SCHEDULED
    assert "is refused: error" in caplog.text, "the kind of zlib's error, and not its text"


class Fussy(Shorter):
    """A codec that cannot encode one of the results."""

    def encode(self, data: bytes, binding: Binding) -> bytes:
        if binding.kind == "result" and b"Eve" in data:
            raise RuntimeError(f"cannot encode {data!r}")
        return super().encode(data, binding)


async def test_a_result_that_the_codec_cannot_encode_fails_its_job_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Their outcomes travel together: one that cannot be sent must not keep the others, or the runner, for ever."""
    app = _app(MemoryDriver(), Fussy())
    async with app, Runner(app):
        handles = [await app.greet.enqueue(name, max_attempts=1) for name in ("Ada", "Eve", "Bob")]
        assert await handles[0].result(timeout=20) == "hello Ada"
        assert await handles[2].result(timeout=20) == "hello Bob"
        with pytest.raises(JobFailedError, match=r"the codec cannot encode its result \(RuntimeError\)"):
            await handles[1].result(timeout=20)
    assert "Eve" not in caplog.text


@pytest.mark.parametrize("at", range(0, 53, 3))
def test_every_bit_counts(at: int) -> None:
    codec = _signed()
    sealed = codec.encode(b'{"amount": 100}', BINDING)
    assert codec.decode(sealed, BINDING) == b'{"amount": 100}'
    changed = bytes(byte ^ (1 if place == at else 0) for place, byte in enumerate(sealed))
    with pytest.raises(PayloadRefused):
        codec.decode(changed, BINDING)
    with pytest.raises(PayloadRefused):
        codec.decode(sealed[:at], BINDING)


def test_two_bindings_never_have_the_same_bytes() -> None:
    assert Binding("body", "ab", "c", "1").to_bytes() != Binding("body", "a", "bc", "1").to_bytes()


@pytest.mark.parametrize(
    ("keys", "sign_with"), [({"k": b"short"}, "k"), ({"k": KEY}, "other"), ({"": KEY}, ""), ({}, "k")]
)
def test_a_weak_or_missing_key_is_refused(keys: dict[str, bytes], sign_with: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        HmacCodec(keys, sign_with=sign_with)
    assert "short" not in str(caught.value)


def test_a_key_is_not_shown() -> None:
    codec = _signed()
    assert "kkk" not in repr(codec) and "kkk" not in str(codec)
